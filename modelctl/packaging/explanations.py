"""The background of explanations: which rows of the sample the bundle keeps, if any.

Off unless asked for: these are rows of the training data. Explained and checked here by what the
service itself uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct

from app.errors import RequestError
from app.model.background import Background, encode_background, explained_features
from app.model.bundle import canonical
from app.model.explainer import (
    MAX_EVALUATIONS,
    Explainer,
    explained_numbers,
)
from app.model.gaps import taken
from app.model.manifest import MIN_PERMUTATIONS
from modelctl.errors import ModelctlError
from modelctl.packaging.additivity import is_additive
from modelctl.packaging.alignment import listed
from modelctl.packaging.parity import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.model.contract import Contract
    from app.model.prediction import Engine

KEY = "explain"
ROWS, SEED = 100, 0
# Of fewer rows, answers would say much of each.
MIN_ROWS, MAX_ROWS = 10, 1000
MAX_PERMUTATIONS = 1000
# Without a number of its own, a model gets so many orders of each background row, or fewer, so that
# a row costs about so many predictions.
PERMUTATIONS, EVALUATIONS = 16, 100_000
# Rows of the sample that are explained before the bundle is written.
CHECKED_ROWS = 20
TOLERANCE = 1e-6


class ExplainRule(Struct, frozen=True, forbid_unknown_fields=True):
    """`explain:` of model.yaml: rows of the background, and orders drawn for each of them.

    Each order comes with its reverse: there is an even number of them.
    """

    rows: Annotated[int, Meta(ge=MIN_ROWS, le=MAX_ROWS)] = ROWS
    permutations: (
        Annotated[int, Meta(ge=MIN_PERMUTATIONS, le=MAX_PERMUTATIONS, multiple_of=2)] | None
    ) = None


@dataclass(frozen=True)
class Explained:
    """What a bundle that explains has more: an entry of the manifest, a file, and notes on it."""

    entry: dict[str, Any]
    data: bytes
    notes: list[str]


def read_rule(config: Mapping[str, Any], *, asked: bool) -> ExplainRule | None:
    """The rule of a model.yaml, or the default one if --explain asks. Raises ModelctlError."""
    given = config.get(KEY)
    if given is None or isinstance(given, bool):
        return ExplainRule() if given or asked else None
    try:
        return msgspec.convert(given, ExplainRule)
    except msgspec.ValidationError as error:
        raise ModelctlError(
            f"`{KEY}` in model.yaml is not valid",
            expected=f"true, or rows ({MIN_ROWS} to {MAX_ROWS}) and permutations (even)",
            found=str(error),
        ) from error


def explained(
    rule: ExplainRule,
    estimator: Any,
    engine: Engine,
    contract: Contract,
    rows: list[list[Any]],
) -> Explained:
    """Choose the background from the sample's rows, and try it. Raises ModelctlError."""
    _require_meaning(contract, len(rows))
    count = min(rule.rows, len(rows))
    chosen = np.sort(np.random.default_rng(SEED).choice(len(rows), count, replace=False))
    columns = {
        contract.names[at]: [rows[row][at] for row in chosen.tolist()]
        for at in explained_features(contract)
    }
    permutations = rule.permutations or _permutations(len(columns), count)
    additive = is_additive(estimator, contract.output.explained)
    background = Background(encode_background(contract, columns), permutations, additive)
    explainer = _tried(engine, contract, background, rows)
    if explainer is None:
        additive = False
        background = Background(background.rows, permutations, additive)
        explainer = _tried(engine, contract, background, rows)
    assert explainer is not None  # noqa: S101 - only sums of terms can fail to add up
    if explainer.evaluations > MAX_EVALUATIONS:
        raise ModelctlError(
            "an explanation of this model would cost too much",
            expected=f"at most {MAX_EVALUATIONS:,} predictions for a row",
            found=f"{explainer.evaluations:,}: {count} rows x {permutations} permutations x "
            f"{len(columns)} features",
            fix="fewer `rows` or `permutations` under `explain:` in model.yaml",
        )
    entry = {"rows": count, "permutations": permutations, "additive": additive}
    return Explained(entry, canonical({"columns": columns}), _notes(explainer, contract, count))


def _require_meaning(contract: Contract, rows: int) -> None:
    """Raise ModelctlError for a model whose answers features cannot add up to."""
    output = contract.output
    if output.explained is None:
        what = {"transformer": "vectors", "cluster": "numbers of clusters"}
        raise ModelctlError(
            "the answers of this model cannot be explained",
            expected="a regressor, or a model with probabilities, a decision or a score",
            found=f"a {output.kind} that answers {what.get(output.kind, 'labels only')}",
            fix="package it without --explain and without `explain` in model.yaml",
        )
    if not explained_features(contract):
        raise ModelctlError(
            "there is no feature to explain predictions by",
            expected="a feature that is not sensitive",
            found="`sensitive: true` for every feature",
            fix="package it without --explain and without `explain` in model.yaml",
        )
    if rows < MIN_ROWS:
        raise ModelctlError(
            "the sample is too small for explanations",
            expected=f"at least {MIN_ROWS} rows: of fewer, answers would tell single ones",
            found=f"{rows} rows",
            fix="pass a larger --sample",
        )


def _permutations(features: int, rows: int) -> int:
    """Orders of each background row: fewer for a model with many features."""
    wanted = EVALUATIONS // (rows * max(1, features - 1)) // 2 * 2
    return max(MIN_PERMUTATIONS, min(PERMUTATIONS, wanted))


def _tried(
    engine: Engine, contract: Contract, background: Background, rows: list[list[Any]]
) -> Explainer | None:
    """Explain a row of the sample, or several if that is cheap; None if they do not add up.

    Raises ModelctlError if the model refuses mixes of its own sample.
    """
    batch = encode(rows[:CHECKED_ROWS], contract)
    explainer = Explainer(engine, contract, background)
    explainer.prepare(taken(batch, np.array([0])))
    if explainer.evaluations > MAX_EVALUATIONS:
        return explainer
    some = taken(batch, np.arange(len(batch) if background.additive else 1))
    prediction = engine.predict(some)
    try:
        found = explainer.explain(some, prediction, lambda: None)
    except RequestError as error:
        raise ModelctlError(
            "the model refuses mixes of two rows of its sample, which explanations ask it about",
            expected="an answer for the features of one row with those of another",
            found=error.detail,
            fix="package it without --explain and without `explain` in model.yaml",
        ) from error
    expected = explained_numbers(contract.output, prediction)
    sums = np.stack([each.base + each.contributions.values.sum(axis=0) for each in found])
    adds_up = np.abs(sums - expected) <= TOLERANCE * np.maximum(1.0, np.abs(expected))
    return explainer if adds_up.all() else None


def _notes(explainer: Explainer, contract: Contract, rows: int) -> list[str]:
    """What the user who packages has to know."""
    notes = [
        f"/explain is on ({explainer.plan.method}, {explainer.evaluations:,} predictions for a "
        f"row): the bundle holds {rows} rows of the sample, and answers tell averages over them"
    ]
    hidden = [feature.name for feature in contract.inputs if feature.sensitive]
    if hidden:
        notes.append(
            f"{listed(hidden)}: sensitive, so not in the background and without a contribution"
        )
    return notes
