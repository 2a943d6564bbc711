"""The Open Inference Protocol V2 with binary tensors, as of KServe, Triton and MLServer.

Outputs are named like scikit-learn's methods (see `output_tensors`); a request that names none gets
all. Unknown parameters are ignored, except those that would move or change the output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from app.errors import RequestError
from app.model.converters import json_type
from app.model.validation import MAX_ERRORS
from app.protocols.call import Call
from app.protocols.frames import (
    HEADER,
    Problems,
    input_names,
    is_count,
    note_parameters,
    parameters,
    read_tensors,
    split,
)
from app.protocols.inputs import Inputs
from app.protocols.output_tensors import OutputTensor, output_tensors
from app.protocols.tensors import BYTES, write_raw
from app.responses import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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


# Writes the reply: the prediction, the outputs that were asked for, and the request's own id.
Write = Callable[["Prediction", list[RequestedOutput], str | None], Reply]


class V2:
    """V2 for one loaded model."""

    def __init__(
        self, name: str, version: str, contract: Contract, validator: Validator, max_rows: int
    ) -> None:
        self.name = name
        self.version = version
        self._inputs = Inputs(contract, validator, max_rows)
        self._outputs = {tensor.name: tensor for tensor in output_tensors(contract.output)}
        self._all = [RequestedOutput(name, is_binary=False) for name in self._outputs]

    @property
    def outputs(self) -> list[OutputTensor]:
        """All outputs of the model."""
        return list(self._outputs.values())

    def server(self, server_version: str) -> dict[str, Any]:
        """Name, version and extensions of this server."""
        extensions = ["binary_tensor_data"]
        return {"name": SERVER, "version": server_version, "extensions": extensions}

    def metadata(self, engine: str) -> dict[str, Any]:
        """The model and its tensors: one input per feature."""
        described = {
            "name": self.name,
            "versions": [self.version],
            "platform": PLATFORMS[engine],
        }
        return {**described, **self.describe_tensors()}

    def require_loaded(self, named: Mapping[str, str]) -> None:
        """Raises RequestError 404 unless `model` and, if it is not empty, `version` are loaded."""
        loaded = {"model": self.name, "version": self.version}
        for word, name in named.items():
            if name != loaded[word] and (name or word == "model"):
                detail = f"expected {word} {loaded[word]!r}, found {name[:100]!r}"
                raise RequestError(404, f"unknown-{word}", f"Unknown {word}", detail)

    def describe_tensors(self) -> dict[str, list[dict[str, Any]]]:
        """Inputs and outputs with their datatypes and shapes."""
        outputs = [
            {"name": tensor.name, "datatype": tensor.datatype, "shape": [-1, *tensor.shape]}
            for tensor in self._outputs.values()
        ]
        return {"inputs": self._inputs.describe(), "outputs": outputs}

    def read(self, body: bytes, header_length: str | None) -> Call:
        """Read an inference body; `header_length` is the value of HEADER. Raises RequestError."""
        document, tail = split(body, header_length)
        return self.read_document(document, tail, Problems(), self._write)

    def read_document(
        self, document: dict[str, Any], tail: bytes, problems: Problems, write: Write
    ) -> Call:
        """Read a request that is parsed; `tail` has the bytes of raw tensors. Raises RequestError.

        `problems`: those found while it was parsed. `write` makes the reply.
        """
        request_id = document.get("id")
        if request_id is not None and not isinstance(request_id, str):
            problems.add(("id",), f"expected a string, found {json_type(request_id)}")
        note_parameters(document, (), problems)
        requested = self._requested_outputs(document, problems)
        tensors = read_tensors(document, tail, len(self._inputs), problems)
        batch = self._inputs.batch(tensors, input_names(document), problems)

        def reply(prediction: Prediction, _request_id: str) -> Reply:
            return write(prediction, requested, request_id)

        return Call(batch, reply)

    def read_matrix(
        self,
        name: str,
        datatype: str,
        shape: Sequence[int],
        values: list[Any],
        write: Write,
        request_id: str,
    ) -> Call | None:
        """Read valid numbers in one tensor, for all outputs; None for `read_document`."""
        batch = self._inputs.valid_matrix(name, datatype, shape, values)
        if batch is None:
            return None
        return Call(batch, lambda prediction, _: write(prediction, self._all, request_id))

    def values(
        self, prediction: Prediction, requested: list[RequestedOutput]
    ) -> Iterator[tuple[OutputTensor, list[Any]]]:
        """Each requested output, and its elements."""
        for each in requested:
            tensor = self._outputs[each.name]
            yield tensor, tensor.read(prediction)

    def verify_counts(self, inputs: int, outputs: int) -> None:
        """Raises RequestError for more than are looked at, before anything is made of each.

        Protobuf has a message in two bytes, of which a hundred times as many would be made.
        """
        problems = Problems()
        self._is_output_count(outputs, problems)
        if inputs:
            is_count(inputs, len(self._inputs), problems)
        problems.raise_if_any()

    def _is_output_count(self, found: int, problems: Problems) -> bool:
        """Whether so many outputs are looked at; adds an error if not."""
        if found <= len(self._outputs) + MAX_ERRORS:
            return True
        problems.add(("outputs",), f"expected at most {len(self._outputs)}, found {found}")
        return False

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
        if not self._is_output_count(len(entries), problems):
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
        found = self.values(prediction, requested)
        for output_request, (tensor, values) in zip(requested, found, strict=True):
            datatype = tensor.datatype
            output: dict[str, Any] = {
                "name": tensor.name,
                "datatype": datatype,
                "shape": [len(prediction.values), *tensor.shape],
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
