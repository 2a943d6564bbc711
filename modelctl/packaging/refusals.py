"""Rows that the estimator refuses: the contract or the engine has to refuse them as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.model.engine import refuses
from app.model.validation import Validator
from modelctl.packaging.column_types import json_rows
from modelctl.packaging.probes import UNSEEN_TEXTS, Probe, changed, typical_row

if TYPE_CHECKING:
    import pandas as pd

    from app.model.contract import Contract
    from app.model.prediction import Engine
    from modelctl.packaging.oracle import Oracle

# Refused rows kept in the bundle for the self-test at startup, and questions to find them.
KEPT_ROWS = 20
MAX_QUESTIONS = 60


def count_answered(rows: list[list[Any]], contract: Contract, engine: Engine) -> int:
    """How many of these rows get an answer, each alone."""
    return len(rows) - len(only_refused(rows, contract, engine))


def only_refused(rows: list[list[Any]], contract: Contract, engine: Engine) -> list[list[Any]]:
    """The rows that get no answer, each alone."""
    validator = Validator(contract)
    return [row for row in rows if refuses(validator, engine, row)]


def refused_examples(
    oracle: Oracle, frame: pd.DataFrame, contract: Contract, more: pd.DataFrame
) -> list[list[Any]]:
    """Rows of the self-test that must not be answered: those that the estimator refuses.

    The first of `more`, then one row with one value changed for each rule that refuses.
    """
    row = typical_row(oracle, frame)
    rows = json_rows(more.head(KEPT_ROWS // 2), contract)
    (base,) = json_rows(row, contract)
    questions = 0
    for index, feature in enumerate(contract.inputs):
        values: list[Any] = []
        if feature.closed is not None and feature.dtype == "string":
            values.append(UNSEEN_TEXTS[0])
        elif feature.closed is not None and feature.dtype != "boolean":
            values.append(type(feature.closed[-1])(max(feature.closed) + 1))
        if feature.missing == "refuse":
            values.append(None)
        for value in values:
            if len(rows) >= KEPT_ROWS or questions >= MAX_QUESTIONS:
                return rows
            questions += 1
            if not oracle.accepts(changed(row, [Probe(feature.name, value)])):
                rows.append([*base[:index], value, *base[index + 1 :]])
    return rows
