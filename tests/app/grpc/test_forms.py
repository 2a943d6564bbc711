"""Messages read without a parser, against tritonclient's own protobuf."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from app.protocols.grpc.forms import MAX_AROUND_BYTES, MAX_FORMS, MAX_MISSES, Forms, Matrix, Read
from app.service import Service
from tests import trained
from tests.app.grpc import core
from tests.app.protocols.test_native import ROW

CODES = {"FP64": "d", "FP32": "f", "INT64": "q", "UINT32": "I"}


class Parser:
    """tritonclient's, which counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, body: bytes) -> Read:
        """All that the message says."""
        self.count += 1
        request = service_pb2.ModelInferRequest.FromString(body)
        (tensor,) = request.inputs
        is_raw = len(request.raw_input_contents) > 0
        if is_raw:
            values = struct.unpack(f"<4{CODES[tensor.datatype]}", request.raw_input_contents[0])
        else:
            values = getattr(tensor.contents, core.CONTENTS[tensor.datatype])
        matrix = Matrix(
            request.model_name,
            request.model_version,
            tensor.name,
            tensor.datatype,
            tuple(tensor.shape),
            is_raw=is_raw,
        )
        return matrix, request.id, list(values)


def message(
    values: list[Any], *, datatype: str = "FP64", is_raw: bool = False, request_id: str = "",
    name: str = "rows",
) -> bytes:  # fmt: skip
    """A request with one tensor."""
    request = service_pb2.ModelInferRequest(model_name="iris", id=request_id)
    if is_raw:
        request.inputs.add(name=name, datatype=datatype, shape=[1, 4])
        request.raw_input_contents.append(struct.pack(f"<4{CODES[datatype]}", *values))
    else:
        core.tensor(request, name, datatype, values, [1, 4])
    return bytes(request.SerializeToString())


def learnt(body: bytes) -> Forms:
    """Forms that know this message's."""
    parse = Parser()
    forms = Forms(parse)
    forms.learn(body, *parse(body))
    return forms


@pytest.mark.parametrize(
    ("datatype", "is_raw"),
    [("FP64", False), ("FP32", False), *((datatype, True) for datatype in CODES)],
)
@pytest.mark.parametrize("ids", [("", ""), ("7c1e", "9b00"), ("iris", "rows")])
def test_other_numbers_need_no_parser(ids: tuple[str, str], datatype: str, *, is_raw: bool) -> None:
    first = message([5, 3, 1, 2], datatype=datatype, is_raw=is_raw, request_id=ids[0])
    second = message([6, 2, 4, 1], datatype=datatype, is_raw=is_raw, request_id=ids[1])
    forms = learnt(first)
    parse = Parser()
    assert forms.read(first) == parse(first)
    assert forms.read(second) == parse(second)


@given(
    st.lists(st.floats(width=64, allow_nan=False), min_size=4, max_size=4, unique=True),
    st.text(max_size=6),
    st.booleans(),
    st.data(),
)
@settings(max_examples=300, deadline=None)
def test_no_change_of_a_byte_is_misread(
    values: list[float], request_id: str, is_raw: bool, data: st.DataObject
) -> None:
    body = message(values, is_raw=is_raw, request_id=request_id)
    forms = learnt(body)
    changed = bytearray(body)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    read = forms.read(bytes(changed))
    if read is not None:
        # By their bits: a NaN is not equal to itself.
        matrix, found_id, numbers = Parser()(bytes(changed))
        assert read[:2] == (matrix, found_id)
        assert struct.pack("<4d", *read[2]) == struct.pack("<4d", *numbers)


def test_an_id_that_is_no_text_is_left_to_the_parser() -> None:
    body = message(ROW, request_id="abcd")
    broken = body.replace(b"abcd", b"ab\xff\xfe")
    assert learnt(body).read(body) is not None
    assert learnt(body).read(broken) is None
    with pytest.raises(DecodeError):
        Parser()(broken)


def test_bytes_that_look_like_the_numbers_are_not_taken_for_them() -> None:
    eights = list(struct.unpack("<4d", b"8" * 32))
    body = message(eights, request_id="8" * 33)
    assert learnt(body).read(body) == Parser()(body)
    hidden = unpacked(eights, "8" * 32)
    assert Parser()(hidden)[2] == eights
    assert learnt(hidden).read(hidden) is None


