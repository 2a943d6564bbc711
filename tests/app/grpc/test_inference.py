"""ModelInfer against the same model asked by JSON, and what it refuses."""

from __future__ import annotations

import gzip
import re
import struct
import time
import tracemalloc
import zlib
from typing import Any
from urllib.parse import unquote

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from app.admission import Deadline
from app.errors import FieldError, RequestError
from app.protocols.grpc.status import failed
from app.request import Request
from app.routes import answer, call_route, prediction_routes
from app.service import Service
from tests import trained
from tests.app.grpc import core
from tests.app.protocols.test_native import PENGUIN, ROW

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
RESPONSE = service_pb2.ModelInferResponse


@pytest.fixture(scope="module")
def iris() -> Service:
    """Numbers only."""
    return core.loaded(trained.bundle("iris"))


@pytest.fixture(scope="module")
def penguins() -> Service:
    """Numbers and categories, all of which may be missing."""
    return core.loaded(trained.bundle("penguins"))


def by_json(service: Service, document: Any) -> dict[str, Any]:
    """What V2 answers to this document."""
    path = f"/v2/models/{service.name}/infer"
    route, arguments = prediction_routes(service)[path]
    headers = {"content-type": "application/json"}
    request = Request("POST", path, 8080, headers, orjson.dumps(document), Deadline(60_000))
    request.arguments = arguments
    reply = answer(service, route, request)
    assert reply.status == 200, reply.body
    answered: dict[str, Any] = orjson.loads(reply.body)
    return answered


def outputs(response: Any) -> dict[str, tuple[str, list[int], list[Any]]]:
    """Datatype, shape and values of each output of a response, typed or raw."""
    found = {}
    for index, output in enumerate(response.outputs):
        values: list[Any]
        if response.raw_output_contents:
            assert not output.HasField("contents")
            values = unpack(output.datatype, response.raw_output_contents[index])
        else:
            values = list(getattr(output.contents, core.CONTENTS[output.datatype]))
        if output.datatype == "BYTES":
            values = [value.decode() for value in values]
        found[output.name] = (output.datatype, list(output.shape), values)
    return found


def unpack(datatype: str, raw: bytes) -> list[Any]:
    """Raw values, read as the protocol's text has it."""
    if datatype == "BYTES":
        values, rest = [], raw
        while rest:
            (length,) = struct.unpack("<I", rest[:4])
            values.append(rest[4 : 4 + length])
            rest = rest[4 + length :]
        return values
    codes = {"FP64": "d", "INT64": "q"}
    return list(struct.unpack(f"<{len(raw) // 8}{codes[datatype]}", raw))


def of_json(answered: dict[str, Any]) -> dict[str, tuple[str, list[int], list[Any]]]:
    """The same of V2's JSON."""
    return {
        output["name"]: (output["datatype"], output["shape"], output["data"])
        for output in answered["outputs"]
    }


def test_a_matrix_gets_what_json_gets(iris: Service) -> None:
    rows = [ROW, [6.7, 3.1, 5.6, 2.4], [5.9, 3.0, 4.2, 1.5]]
    flat = [value for row in rows for value in row]
    request = core.infer_request("iris")
    core.tensor(request, "input-0", "FP64", flat, [3, 4])
    request.id = "abc"
    response = core.result(core.infer(iris, request), RESPONSE)
    document = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [3, 4], "data": flat}]}
    assert outputs(response) == of_json(by_json(iris, document))
    assert (response.model_name, response.model_version) == ("iris", iris.version)
    assert response.id == "abc"


