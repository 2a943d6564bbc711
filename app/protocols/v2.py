"""The Open Inference Protocol V2 with binary tensors, as of KServe, Triton and MLServer.

Outputs are named like scikit-learn's methods (see `output_tensors`); a request that names none gets
all. Unknown parameters are ignored, except those that would move or change the output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from app.model.converters import json_type
from app.model.validation import MAX_ERRORS
from app.protocols.call import Call
from app.protocols.frames import (
    HEADER,
    Problems,
    input_names,
    note_parameters,
    parameters,
    read_tensors,
    split,
)
from app.protocols.inputs import Inputs
from app.protocols.output_tensors import output_tensors
from app.protocols.tensors import BYTES, write_raw
from app.responses import Reply, json_reply

if TYPE_CHECKING:
    from app.model.contract import Contract
    from app.model.prediction import Prediction
    from app.model.validation import Validator

OCTETS = "application/octet-stream"
SERVER = "ml-model"
PLATFORMS = {"onnx": "onnx_onnxv1", "sklearn": "sklearn_joblib"}


@dataclass(frozen=True)
class RequestedOutput:
    """One requested output, and whether as raw bytes."""

    name: str
    is_binary: bool


class V2:
    """V2 for one loaded model."""

    def __init__(
        self, name: str, version: str, contract: Contract, validator: Validator, max_rows: int
    ) -> None:
        self.name = name
        self.version = version
        self._inputs = Inputs(contract, validator, max_rows)
        self._outputs = {tensor.name: tensor for tensor in output_tensors(contract.output)}

    def server(self, server_version: str) -> Reply:
        """The reply to GET /v2."""
        extensions = ["binary_tensor_data"]
        return json_reply({"name": SERVER, "version": server_version, "extensions": extensions})

    def metadata(self, engine: str) -> Reply:
        """The reply to GET /v2/models/<name>: one input per feature."""
        described = {
            "name": self.name,
            "versions": [self.version],
            "platform": PLATFORMS[engine],
        }
        return json_reply({**described, **self.describe_tensors()})

    def describe_tensors(self) -> dict[str, list[dict[str, Any]]]:
        """Inputs and outputs with their datatypes and shapes."""
        outputs = [
            {"name": tensor.name, "datatype": tensor.datatype, "shape": [-1, *tensor.shape]}
            for tensor in self._outputs.values()
        ]
        return {"inputs": self._inputs.describe(), "outputs": outputs}

    def model_ready(self, *, ready: bool) -> Reply:
        """The reply to GET /v2/models/<name>/ready."""
        return json_reply({"name": self.name, "ready": ready}, 200 if ready else 503)

    def read(self, body: bytes, header_length: str | None) -> Call:
        """Read an inference body; `header_length` is the value of HEADER. Raises RequestError."""
        document, tail = split(body, header_length)
        problems = Problems()
        request_id = document.get("id")
        if request_id is not None and not isinstance(request_id, str):
            problems.add(("id",), f"expected a string, found {json_type(request_id)}")
        note_parameters(document, (), problems)
        requested = self._requested_outputs(document, problems)
        tensors = read_tensors(document, tail, len(self._inputs), problems)
        batch = self._inputs.batch(tensors, input_names(document), problems)

        def write(prediction: Prediction, _request_id: str) -> Reply:
            return self._write(prediction, requested, request_id)

        return Call(batch, write)

    def _requested_outputs(
        self, document: dict[str, Any], problems: Problems
    ) -> list[RequestedOutput]:
        """The requested outputs; all if none is named."""
        binary = parameters(document).get("binary_data_output") is True
        entries = document.get("outputs")
        if entries is None or entries == []:
            return [RequestedOutput(name, binary) for name in self._outputs]
        if not isinstance(entries, list):
            problems.add(("outputs",), f"expected a list, found {json_type(entries)}")
            return []
        if len(entries) > len(self._outputs) + MAX_ERRORS:
            text = f"expected at most {len(self._outputs)}, found {len(entries)}"
            problems.add(("outputs",), text)
            return []
        requested: dict[str, RequestedOutput] = {}
        for index, entry in enumerate(entries):
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(name, str) or name not in self._outputs or name in requested:
                text = f"expected one of {', '.join(self._outputs)}, each at most once"
                problems.add(("outputs", index, "name"), text)
                continue
            note_parameters(entry, ("outputs", name), problems)
            options = parameters(entry)
            for parameter in ("shared_memory_region", "classification"):
                if options.get(parameter):
                    problems.add(("outputs", name, parameter), "not supported: omit this parameter")
            requested[name] = RequestedOutput(name, options.get("binary_data", binary) is True)
        return list(requested.values())

    def _write(
        self, prediction: Prediction, requested: list[RequestedOutput], request_id: str | None
    ) -> Reply:
        outputs = []
        raw = []
        for output_request in requested:
            tensor = self._outputs[output_request.name]
            values = tensor.read(prediction)
            datatype = tensor.datatype
            shape = [len(prediction.values), *tensor.shape]
            output: dict[str, Any] = {
                "name": output_request.name,
                "datatype": datatype,
                "shape": shape,
            }
            if output_request.is_binary:
                data = write_raw(datatype, values)
                output["parameters"] = {"binary_data_size": len(data)}
                raw.append(data)
            else:
                output["data"] = list(map(str, values)) if datatype == BYTES else values
            outputs.append(output)
        document: dict[str, Any] = {"model_name": self.name, "model_version": self.version}
        if request_id is not None:
            document["id"] = request_id
        document["outputs"] = outputs
        head = orjson.dumps(document)
        if not raw:
            return Reply(200, head)
        return Reply(200, b"".join([head, *raw]), OCTETS, {HEADER: str(len(head))})