def unpacked(values: list[float], name: str) -> bytes:
    """A request with each number in a field of its own, as protobuf also allows."""
    numbers = b"".join(b"\x39" + struct.pack("<d", value) for value in values)
    named = b"\x0a" + bytes([len(name.encode())]) + name.encode()
    tensor = named + b"\x12\x04FP64\x1a\x02\x01\x04\x2a" + bytes([len(numbers)]) + numbers
    return b"\x0a\x04iris\x2a" + bytes([len(tensor)]) + tensor


def test_what_follows_the_numbers_counts() -> None:
    # A name that is said again replaces the first one.
    body = message(ROW) + b"\x0a\x04iris"
    forms = learnt(body)
    assert forms.read(message([6, 2, 4, 1]) + b"\x0a\x04iris") is not None
    assert forms.read(message(ROW) + b"\x0a\x04rose") is None


def test_forms_are_bounded() -> None:
    forms = Forms(Parser())
    parse = Parser()
    bodies = [message(ROW, name="x" * size) for size in range(1, 2 * MAX_FORMS)]
    for body in bodies:
        forms.learn(body, *parse(body))
    assert sum(forms.read(body) is not None for body in bodies) <= MAX_FORMS
    assert forms.read(bodies[-1]) is not None
    wide = message(ROW, name="x" * MAX_AROUND_BYTES)
    assert learnt(wide).read(wide) is None


def test_a_form_that_nobody_uses_makes_room() -> None:
    first, second = message(ROW, name="first"), message(ROW, name="other")
    forms, parse = learnt(first), Parser()
    for _ in range(MAX_MISSES):
        assert forms.read(second) is None
        forms.learn(second, *parse(second))
    assert forms.read(first) is not None
    for _ in range(MAX_MISSES + 1):
        assert forms.read(second) is None
        forms.learn(second, *parse(second))
    assert forms.read(second) is not None
    assert forms.read(first) is None


@pytest.fixture(scope="module")
def iris() -> Service:
    """A model of numbers."""
    return core.loaded(trained.bundle("iris"))


@pytest.mark.parametrize("is_raw", [False, True])
def test_a_known_form_is_answered_as_the_first_one_was(iris: Service, *, is_raw: bool) -> None:
    path = f"{core.INFERENCE}/ModelInfer"
    rows = (ROW, [6.7, 3.1, 5.6, 2.4], [5.9, 3.0, 4.2, 1.5])
    seen = set()
    for row, request_id in zip(rows, ("one", "two", "six"), strict=True):
        body = message(row, is_raw=is_raw, request_id=request_id)
        known = core.result(
            core.call(iris, path, core.framed(body)), service_pb2.ModelInferResponse
        )
        # A field that nobody knows makes it another message, which the parser reads.
        other = core.framed(body + b"\xf8\x07\x01")
        parsed = core.result(core.call(iris, path, other), service_pb2.ModelInferResponse)
        assert known == parsed
        assert known.id == request_id
        seen.add(known.outputs[0].SerializeToString() + b"".join(known.raw_output_contents))
    assert len(seen) == len(rows)


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_a_known_form_is_validated(iris: Service, bad: float) -> None:
    path = f"{core.INFERENCE}/ModelInfer"
    assert core.code(core.call(iris, path, core.framed(message(ROW)))) == 0
    refused = core.call(iris, path, core.framed(message([bad, *ROW[1:]])))
    assert core.code(refused) == 3
    (violation,) = core.details(refused)[1]["BadRequest"].field_violations
    assert violation.field == "inputs.rows.0.sepal_length"


def test_a_name_like_the_numbers_is_no_fault_of_the_client(iris: Service) -> None:
    # Its last bits make it a surrogate, which is no text.
    text = "\uc800aaaa?"
    (number,) = struct.unpack("<d", text.encode())
    asked = core.framed(unpacked([number] * 4, text * 4))
    for _ in range(2):
        assert core.code(core.call(iris, f"{core.INFERENCE}/ModelInfer", asked)) == 0