@pytest.mark.parametrize("is_raw", [False, True])
def test_columns_with_missing_values_and_strings(penguins: Service, *, is_raw: bool) -> None:
    rows = [PENGUIN, {**PENGUIN, "bill_length_mm": None, "sex": None}]
    request = core.infer_request("penguins")
    document: dict[str, Any] = {"inputs": []}
    for name in PENGUIN:
        values = [row[name] for row in rows]
        entry = {"name": name, "shape": [2], "data": values}
        if isinstance(PENGUIN[name], str):
            texts = [str(value or "").encode() for value in values]
            document["inputs"].append({**entry, "datatype": "BYTES"})
            core.tensor(request, name, "BYTES", [] if is_raw else texts, [2])
            raw = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        else:
            numbers = [float("nan") if value is None else value for value in values]
            document["inputs"].append({**entry, "datatype": "FP64"})
            core.tensor(request, name, "FP64", [] if is_raw else numbers, [2])
            raw = struct.pack("<2d", *numbers)
        if is_raw:
            request.inputs[-1].ClearField("contents")
            request.raw_input_contents.append(raw)
    response = core.result(core.infer(penguins, request), RESPONSE)
    assert bool(response.raw_output_contents) == is_raw
    assert outputs(response) == of_json(by_json(penguins, document))


@pytest.mark.parametrize(
    ("datatype", "row"),
    [
        ("FP32", [5.0, 3.5, 1.5, 0.25]),
        *[(f"{sign}INT{bits}", [5, 3, 1, 0]) for sign in ("", "U") for bits in (8, 16, 32, 64)],
    ],
)
def test_every_numeric_datatype(iris: Service, datatype: str, row: list[Any]) -> None:
    request = core.infer_request("iris")
    core.tensor(request, "x", datatype, row, [1, 4])
    response = core.result(core.infer(iris, request), RESPONSE)
    document = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 4], "data": row}]}
    assert outputs(response) == of_json(by_json(iris, document))


def test_half_precision_comes_raw(iris: Service) -> None:
    row = np.array([5.0, 3.5, 1.5, 0.25], np.float16)
    request = core.infer_request("iris")
    request.inputs.add(name="x", datatype="FP16", shape=[1, 4])
    refused = core.infer(iris, request)
    assert core.code(refused) == 3
    (violation,) = core.details(refused)[1]["BadRequest"].field_violations
    assert violation.field == "inputs.x.contents"
    assert violation.description == "expected FP16 in raw_input_contents"
    request.raw_input_contents.append(row.tobytes())
    assert core.result(core.infer(iris, request), RESPONSE).outputs


def test_only_the_outputs_that_are_asked_for(iris: Service) -> None:
    request = core.infer_request("iris")
    core.tensor(request, "x", "FP64", ROW, [1, 4])
    request.outputs.add(name="predict_proba")
    response = core.result(core.infer(iris, request), RESPONSE)
    assert [output.name for output in response.outputs] == ["predict_proba"]
    request.outputs.add(name="other")
    assert core.code(core.infer(iris, request)) == 3


