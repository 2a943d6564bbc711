"""ModelInfer: V2's tensors in messages. They are read and written as those of V2's JSON are.

Typed contents are what `data` is in JSON; raw contents are what follows the JSON. Raw inputs get
raw outputs.
"""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING, Any

from app.errors import RequestError
from app.protocols.frames import UNREAD, Problems
from app.protocols.grpc.forms import RAW, Forms, Matrix, Read
from app.protocols.grpc.framing import frame
from app.protocols.grpc.messages import message, parse
from app.protocols.grpc.status import ok
from app.protocols.grpc.writing import Writer
from app.protocols.tensors import BYTES, FLOATS

if TYPE_CHECKING:
    from app.model.prediction import Prediction
    from app.protocols.call import Call
    from app.protocols.v2 import V2, RequestedOutput
    from app.responses import Reply

_Request = message("inference.ModelInferRequest")
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
        self._writer = Writer(v2.name, v2.version, v2.outputs)
        self._write_typed = functools.partial(self._write, is_raw=False)
        self._write_raw = functools.partial(self._write, is_raw=True)
        self._forms = Forms(_parse_matrix)

    def read(self, body: bytes) -> Call:
        """Read a ModelInferRequest. Raises RequestError."""
        known = self._forms.read(body)
        if known is not None:
            call = self._read_matrix(*known)
            if call is not None:
                return call
        request = parse(_Request, body)
        self._v2.require_loaded({"model": request.model_name, "version": request.model_version})
        self._v2.verify_counts(len(request.inputs), len(request.outputs))
        read = _matrix(request)
        if read is not None:
            call = self._read_matrix(*read)
            if call is not None:
                self._forms.learn(body, *read)
                return call
        problems = Problems()
        is_raw = len(request.raw_input_contents) > 0
        inputs = _raw(request, problems) if is_raw else _typed(request, problems)
        document: dict[str, Any] = {"id": request.id, "inputs": inputs}
        if request.parameters:
            document["parameters"] = _parameters(request)
        if request.outputs:
            document["outputs"] = [
                {"name": each.name, "parameters": _parameters(each)} for each in request.outputs
            ]
        tail = b"".join(request.raw_input_contents)
        write = self._write_raw if is_raw else self._write_typed
        return self._v2.read_document(document, tail, problems, write)

    def _read_matrix(self, matrix: Matrix, request_id: str, values: list[Any]) -> Call | None:
        """Read what most clients send: valid numbers in one tensor, and nothing besides."""
        return self._v2.read_matrix(
            matrix.name,
            matrix.datatype,
            matrix.shape,
            _numbers(matrix.datatype, values),
            self._write_raw if matrix.is_raw else self._write_typed,
            request_id,
        )

    def _write(
        self,
        prediction: Prediction,
        requested: list[RequestedOutput],
        request_id: str | None,
        *,
        is_raw: bool,
    ) -> Reply:
        found = self._v2.values(prediction, requested)
        rows = len(prediction.values)
        return ok(frame(self._writer.write(rows, request_id or "", found, is_raw=is_raw)))


def _parse_matrix(body: bytes) -> Read | None:
    try:
        return _matrix(parse(_Request, body))
    except RequestError:
        return None


def _matrix(request: Any) -> Read | None:
    """A message that has an id, numbers in one tensor, and nothing besides."""
    if len(request.inputs) != 1 or request.outputs or request.parameters:
        return None
    (tensor,) = request.inputs
    datatype, raw = tensor.datatype, request.raw_input_contents
    if tensor.parameters:
        return None
    if raw:
        code = RAW.get(datatype)
        if len(raw) != 1 or tensor.HasField("contents") or code is None:
            return None
        try:
            values = [value for (value,) in struct.iter_unpack(f"<{code}", raw[0])]
        except struct.error:
            return None
    else:
        fields = tensor.contents.ListFields()
        if len(fields) != 1 or fields[0][0].name != CONTENTS.get(datatype):
            return None
        values = list(fields[0][1])
    matrix = Matrix(
        request.model_name,
        request.model_version,
        tensor.name,
        datatype,
        tuple(tensor.shape),
        is_raw=len(raw) > 0,
    )
    return matrix, request.id, values


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


def _data(tensor: Any, problems: Problems) -> Any:
    """The typed contents of a tensor, or UNREAD after adding what is wrong with them.

    An unknown datatype is refused later, by its name.
    """
    expected = CONTENTS.get(tensor.datatype)
    found = [field.name for field, _ in tensor.contents.ListFields()]
    loc = ("inputs", tensor.name[:100], "contents")
    if tensor.datatype in FLOATS and expected is None:
        problems.add(loc, f"expected {tensor.datatype} in raw_input_contents")
        return UNREAD
    if expected is not None and found and found != [expected]:
        text = f"expected {expected} for {tensor.datatype}, found {', '.join(found)}"
        problems.add(loc, text)
        return UNREAD
    if expected is not None:
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


def _texts(values: list[bytes], loc: tuple[str, ...], problems: Problems) -> Any:
    texts = []
    for index, value in enumerate(values):
        try:
            texts.append(value.decode())
        except UnicodeDecodeError:
            problems.add((*loc, index), "expected valid UTF-8")
            return UNREAD
    return texts


def _parameters(owner: Any) -> dict[str, Any]:
    """Parameters as JSON would have them; binary_data_size is said by the raw contents."""
    return {
        name: getattr(value, value.WhichOneof("parameter_choice") or "bool_param")
        for name, value in owner.parameters.items()
        if name != "binary_data_size"
    }
