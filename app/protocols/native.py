"""The native protocol, /predict: one row or several in (see `rows`), predictions out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.protocols.call import Call
from app.protocols.strict_json import parse
from app.responses import Reply, json_reply

if TYPE_CHECKING:
    from app.model.prediction import Prediction
    from app.protocols.rows import RowReader


class Native:
    """The native protocol for one loaded model."""

    def __init__(self, version: str, rows: RowReader) -> None:
        self._version = version
        self._rows = rows

    def read(self, body: bytes) -> Call:
        """Read a /predict body. Raises RequestError."""
        batch, is_one_row = self._rows.read(parse(body))

        def write(prediction: Prediction, request_id: str) -> Reply:
            documents = _row_documents(prediction)
            document: dict[str, Any] = documents[0] if is_one_row else {"predictions": documents}
            document["model_version"] = self._version
            document["request_id"] = request_id
            return json_reply(document)

        return Call(batch, write)


def _row_documents(prediction: Prediction) -> list[dict[str, Any]]:
    """One document per row."""
    if prediction.probabilities is None:
        return [{"prediction": value} for value in prediction.values]
    return [
        {"prediction": value, "probability": row, "confidence": max(row)}
        for value, row in zip(prediction.values, prediction.probabilities.tolist(), strict=True)
    ]