@given(st.lists(st.lists(st.floats(0.1, 10), min_size=4, max_size=4), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_typed_raw_and_json_agree(rows: list[list[float]]) -> None:
    iris = core.loaded(trained.bundle("iris"))
    flat = [value for row in rows for value in row]
    shape = [len(rows), 4]
    request = core.infer_request("iris")
    core.tensor(request, "x", "FP64", flat, shape)
    typed = outputs(core.result(core.infer(iris, request), RESPONSE))
    request.inputs[0].ClearField("contents")
    request.raw_input_contents.append(struct.pack(f"<{len(flat)}d", *flat))
    raw = outputs(core.result(core.infer(iris, request), RESPONSE))
    document = {"inputs": [{"name": "x", "datatype": "FP64", "shape": shape, "data": flat}]}
    assert typed == raw == of_json(by_json(iris, document))


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_message(iris: Service, coding: str) -> None:
    request = core.infer_request("iris")
    core.tensor(request, "x", "FP64", ROW * 50, [50, 4])
    message = request.SerializeToString()
    packed = gzip.compress(message) if coding == "gzip" else zlib.compress(message)
    path = f"{core.INFERENCE}/ModelInfer"
    reply = core.call(iris, path, core.framed(packed, 1), grpc_encoding=coding)
    assert len(core.result(reply, RESPONSE).outputs[0].contents.bytes_contents) == 50


def _values(request: Any, *values: Any, name: str = "x", datatype: str = "FP64") -> None:
    core.tensor(request, name, datatype, list(values), [1, 4])


FAULTS: dict[str, tuple[Any, int, str]] = {
    "another model": (lambda request: setattr(request, "model_name", "other"), 5, "Unknown model"),
    "another version": (
        lambda request: setattr(request, "model_version", "9.9.9"), 5, "Unknown version",
    ),
    "no inputs": (lambda request: request.ClearField("inputs"), 3, "expected a list of 1 to 4"),
    "a datatype that is none": (
        lambda request: setattr(request.inputs[0], "datatype", "FLOAT"), 3, "datatype",
    ),
    "contents of another datatype": (
        lambda request: setattr(request.inputs[0], "datatype", "FP32"), 3,
        "expected fp32_contents for FP32, found fp64_contents",
    ),
    "too few elements": (
        lambda request: request.inputs[0].contents.fp64_contents.pop(), 3, "expected 4 elements",
    ),
    "a shape below zero": (
        lambda request: request.inputs[0].shape.__setitem__(0, -1), 3, "integers >= 0",
    ),
    "infinity": (
        lambda request: request.inputs[0].contents.fp64_contents.__setitem__(0, float("inf")), 3,
        "sepal_length",
    ),
    "raw and typed at once": (
        lambda request: request.raw_input_contents.append(bytes(32)), 3, "found both",
    ),
    "shared memory": (
        lambda request: setattr(
            request.inputs[0].parameters["shared_memory_region"], "string_param", "r"
        ), 3, "shared memory is not supported",
    ),
    "a classification": (
        lambda request: request.outputs.add(name="predict", parameters={
            "classification": service_pb2.InferParameter(int64_param=2)
        }), 3, "not supported",
    ),
    "the same tensor twice": (
        lambda request: request.inputs.append(request.inputs[0]), 3, "duplicate tensor",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_refused_says_why(iris: Service, fault: str) -> None:
    request = core.infer_request("iris")
    _values(request, *ROW)
    change, code, text = FAULTS[fault]
    change(request)
    reply = core.infer(iris, request)
    assert core.code(reply) == code
    status, found = core.details(reply)
    violations = found["BadRequest"].field_violations if "BadRequest" in found else []
    assert len(violations) <= 1
    said = [status.message, *(f"{each.field}: {each.description}" for each in violations)]
    assert any(text in each for each in said), said


@pytest.mark.parametrize("tag", [0x2A, 0x32], ids=["inputs", "outputs"])
def test_two_bytes_for_a_message_do_not_become_hundreds(iris: Service, tag: int) -> None:
    count = 50_000
    request = core.infer_request("iris")
    _values(request, *ROW)
    body = request.SerializeToString() + bytes([tag, 0]) * count
    tracemalloc.start()
    reply = core.call(iris, f"{core.INFERENCE}/ModelInfer", core.framed(body))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert core.code(reply) == 3
    assert "found 5000" in core.details(reply)[0].message
    assert peak < 10 * len(body)


def test_raw_contents_that_do_not_fit(iris: Service) -> None:
    request = core.infer_request("iris")
    request.inputs.add(name="x", datatype="FP64", shape=[1, 4])
    request.raw_input_contents.append(bytes(31))
    assert "32 bytes" in core.details(core.infer(iris, request))[0].message
    request.raw_input_contents.append(bytes(32))
    refused = core.infer(iris, request)
    assert "expected one for each of 1 inputs, found 2" in core.details(refused)[0].message


def test_bytes_that_are_no_text(penguins: Service) -> None:
    request = core.infer_request("penguins")
    core.tensor(request, "island", "BYTES", [b"\xff\xfe"])
    refused = core.infer(penguins, request)
    assert core.code(refused) == 3
    said = [
        each.description
        for each in core.details(refused)[1]["BadRequest"].field_violations
        if each.field.startswith("inputs.island")
    ]
    assert said == ["expected valid UTF-8"]


def test_every_field_of_a_refusal_has_its_place(penguins: Service) -> None:
    request = core.infer_request("penguins")
    for name, value in PENGUIN.items():
        if isinstance(value, str):
            core.tensor(request, name, "BYTES", [b"nowhere"])
        else:
            core.tensor(request, name, "FP64", [float("inf")])
    status, found = core.details(core.infer(penguins, request))
    fields = {each.field for each in found["BadRequest"].field_violations}
    assert fields >= {f"inputs.{name}.0" for name, value in PENGUIN.items() if value is not None}
    assert found["ErrorInfo"].reason == "CONTRACT"
    assert found["RequestInfo"].request_id
    assert status.message.startswith("The request does not match")


def test_thousands_of_errors_fit_into_what_clients_accept(iris: Service) -> None:
    request = core.infer_request("iris")
    core.tensor(request, "x" * 900, "FP64", [float("inf")] * 400, [100, 4])
    reply = core.infer(iris, request)
    assert core.code(reply) == 3
    assert reply.trailers is not None
    # grpcio refuses 8 KiB of metadata.
    assert sum(len(name) + len(value) + 32 for name, value in reply.trailers.items()) < 7000
    assert core.details(reply)[1]["BadRequest"].field_violations


@pytest.mark.parametrize("text", ["漢", "😀", "\n", "%", "é", "a"])
def test_texts_of_any_script_fit_into_what_clients_accept(text: str) -> None:
    fields = [FieldError(("inputs", text * 100), text * 2000)] * 3
    reply = failed(RequestError(422, "contract", "Refused", text * 3000, fields), "id")
    assert reply.trailers is not None
    assert sum(len(name) + len(value) + 32 for name, value in reply.trailers.items()) < 7000
    message = unquote(reply.trailers["grpc-message"], errors="strict")
    assert re.fullmatch(rf"Refused: {re.escape(text)}+\.\.\.", message)
    status, found = core.details(reply)
    assert re.fullmatch(rf"Refused: {re.escape(text)}+\.\.\.", status.message)
    assert found["BadRequest"].field_violations


@given(st.binary(max_size=60), st.sampled_from([0, 1, 2, 255]))
@settings(max_examples=300, deadline=None)
def test_no_bytes_are_an_internal_error(data: bytes, flag: int) -> None:
    iris = core.loaded(trained.bundle("iris"))
    path = f"{core.INFERENCE}/ModelInfer"
    for body in (data, core.framed(data, flag)):
        assert core.code(core.call(iris, path, body, grpc_encoding="gzip")) in (3, 5, 8, 12)


def test_a_deadline_that_has_passed(iris: Service) -> None:
    request = core.infer_request("iris")
    _values(request, *ROW)
    late = Deadline(1)
    time.sleep(0.002)
    body = core.framed(request.SerializeToString())
    fields = {"content-type": "application/grpc"}
    path = f"{core.INFERENCE}/ModelInfer"
    asked = Request("POST", path, 8080, fields, body, late, version="2")
    assert core.code(answer(iris, call_route(iris, asked), asked)) == 4


@given(
    st.sampled_from(["FP64", "FP32", "INT64", "INT32", "UINT8", "BOOL"]),
    st.lists(st.sampled_from([0, 1, 2, 7, 300, -1]), min_size=3, max_size=9),
    st.sampled_from([[1, 4], [2, 4], [4], [4, 1], [1, 3], [2, 2, 1]]),
    st.sampled_from(["x", "sepal_width", ""]),
)
@settings(max_examples=300, deadline=None)
def test_the_short_way_and_the_long_way_agree(
    datatype: str, values: list[int], shape: list[int], name: str
) -> None:
    """A parameter that means nothing makes a request take the long way."""
    iris = core.loaded(trained.bundle("iris"))
    request = core.infer_request("iris")
    try:
        core.tensor(request, name, datatype, values, shape)
    except ValueError:
        return
    short = core.infer(iris, request)
    request.inputs[0].parameters["nothing"].bool_param = True
    long = core.infer(iris, request)
    assert core.code(short) == core.code(long)
    if core.code(short) == 0:
        assert short.body == long.body
    else:
        found, expected = core.details(short), core.details(long)
        assert found[0].message == expected[0].message
        assert found[1].get("BadRequest") == expected[1].get("BadRequest")
