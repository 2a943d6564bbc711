"""The rows on which the parity gate compares engines: the sample, jittered copies, split points.

All are data frames in the types of the sample, as the estimator was fitted: requests are made from
them, not the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from app.model.converters import integer_bounds
from app.model.decoding import CATEGORY
from app.model.prediction import ModelOutputError, Prediction, RowCountError
from modelctl.packaging.failures import breaks_contract, ensure_rows_kept
from modelctl.packaging.lowering.trees import split_points
from modelctl.packaging.oracle import RefusedRowsError
from modelctl.packaging.probes import UNSEEN_TEXTS, with_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.model.contract import Contract
    from app.model.feature import Feature
    from modelctl.packaging.oracle import Oracle

SEED = 20240501
PERTURBED_ROWS = 10_000
# Cells of all perturbed rows together: thousands of columns get fewer rows.
MAX_PERTURBED_CELLS = 1_000_000
MIN_PERTURBED_ROWS = 200
# Up to this many neighbours of split thresholds are all compared; of more, a seeded sample.
MAX_NEIGHBOUR_ROWS = 200_000
# Cells of these rows together: bounds the memory for thousands of columns.
MAX_NEIGHBOUR_CELLS = 10_000_000
# Share of values replaced with another category, or with a missing value where allowed.
SWAP_RATIO = 0.1
# Rows with which a feature is tried alone, where the estimator refuses all features together.
TRIED_ROWS = 50
# Refused rows that are kept for each feature: engines have to refuse them as well.
KEPT_REFUSED = 3


@dataclass
class Perturbed:
    """Perturbed rows that the estimator answers, with its answers, and what it refused.

    `within`: features whose noise stays within the sample's range, because the estimator refuses
    others. `left_out` counts rows that it refused nevertheless.
    """

    frame: pd.DataFrame
    refused: pd.DataFrame
    expected: Prediction
    left_out: int = 0
    within: list[str] = field(default_factory=list)


def perturbed(oracle: Oracle, frame: pd.DataFrame, contract: Contract) -> Perturbed:
    """Seeded copies of the rows: noise on numbers, other categories, missing values.

    Rows that the estimator refuses never stop packaging: a logarithm or a Box-Cox transform takes
    no negative number. They are told apart, and counted. Raises ModelctlError if a step drops rows.
    """
    rows = _copies(frame, contract, set())
    expected = _answered(oracle, rows, contract)
    if expected is not None:
        return Perturbed(rows, rows.head(0), expected)
    ensure_rows_kept(oracle, rows)
    within, refused = _refusing(oracle, frame, rows, contract)
    rows = _copies(frame, contract, within)
    answers = oracle.accepted(rows)
    kept = [at for at, answer in enumerate(answers) if answer]
    refused += [rows.iloc[[at]] for at, answer in enumerate(answers) if answer is False][:20]
    answered = rows.iloc[kept].reset_index(drop=True)
    expected = _answered(oracle, answered, contract) if kept else None
    if expected is None:
        answered, expected = answered.head(0), Prediction([], None)
    return Perturbed(
        answered,
        pd.concat(refused, ignore_index=True) if refused else rows.head(0),
        expected,
        left_out=len(rows) - len(answered),
        within=sorted(within),
    )


def _answered(oracle: Oracle, rows: pd.DataFrame, contract: Contract) -> Prediction | None:
    """The answers for all of these rows; None if the estimator refuses one of them.

    Raises ModelctlError if it answers what its contract does not have.
    """
    try:
        return oracle.predict(rows, contract.output)
    except (RefusedRowsError, RowCountError):
        return None
    except ModelOutputError as error:
        raise breaks_contract(error) from error


def _refusing(
    oracle: Oracle, frame: pd.DataFrame, rows: pd.DataFrame, contract: Contract
) -> tuple[set[str], list[pd.DataFrame]]:
    """The features whose noise alone is refused, and some of the refused rows."""
    count = min(TRIED_ROWS, len(rows))
    base = frame.iloc[_chosen(len(frame), len(rows))[:count]].reset_index(drop=True)
    within: set[str] = set()
    refused: list[pd.DataFrame] = []
    for feature in contract.inputs:
        noisy = rows[feature.name].iloc[:count].reset_index(drop=True)
        tried = base.assign(**{feature.name: noisy})
        if oracle.accepts(tried):
            continue
        ensure_rows_kept(oracle, tried)
        within.add(feature.name)
        answers = oracle.accepted(tried, calls=TRIED_ROWS)
        wrong = [at for at, answer in enumerate(answers) if answer is False]
        refused += [tried.iloc[[at]] for at in wrong[:KEPT_REFUSED]]
    return within, refused


def _copies(frame: pd.DataFrame, contract: Contract, within: set[str]) -> pd.DataFrame:
    """Perturbed copies, a seed for each feature: `within` changes no other feature's values."""
    wanted = MAX_PERTURBED_CELLS // max(1, len(contract.inputs))
    count = max(MIN_PERTURBED_ROWS, min(PERTURBED_ROWS, wanted))
    chosen = _chosen(len(frame), count)
    columns: dict[str, Any] = {str(name): frame[name].iloc[chosen] for name in frame.columns}
    for index, feature in enumerate(contract.inputs):
        random = np.random.default_rng([SEED, index])
        source = frame[feature.name]
        values = _jittered(feature, source, chosen, random, is_within=feature.name in within)
        if feature.missing == "allow":
            missing = random.random(len(values)) < SWAP_RATIO
            values = [None if m else v for v, m in zip(values, missing, strict=True)]
        columns[feature.name] = with_values(source, values)
    return pd.DataFrame({name: column.reset_index(drop=True) for name, column in columns.items()})


