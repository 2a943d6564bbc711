"""The background of explanations: rows of the training sample, kept in a bundle on request.

A sensitive feature has no values in it: a mix takes them from the row that is explained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from app.errors import BundleRefusedError, FieldError
from app.model.bundle import REPACKAGE
from app.model.feature import MISSING
from app.model.validation import Batch, Validator

if TYPE_CHECKING:
    from app.model.bundle import Bundle
    from app.model.contract import Contract
    from app.model.feature import Feature

FILE = "background.json"
# The manifest's entry of a bundle that explains.
KEY = "explain"


@dataclass(frozen=True)
class Background:
    """The rows, and how explanations use them: `permutations` for each of them.

    `additive`: packaging has found the answers to be a sum of one term for each feature.
    """

    rows: Batch
    permutations: int
    additive: bool


def explained_features(contract: Contract) -> list[int]:
    """The features that get a contribution: all that are not sensitive, by their column."""
    return [at for at, feature in enumerate(contract.inputs) if not feature.sensitive]


def read_background(bundle: Bundle, contract: Contract) -> Background | None:
    """The background of a bundle; None if it has none. Raises BundleRefusedError."""
    entry = bundle.manifest.get(KEY)
    if entry is None:
        return None
    try:
        if contract.output.explained is None:
            raise _kind_error(contract)
        columns = orjson.loads(bundle.read(FILE))["columns"]
        rows = encode_background(contract, columns)
        return Background(rows, entry["permutations"], entry["additive"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleRefusedError(
            "the background of explanations is invalid",
            expected=f"`{KEY}` in manifest.json and {FILE} as written by `modelctl package`",
            found=f"{type(error).__name__}: {error}"[:200],
            fix=REPACKAGE,
        ) from error


def _kind_error(contract: Contract) -> ValueError:
    return ValueError(f"explanations of a {contract.output.kind}, whose answers are no sums")


def encode_background(contract: Contract, columns: Any) -> Batch:
    """Encode columns by name as a request's rows are; sensitive ones have no values.

    Raises ValueError, KeyError or TypeError for columns that the contract refuses.
    """
    if not isinstance(columns, dict):
        raise TypeError(f"columns: {type(columns).__name__}")
    validator, errors = Validator(contract), list[FieldError]()
    count = max(map(len, columns.values()), default=0)
    encoded = []
    for feature in contract.inputs:
        if feature.sensitive:
            encoded.append([_nothing(feature)] * count)
        else:
            encoded.append(validator.column(feature.name, columns[feature.name], _at, errors))
    if errors or not count:
        raise ValueError(errors[0].msg if errors else "no rows")
    return validator.assemble(encoded)


def _nothing(feature: Feature) -> Any:
    return None if feature.is_open else MISSING


def _at(row: int) -> tuple[str | int, ...]:
    return ("background", row)
