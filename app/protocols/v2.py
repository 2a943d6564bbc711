"""The Open Inference Protocol V2 with binary tensors: what KServe, Triton and MLServer speak.

Outputs are `predict` and, for a classifier that has them, `predict_proba`; a client that names none
gets all. Unknown parameters are ignored, but not those that would change where the answer is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from app.model.validation import MAX_ERRORS, kind_of
from app.protocols.call import Call
from app.protocols.frames import (
    HEADER,
    Problems,
    check_parameters,
    names,
    parameters,
    read_tensors,
    split,
)
from app.protocols.inputs import Inputs
from app.protocols.tensors import BOOL, BYTES, write_raw
from app.responses import Reply, json_reply

if TYPE_CHECKING:
    from app.model.contract import Contract
    from app.model.prediction import Prediction
    from app.model.validation import Validator

OCTETS = "application/octet-stream"
SERVER = "ml-model"
PLATFORMS = {"onnx": "onnx_onnxv1", "sklearn": "sklearn_joblib"}
PREDICT = "predict"
PREDICT_PROBA = "predict_proba"


@dataclass(frozen=True)
class Wanted:
    """One output a client asks for, and whether as raw bytes."""

    name: str
    binary: bool


class V2:
    """V2 for one loaded model."""

    def __init__(
        self, name: str, version: str, contract: Contract, validator: Validator, max_rows: int
    ) -> None:
        self.name = name
        self.version = version
        self._inputs = Inputs(contract, validator, max_rows)
        self._outputs = {PREDICT: _label_datatype(contract)}
        if contract.output.probabilities:
            self._outputs[PREDICT_PROBA] = "FP64"
        self._shapes = {PREDICT: [-1], PREDICT_PROBA: [-1, len(contract.output.classes or ())]}

    def server(self, server_version: str) -> Reply:
        """The answer of GET /v2."""
        extensions = ["binary_tensor_data"]
        return json_reply({"name": SERVER, "version": server_version, "extensions": extensions})

    def metadata(self, engine: str) -> Reply:
        """The answer of GET /v2/models/<name>: one input per feature."""
        described = {
            "name": self.name,
            "versions": [self.version],
            "platform": PLATFORMS[engine],
        }
        return json_reply({**described, **self.announce()})

    def announce(self) -> dict[str, list[dict[str, Any]]]:
        """Inputs and outputs with their datatypes and shapes."""
        outputs = [
            {"name": name, "datatype": datatype, "shape": self._shapes[name]}
            for name, datatype in self._outputs.items()
        ]
        return {"inputs": self._inputs.announce(), "outputs": outputs}

    def model_ready(self, *, ready: bool) -> Reply:
        """The answer of GET /v2/models/<name>/ready."""
        return json_reply({"name": self.name, "ready": ready}, 200 if ready else 503)

    def read(self, body: bytes, header_length: str | None) -> Call:
        """Read an inference body; `header_length` is the value of HEADER. Raises RequestError."""
        document, tail = split(body, header_length)
        problems = Problems()
        identity = document.get("id")
        if identity is not None and not isinstance(identity, str):
            problems.add(("id",), f"expected a string, found {kind_of(identity)}")
        check_parameters(document, (), problems)
        wanted = self._wanted(document, problems)
        tensors = read_tensors(document, tail, len(self._inputs), problems)
        batch = self._inputs.batch(tensors, names(document), problems)

        def write(prediction: Prediction, _request_id: str) -> Reply:
            return self._write(prediction, wanted, identity)

        return Call(batch, write)

    def _wanted(self, document: dict[str, Any], problems: Problems) -> list[Wanted]:
        """The outputs asked for; all when none is named."""
        binary = parameters(document).get("binary_data_output") is True
        entries = document.get("outputs")
        if entries is None or entries == []:
            return [Wanted(name, binary) for name in self._outputs]
        if not isinstance(entries, list):
            problems.add(("outputs",), f"expected a list, found {kind_of(entries)}")
            return []
        if len(entries) > len(self._outputs) + MAX_ERRORS:
            text = f"expected at most {len(self._outputs)}, found {len(entries)}"
            problems.add(("outputs",), text)
            return []
        wanted: dict[str, Wanted] = {}
        for index, entry in enumerate(entries):
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(name, str) or name not in self._outputs or name in wanted:
                text = f"expected one of, each once: {', '.join(self._outputs)}"
                problems.add(("outputs", index, "name"), text)
                continue
            check_parameters(entry, ("outputs", name), problems)
            asked = parameters(entry)
            for parameter in ("shared_memory_region", "classification"):
                if asked.get(parameter):
                    problems.add(("outputs", name, parameter), "not offered here; leave it out")
            wanted[name] = Wanted(name, asked.get("binary_data", binary) is True)
        return list(wanted.values())

    def _write(self, prediction: Prediction, wanted: list[Wanted], identity: str | None) -> Reply:
        outputs = []
        raw = []
        for want in wanted:
            values: list[Any] = prediction.values
            if want.name == PREDICT_PROBA and prediction.probabilities is not None:
                values = prediction.probabilities.ravel().tolist()
            datatype = self._outputs[want.name]
            shape = [len(prediction.values), *self._shapes[want.name][1:]]
            output: dict[str, Any] = {"name": want.name, "datatype": datatype, "shape": shape}
            if want.binary:
                data = write_raw(datatype, values)
                output["parameters"] = {"binary_data_size": len(data)}
                raw.append(data)
            else:
                output["data"] = list(map(str, values)) if datatype == BYTES else values
            outputs.append(output)
        document: dict[str, Any] = {"model_name": self.name, "model_version": self.version}
        if identity is not None:
            document["id"] = identity
        document["outputs"] = outputs
        head = orjson.dumps(document)
        if not raw:
            return Reply(200, head)
        return Reply(200, b"".join([head, *raw]), OCTETS, {HEADER: str(len(head))})


def _label_datatype(contract: Contract) -> str:
    """The datatype of `predict`: that of the class labels, or FP64 for a regressor."""
    if contract.output.classes is None:
        return "FP64"
    kinds = {type(label) for label in contract.output.classes}
    datatypes: dict[type, str] = {int: "INT64", float: "FP64", bool: BOOL}
    return datatypes.get(kinds.pop(), BYTES) if len(kinds) == 1 else BYTES
