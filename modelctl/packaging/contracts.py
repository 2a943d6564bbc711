"""Infer the contract of a fitted estimator: what a request may send, and where each rule is from.

Authority, highest first: model.yaml (`input_rules`), the fitted steps (`fitted_steps`), the sample.
What the estimator itself accepts (`probes`) decides where the steps only propose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from app.model.converters import MAX_INTEGER
from app.model.decoding import CATEGORY, DATE, OBJECT
from app.model.feature import Dtype, Feature, Rule, Unseen
from modelctl.errors import ModelctlError
from modelctl.packaging.column_types import dtype_of
from modelctl.packaging.input_rules import InputRule
from modelctl.packaging.magnitudes import magnitudes
from modelctl.packaging.probes import UNSEEN_TEXTS, Probe, ask, typical_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelctl.packaging.fitted_steps import Use
    from modelctl.packaging.input_rules import InputRules
    from modelctl.packaging.oracle import Oracle

# A closed list that no encoder names is taken from the sample up to this many values.
MAX_CATEGORIES = 1000


@dataclass(frozen=True)
class Inferred:
    """A feature and where its rules come from, for the table of `modelctl package`."""

    feature: Feature
    source: str


@dataclass(frozen=True)
class _Evidence:
    """What is known of one feature before its rules are decided."""

    name: str
    column: pd.Series[Any]
    dtype: Dtype
    use: Use
    rule: InputRule

    @property
    def numbers(self) -> list[float]:
        """The fitted categories that are numbers or booleans."""
        if self.dtype in ("string", "datetime"):
            return []
        values = [v for v in self.use.categories if isinstance(v, bool | int | float)]
        if self.is_category and not values:
            values = self.column.dtype.categories.tolist()
        return [float(v) for v in values if v == v]

    @property
    def is_category(self) -> bool:
        """Whether the column is one of pandas categories."""
        return isinstance(self.column.dtype, pd.CategoricalDtype)

    @property
    def has_missing(self) -> bool:
        """Whether the sample has missing values."""
        return bool(self.column.isna().any())

    @property
    def may_be_missing(self) -> bool:
        """Whether a fitted step imputes missing values, or has seen them."""
        return self.has_missing or bool(self.use.imputer) or self.use.saw_missing


def infer_features(
    oracle: Oracle,
    frame: pd.DataFrame,
    names: Sequence[str],
    uses: dict[str, Use],
    rules: InputRules,
) -> list[Inferred]:
    """One feature for each of these columns of the sample. Raises ModelctlError."""
    evidence = [_evidence(name, frame[name], uses, rules) for name in names]
    probes = [probe for one in evidence for probe in _probes(one)]
    row = typical_row(oracle, frame)
    accepted = dict(zip(probes, ask(oracle, row, probes), strict=True))
    bounds = magnitudes(oracle, row, [one.name for one in evidence if _is_unbounded(one)])
    return [_inferred(one, accepted, bounds.get(one.name)) for one in evidence]


def _is_unbounded(one: _Evidence) -> bool:
    is_number = one.dtype == "float" and not one.is_category
    return is_number and one.rule.range is None and not one.use.encoder


def _evidence(
    name: str, column: pd.Series[Any], uses: dict[str, Use], rules: InputRules
) -> _Evidence:
    rule = rules.inputs.get(name, InputRule())
    use = uses[name]
    dtype = rule.dtype or dtype_of(name, column)
    is_category = isinstance(column.dtype, pd.CategoricalDtype)
    if dtype == "integer" and rule.dtype is None:
        # The steps calculate with it, so they take fractions; a closed list decides for itself.
        is_exact = use.custom or is_category or (use.encoder and _is_large(column))
        dtype = "integer" if is_exact else "float"
    return _Evidence(name, column, dtype, use, rule)


def _is_large(column: pd.Series[Any]) -> bool:
    """Whether whole numbers come near those that float64 has no longer."""
    return bool(column.dropna().abs().max() > MAX_INTEGER / 2)


def _probes(one: _Evidence) -> list[Probe]:
    """What to ask about a feature."""
    wanted: list[Any] = []
    if one.dtype == "string":
        wanted += UNSEEN_TEXTS
    elif one.numbers:
        wanted += _other_numbers(one)
    asks_missing = (
        one.may_be_missing
        or one.dtype == "string"
        or bool(one.numbers)
        or one.rule.missing == "allow"
    )
    if asks_missing and not one.has_missing:
        wanted.append(None)
    return [Probe(one.name, value) for value in wanted]


def _other_numbers(one: _Evidence) -> list[Any]:
    """Numbers that are none of the fitted categories."""
    known = set(one.numbers)
    if one.dtype == "boolean":
        return [flag for flag in (False, True) if float(flag) not in known]
    low, high = min(known), max(known)
    candidates = (high + 1, low - 1, high + 1000, (low + high) / 2 + 0.25)
    return [value for value in candidates if value not in known]


def _inferred(
    one: _Evidence, accepted: dict[Probe, bool], bounds: tuple[float, float] | None
) -> Inferred:
    categories, unseen = _categories(one, accepted)
    missing = _missing(one, accepted, unseen)
    dtype, rule = one.dtype, one.rule
    if categories is not None and dtype == "float" and rule.dtype is None:
        whole = all(float(value).is_integer() for value in categories)
        dtype = "integer" if whole and _is_whole(one.column) else dtype
        categories = tuple(map(int, categories)) if dtype == "integer" else categories
    low = high = None
    present = pd.Series(one.column.dropna().tolist())
    if dtype in ("float", "integer") and len(present):
        low, high = float(present.min()), float(present.max())
    feature = Feature(
        name=one.name,
        dtype=dtype,
        min=low,
        max=high,
        categories=categories,
        missing=missing,
        unseen=unseen,
        range=bounds if rule.range is None else (rule.range.min, rule.range.max),
        description=rule.description,
        example=rule.example,
        sensitive=rule.sensitive,
        storage=_storage(one),
    )
    return Inferred(feature, _source(one))


def _categories(
    one: _Evidence, accepted: dict[Probe, bool]
) -> tuple[tuple[Any, ...] | None, Unseen]:
    """The categories of the encoders, and whether any other value is answered."""
    if one.dtype != "string":
        return _number_list(one, accepted)
    is_answered = all(accepted[Probe(one.name, text)] for text in UNSEEN_TEXTS)
    if one.rule.unseen == "pass" and not is_answered and not one.use.custom:
        raise _refused_by_model(one.name, "unseen: pass", "values that training has not seen")
    known = _texts(one)
    if one.is_category and one.use.custom:
        # A step that reads codes would number other texts by their order in a request.
        return known, "refuse"
    if one.rule.unseen != "refuse" and not is_answered and one.use.custom and not known:
        # A user's own step reads texts of some form: it refuses others itself, and no list of
        # training texts is told.
        return None, "pass"
    if one.rule.unseen != "refuse" and is_answered:
        return (None if one.use.vectorizer or not known else known), "pass"
    listed = known or tuple(sorted({str(value) for value in one.column.dropna()}))
    if not known and len(listed) > MAX_CATEGORIES:
        return None, "pass"
    return listed, "refuse"


def _texts(one: _Evidence) -> tuple[str, ...]:
    """The texts that the steps know: those of a categorical column in its own order."""
    if one.is_category and not one.use.texts:
        return tuple(map(str, one.column.dtype.categories))
    return tuple(sorted(one.use.texts))


def _number_list(
    one: _Evidence, accepted: dict[Probe, bool]
) -> tuple[tuple[Any, ...] | None, Unseen]:
    asked = [Probe(one.name, value) for value in _other_numbers(one)] if one.numbers else []
    is_answered = not asked or any(accepted[probe] for probe in asked)
    if one.rule.unseen == "pass" and not is_answered:
        raise _refused_by_model(one.name, "unseen: pass", "values that training has not seen")
    if one.rule.unseen == "refuse" and not one.numbers:
        listed = sorted({float(value) for value in one.column.dropna()})
        if one.dtype not in ("float", "integer") or len(listed) > MAX_CATEGORIES:
            raise ModelctlError(
                f"model.yaml closes the list of {one.name!r}, which has no categories",
                expected=f"numbers or texts with at most {MAX_CATEGORIES} values in the sample",
                fix="give a range instead of `unseen: refuse`",
            )
        return tuple(listed), "refuse"
    if one.numbers and one.is_category:
        # In their own order: boosters take the position of a category for its code.
        kind = {"boolean": bool, "integer": int}.get(one.dtype, float)
        listed = list(map(kind, one.numbers))
        return tuple(listed), "pass" if is_answered and one.rule.unseen != "refuse" else "refuse"
    if one.numbers and (one.rule.unseen == "refuse" or not is_answered):
        values = sorted(set(one.numbers))
        return tuple(map(bool, values)) if one.dtype == "boolean" else tuple(values), "refuse"
    return None, "refuse" if one.dtype == "boolean" else "pass"


def _missing(one: _Evidence, accepted: dict[Probe, bool], unseen: Unseen) -> Rule:
    is_answered = one.has_missing or accepted.get(Probe(one.name, None), False)
    if one.rule.missing == "allow" and not is_answered:
        raise _refused_by_model(one.name, "missing: allow", "missing values")
    if one.rule.missing is not None:
        return one.rule.missing
    # An encoder that answers any text answers none at all in the same way; a boolean has no other
    # unseen value.
    is_open = unseen == "pass" or one.dtype == "boolean"
    takes_any = is_open and (one.dtype == "string" or bool(one.numbers))
    proposed = one.may_be_missing or takes_any
    return "allow" if proposed and is_answered else "refuse"


def _refused_by_model(name: str, rule: str, what: str) -> ModelctlError:
    return ModelctlError(
        f"model.yaml says `{rule}` for {name!r}, but the model refuses {what}",
        expected="a rule that the fitted steps can keep",
        fix="train with a step that handles them (an imputer, handle_unknown), or drop the rule",
    )


def _storage(one: _Evidence) -> str:
    if one.is_category:
        return CATEGORY
    if one.dtype == "string":
        return OBJECT if one.column.dtype == object else ""
    kind = one.column.dtype
    if one.dtype == "float" and kind in (np.float32, np.float16):
        return str(kind)
    if one.dtype == "integer" and pd.api.types.is_integer_dtype(kind) and kind != np.int64:
        # Small integers overflow where larger ones do not; nullable ones have no NaN.
        return str(kind)
    if one.dtype == "boolean" and str(kind) == "boolean":
        return "boolean"
    if one.dtype == "datetime":
        return DATE if one.column.dtype == object else str(one.column.dtype)
    return ""


def _source(one: _Evidence) -> str:
    """Where the rules of a feature come from: model.yaml, classes of steps, or the sample."""
    steps = (one.use.vectorizer, one.use.encoder, one.use.imputer, one.use.custom)
    names = [*dict.fromkeys(name for name in steps if name)]
    if one.rule != InputRule():
        names.insert(0, "model.yaml")
    return ", ".join(names or ["sample"])


def _is_whole(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_integer_dtype(column)) or bool(
        np.all(column.dropna().to_numpy(dtype=np.float64) % 1 == 0)
    )


def in_order(names: Sequence[str], rules: InputRules, *, by_name: bool) -> list[str]:
    """The features in the order of positional rows. Raises ModelctlError for unknown names.

    `by_name`: the estimator finds its columns by name, so that model.yaml may order them.
    """
    unknown = [name for name in rules.inputs if name not in names]
    if unknown:
        raise ModelctlError(
            f"model.yaml has rules for unknown inputs: {', '.join(unknown)}",
            expected=", ".join(names)[:500],
            fix="correct the names under `inputs:`",
        )
    wanted = list(rules.inputs)
    if len(wanted) < len(names) or wanted == list(names):
        return list(names)
    if not by_name:
        raise ModelctlError(
            "model.yaml orders the inputs of a model that was fitted on an array",
            expected=", ".join(names)[:500],
            found=", ".join(wanted)[:500],
            fix="list `inputs:` in the order of the fitted columns",
        )
    return wanted
