"""KServe's and TensorFlow Serving's V1 protocol: `instances` in, `predictions` out.

Keys that V1 does not define are ignored, as by both servers. `signature_name`, TensorFlow Serving's
name of a model's function, selects the answer, probabilities or scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.errors import FieldError
from app.model.converters import json_type
from app.model.validation import contract_error
from app.protocols.answers import method_names, rows_of
from app.protocols.call import Call
from app.protocols.strict_json import parse
from app.responses import Reply, json_reply

if TYPE_CHECKING:
    from app.model.contract import Contract
    from app.model.prediction import Prediction
    from app.model.validation import Validator

DEFAULT = "serving_default"


class V1:
    """V1 for one loaded model."""

    def __init__(
        self, name: str, version: str, contract: Contract, validator: Validator, max_rows: int
    ) -> None:
        self.name = name
        self._version = version
        self._validator = validator
        self._max_rows = max_rows
        self._output = contract.output
        self._methods = method_names(contract.output)
        self.signatures = (DEFAULT, *self._methods)

    def models(self) -> Reply:
        """The reply to GET /v1/models."""
        return json_reply({"models": [self.name]})

    def status(self, *, ready: bool) -> Reply:
        """The reply to GET /v1/models/<name>, in KServe's and TensorFlow Serving's format."""
        state = {
            "version": self._version,
            "state": "AVAILABLE" if ready else "LOADING",
            "status": {"error_code": "OK", "error_message": ""},
        }
        document = {"name": self.name, "ready": ready, "model_version_status": [state]}
        return json_reply(document, 200 if ready else 503)

    def read(self, body: bytes) -> Call:
        """Read a `:predict` body. Raises RequestError."""
        document = parse(body)
        if not isinstance(document, dict):
            raise contract_error(
                [FieldError((), f"expected an object, found {json_type(document)}")]
            )
        errors = self._signature_errors(document)
        rows = document.get("instances")
        if not isinstance(rows, list):
            kind = json_type(rows) if "instances" in document else "nothing"
            errors.append(FieldError(("instances",), f"expected a list of rows, found {kind}"))
            raise contract_error(errors)
        within = range(min(len(rows), self._max_rows))
        locs: list[tuple[str | int, ...]] = [("instances", row) for row in within]
        batch = self._validator.batch(rows, locs, self._max_rows, errors)
        signature = document.get("signature_name")
        method = signature if signature in self._methods else self._methods[0]

        def write(prediction: Prediction, request_id: str) -> Reply:
            values = rows_of(prediction, self._output, method)
            document: dict[str, Any] = {"predictions": values}
            if prediction.explanations is not None:
                document["explanations"] = prediction.explanations
            document["model_version"] = self._version
            document["request_id"] = request_id
            return json_reply(document)

        return Call(batch, write)

    def _signature_errors(self, document: dict[str, Any]) -> list[FieldError]:
        signature = document.get("signature_name")
        if signature is None or signature in self.signatures:
            return []
        text = f"expected one of {', '.join(self.signatures)}"
        return [FieldError(("signature_name",), text)]