def _chosen(rows: int, count: int) -> NDArray[np.intp]:
    return np.random.default_rng(SEED).integers(rows, size=count)


def split_neighbours(
    model: Any, rows: NDArray[np.float64], among: set[int] | None = None
) -> tuple[NDArray[np.float64], float] | None:
    """Rows on, just below and just above every split threshold of a tree model.

    Each is a copy of one of `rows`, real inputs of the model, with one value at the threshold.
    Returns the rows and their share of all neighbours; None for a model without trees, or without
    a threshold of the features `among`, where those are given.
    """
    points = split_points(model)
    if points is None or not points[0]:
        return None
    features, thresholds, float_type = points
    random = np.random.default_rng(SEED)
    at: NDArray[Any] = np.array(thresholds, dtype=float_type)
    low, high = float_type(-np.inf), float_type(np.inf)
    # The largest number has an infinite neighbour, which is left out below.
    with np.errstate(over="ignore"):
        sides = [at, np.nextafter(at, low), np.nextafter(at, high)]
    values = np.concatenate(sides).astype(np.float64)
    columns = np.tile(np.array(features), 3)
    usable = np.flatnonzero(np.isfinite(values))
    if among is not None:
        usable = usable[np.isin(columns[usable], list(among))]
    if not len(usable):
        return None
    taken = usable
    limit = min(MAX_NEIGHBOUR_ROWS, max(MIN_PERTURBED_ROWS, MAX_NEIGHBOUR_CELLS // rows.shape[1]))
    if len(usable) > limit:
        taken = np.sort(random.choice(usable, limit, replace=False))
    result = rows[random.integers(len(rows), size=len(taken))].copy()
    result[np.arange(len(taken)), columns[taken]] = values[taken]
    return result, len(taken) / max(1, len(usable))


def _jittered(
    feature: Feature,
    source: pd.Series[Any],
    chosen: NDArray[np.intp],
    random: np.random.Generator,
    *,
    is_within: bool,
) -> list[Any]:
    """Other values for the chosen rows of a column."""
    values = _objects(source.iloc[chosen])
    choices = _choices(feature, source)
    if choices is not None:
        if not choices:
            return values
        swapped = random.random(len(values)) < SWAP_RATIO
        drawn = random.integers(len(choices), size=len(values))
        pairs = zip(values, swapped, drawn.tolist(), strict=True)
        return [choices[d] if s else v for v, s, d in pairs]
    present = source.dropna()
    if feature.dtype == "datetime":
        return _moved_times(values, present, random)
    spread = float(np.std(present.to_numpy(dtype=np.float64))) * 0.2 if len(present) else 1.0
    if not spread:
        # A single row or a constant column: requests will have other values nevertheless.
        spread = max(1.0, abs(float(present.iloc[0]))) * 0.1
    noise = random.normal(0.0, spread, size=len(values)).tolist()
    moved = [None if v is None else v + n for v, n in zip(values, noise, strict=True)]
    low, high = _bounds(feature, present, is_within=is_within)
    moved = [None if v is None else min(max(v, low), high) for v in moved]
    if pd.api.types.is_integer_dtype(source):
        # Whole numbers first: half of the rows keep the column's type in training.
        whole = len(moved) if feature.dtype == "integer" else len(moved) // 2
        return [None if v is None else round(v) if at < whole else v for at, v in enumerate(moved)]
    return moved


def _choices(feature: Feature, source: pd.Series[Any]) -> list[Any] | None:
    """The values to draw from, for what is not a range of numbers."""
    if feature.closed is not None:
        return list(feature.closed)
    if feature.dtype == "boolean":
        return [False, True]
    if feature.storage == CATEGORY and feature.dtype != "string":
        known = list(feature.categories or ())
        return [*known, max(known) + 1]
    if feature.dtype != "string":
        return None
    seen = [value for value in dict.fromkeys(_objects(source)) if value is not None]
    return [*dict.fromkeys([*(feature.categories or ()), *seen[:100]]), *UNSEEN_TEXTS]


def _bounds(feature: Feature, present: pd.Series[Any], *, is_within: bool) -> tuple[float, float]:
    bounds = [feature.range or (None, None)]
    if feature.dtype == "integer":
        bounds.append(integer_bounds(feature))
    if is_within and len(present):
        bounds.append((float(present.min()), float(present.max())))
    lows = [low for low, _ in bounds if low is not None]
    highs = [high for _, high in bounds if high is not None]
    return max(lows, default=-np.inf), min(highs, default=np.inf)


def _moved_times(
    values: list[Any], present: pd.Series[Any], random: np.random.Generator
) -> list[Any]:
    """Times up to a month away, in whole days: both dates and times stay what they are."""
    days = random.integers(-30, 31, size=len(values)).tolist()
    if not len(present):
        return values
    return [
        None if v is None else v + pd.Timedelta(days=d) for v, d in zip(values, days, strict=True)
    ]


def _objects(column: pd.Series[Any]) -> list[Any]:
    """The values as Python has them; None for a missing one."""
    pairs = zip(column.astype(object).tolist(), column.isna().tolist(), strict=True)
    return [None if missing else value for value, missing in pairs]


def frame_of(rows: NDArray[np.float64], contract: Contract, like: pd.DataFrame) -> pd.DataFrame:
    """Encoded rows in the types of the sample, for an estimator that has no steps before it."""
    columns: dict[str, Any] = {}
    for index, feature in enumerate(contract.inputs):
        values: Sequence[Any] = rows[:, index].tolist()
        if feature.dtype == "string":
            names = feature.categories or ()
            values = [None if code != code else names[int(code)] for code in values]
        elif feature.dtype == "boolean":
            values = [None if code != code else bool(code) for code in values]
        columns[feature.name] = with_values(like[feature.name], values)
    return pd.DataFrame(columns)
