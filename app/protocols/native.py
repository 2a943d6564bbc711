"""The native protocol, /predict: `features`, `input` or `instances` in, predictions out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.errors import FieldError
from app.model.converters import json_type
from app.model.validation import contract_error
from app.protocols.call import Call
from app.protocols.strict_json import parse
from app.responses import Reply, json_reply

if TYPE_CHECKING:
    from app.model.prediction import Prediction
    from app.model.validation import Validator

ONE_ROW_KEYS = ("features", "input")


class Native:
    """The native protocol for one loaded model."""

    def __init__(self, version: str, validator: Validator, max_rows: int) -> None:
        self._version = version
        self._validator = validator
        self._max_rows = max_rows

    def read(self, body: bytes) -> Call:
        """Read a /predict body. Raises RequestError."""
        rows, locs, is_one_row = read_rows(parse(body), self._max_rows)
        batch = self._validator.batch(rows, locs, self._max_rows)

        def write(prediction: Prediction, request_id: str) -> Reply:
            documents = _row_documents(prediction)
            document: dict[str, Any] = documents[0] if is_one_row else {"predictions": documents}
            document["model_version"] = self._version
            document["request_id"] = request_id
            return json_reply(document)

        return Call(batch, write)


def read_rows(document: Any, limit: int) -> tuple[list[Any], list[tuple[str | int, ...]], bool]:
    """The rows of a /predict document, their locations, and whether it is the one-row form.

    Rows beyond `limit` have no locations: a batch rejects them without reading them.
    Raises RequestError 422.
    """
    if not isinstance(document, dict):
        raise contract_error([FieldError((), f"expected an object, found {json_type(document)}")])
    known = [key for key in (*ONE_ROW_KEYS, "instances") if key in document]
    unknown = [key for key in document if key not in (*ONE_ROW_KEYS, "instances")]
    if len(known) != 1 or unknown:
        errors = [FieldError((key[:100],), "unknown key") for key in unknown]
        if len(known) != 1:
            text = "expected exactly one of `features`, `input` (one row) or `instances` (rows)"
            errors.append(FieldError((), text))
        raise contract_error(errors)
    key = known[0]
    if key != "instances":
        return [document[key]], [(key,)], True
    rows = document[key]
    if not isinstance(rows, list):
        raise contract_error([FieldError((key,), f"expected a list, found {json_type(rows)}")])
    return rows, [(key, index) for index in range(min(len(rows), limit))], False


def _row_documents(prediction: Prediction) -> list[dict[str, Any]]:
    """One document per row."""
    if prediction.probabilities is None:
        return [{"prediction": value} for value in prediction.values]
    return [
        {"prediction": value, "probability": row, "confidence": max(row)}
        for value, row in zip(prediction.values, prediction.probabilities.tolist(), strict=True)
    ]
