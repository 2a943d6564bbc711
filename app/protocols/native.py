"""The native protocol, /predict: one row or several in (see `rows`), predictions out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.protocols.answers import probabilities_by_target, scores_by_target
from app.protocols.call import Call
from app.protocols.strict_json import parse
from app.responses import Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.model.contract import Output
    from app.model.prediction import Prediction
    from app.protocols.rows import RowReader


class Native:
    """The native protocol for one loaded model."""

    def __init__(self, version: str, rows: RowReader, output: Output) -> None:
        self._version = version
        self._documents = _row_writer(output)
        self._rows = rows

    def read(self, body: bytes) -> Call:
        """Read a /predict body. Raises RequestError."""
        batch, is_one_row = self._rows.read(parse(body))

        def write(prediction: Prediction, request_id: str) -> Reply:
            documents = self._documents(prediction)
            if prediction.explanations is not None:
                for row, explanation in zip(documents, prediction.explanations, strict=True):
                    row["explanation"] = explanation
            document: dict[str, Any] = documents[0] if is_one_row else {"predictions": documents}
            document["model_version"] = self._version
            document["request_id"] = request_id
            return json_reply(document)

        return Call(batch, write)


def _row_writer(output: Output) -> Callable[[Prediction], list[dict[str, Any]]]:
    """The function that writes one document per row."""
    if output.targets:
        return lambda prediction: _several_documents(prediction, output)
    if output.scores:
        return lambda prediction: _scored_documents(prediction, output.score_name)
    return _row_documents


def _row_documents(prediction: Prediction) -> list[dict[str, Any]]:
    if prediction.probabilities is None:
        return [{"prediction": value} for value in prediction.values]
    return [
        {"prediction": value, "probability": row, "confidence": max(row)}
        for value, row in zip(prediction.values, prediction.probabilities.tolist(), strict=True)
    ]


def _scored_documents(prediction: Prediction, key: str) -> list[dict[str, Any]]:
    scores = prediction.scores.tolist() if prediction.scores is not None else []
    return [
        {"prediction": value, key: score}
        for value, score in zip(prediction.values, scores, strict=True)
    ]


def _several_documents(prediction: Prediction, output: Output) -> list[dict[str, Any]]:
    """As for one target, each value an object by target."""
    documents: list[dict[str, Any]] = [{"prediction": value} for value in prediction.values]
    probabilities = probabilities_by_target(prediction, output)
    for document, row in zip(documents, probabilities, strict=False):
        document["probability"] = row
        document["confidence"] = {name: max(shares) for name, shares in row.items()}
    for document, scores in zip(documents, scores_by_target(prediction, output), strict=False):
        document[output.score_name] = scores
    return documents
