"""ModelInfer: V2's tensors in messages. They are read and written as those of V2's JSON are.

Typed contents are what `data` is in JSON; raw contents are what follows the JSON. Raw inputs get
raw outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.protocols.frames import Problems
from app.protocols.grpc.framing import frame
from app.protocols.grpc.messages import message, parse
from app.protocols.grpc.status import ok
from app.protocols.tensors import BYTES, FLOATS, write_raw

if TYPE_CHECKING:
    from app.model.prediction import Prediction
    from app.protocols.call import Call
    from app.protocols.v2 import V2, RequestedOutput, Write
    from app.responses import Reply

_Request, _Response = (
    message("inference.ModelInferRequest"),
    message("inference.ModelInferResponse"),
)
# The field of InferTensorContents for each datatype; FP16 and BF16 have none.
CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}


class Inference:
    """ModelInfer of one loaded model."""

    def __init__(self, v2: V2) -> None:
        self._v2 = v2

    def read(self, body: bytes) -> Call:
        """Read a ModelInferRequest. Raises RequestError."""
        request = parse(_Request, body)
        self._v2.require_loaded({"model": request.model_name, "version": request.model_version})
        self._v2.verify_counts(len(request.inputs), len(request.outputs))
        is_raw = len(request.raw_input_contents) > 0

        def write(
            prediction: Prediction, requested: list[RequestedOutput], request_id: str | None
        ) -> Reply:
            return self._write(prediction, requested, request_id or "", is_raw=is_raw)

        call = self._read_matrix(request, write)
        if call is not None:
            return call
        problems = Problems()
        inputs = _raw(request, problems) if is_raw else _typed(request, problems)
        document: dict[str, Any] = {"id": request.id, "inputs": inputs}
        if request.parameters:
            document["parameters"] = _parameters(request)
        if request.outputs:
            document["outputs"] = [
                {"name": each.name, "parameters": _parameters(each)} for each in request.outputs
            ]
        tail = b"".join(request.raw_input_contents)
        return self._v2.read_document(document, tail, problems, write)

    def _read_matrix(self, request: Any, write: Write) -> Call | None:
        """Read what most clients send: valid numbers in one typed tensor, and nothing besides."""
        if len(request.inputs) != 1 or request.outputs or request.raw_input_contents:
            return None
        (tensor,) = request.inputs
        fields = tensor.contents.ListFields()
        if request.parameters or tensor.parameters or len(fields) != 1:
            return None
        ((field, values),) = fields
        if field.name != CONTENTS.get(tensor.datatype):
            return None
        values = _numbers(tensor.datatype, list(values))
        return self._v2.read_matrix(
            tensor.name, tensor.datatype, tensor.shape, values, write, request.id
        )

    def _write(
        self,
        prediction: Prediction,
        requested: list[RequestedOutput],
        request_id: str,
        *,
        is_raw: bool,
    ) -> Reply:
        v2 = self._v2
        response = _Response(model_name=v2.name, model_version=v2.version, id=request_id)
        for tensor, values in v2.values(prediction, requested):
            output = response.outputs.add(
                name=tensor.name,
                datatype=tensor.datatype,
                shape=(len(prediction.values), *tensor.shape),
            )
            if is_raw:
                response.raw_output_contents.append(write_raw(tensor.datatype, values))
            elif tensor.datatype == BYTES:
                output.contents.bytes_contents.extend([str(value).encode() for value in values])
            else:
                getattr(output.contents, CONTENTS[tensor.datatype]).extend(values)
        return ok(frame(response.SerializeToString()))


def _raw(request: Any, problems: Problems) -> list[dict[str, Any]]:
    """The inputs as V2 has them whose bytes follow the document."""
    raw = request.raw_input_contents
    if len(raw) != len(request.inputs):
        text = f"expected one for each of {len(request.inputs)} inputs, found {len(raw)}"
        problems.add(("raw_input_contents",), text, malformed=True)
        problems.raise_if_any()
    inputs = []
    for tensor, data in zip(request.inputs, raw, strict=True):
        if tensor.HasField("contents"):
            text = "expected either contents or raw_input_contents, found both"
            problems.add(("inputs", tensor.name[:100]), text)
            problems.raise_if_any()
        entry = _described(tensor)
        entry["parameters"] = {**_parameters(tensor), "binary_data_size": len(data)}
        inputs.append(entry)
    return inputs


def _typed(request: Any, problems: Problems) -> list[dict[str, Any]]:
    """The inputs as V2 has them in JSON."""
    inputs = []
    for tensor in request.inputs:
        entry = _described(tensor)
        if tensor.parameters:
            entry["parameters"] = _parameters(tensor)
        entry["data"] = _data(tensor, problems)
        inputs.append(entry)
    return inputs


def _described(tensor: Any) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}


def _data(tensor: Any, problems: Problems) -> list[Any]:
    """The typed contents of a tensor; an unknown datatype is refused later, by its name."""
    expected = CONTENTS.get(tensor.datatype)
    found = [field.name for field, _ in tensor.contents.ListFields()]
    loc = ("inputs", tensor.name[:100], "contents")
    if tensor.datatype in FLOATS and expected is None:
        problems.add(loc, f"expected {tensor.datatype} in raw_input_contents")
    elif expected is not None and found and found != [expected]:
        text = f"expected {expected} for {tensor.datatype}, found {', '.join(found)}"
        problems.add(loc, text)
    elif expected is not None:
        values = list(getattr(tensor.contents, expected))
        if expected == "bytes_contents":
            return _texts(values, loc, problems)
        return _numbers(tensor.datatype, values)
    return []


def _numbers(datatype: str, values: list[Any]) -> list[Any]:
    """The elements as V2 has them: NaN marks a missing value."""
    if datatype in FLOATS:
        return [None if value != value else value for value in values]
    return values


def _texts(values: list[bytes], loc: tuple[str, ...], problems: Problems) -> list[str]:
    texts = []
    for index, value in enumerate(values):
        try:
            texts.append(value.decode())
        except UnicodeDecodeError:
            problems.add((*loc, index), "expected valid UTF-8")
            break
    return texts


def _parameters(owner: Any) -> dict[str, Any]:
    """Parameters as JSON would have them; binary_data_size is said by the raw contents."""
    return {
        name: getattr(value, value.WhichOneof("parameter_choice") or "bool_param")
        for name, value in owner.parameters.items()
        if name != "binary_data_size"
    }
