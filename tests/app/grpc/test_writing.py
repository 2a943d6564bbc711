"""Responses written by hand, read by tritonclient's protobuf."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from app.protocols.grpc.writing import Writer
from app.protocols.output_tensors import OutputTensor
from tests.app.grpc import core

VALUES = {
    "FP64": st.floats(allow_nan=False),
    "INT64": st.integers(-(2**63), 2**63 - 1),
    "BOOL": st.booleans(),
    "BYTES": st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
                       st.integers(), st.booleans()),
}  # fmt: skip


def write(datatype: str, rows: int, width: int, values: list[Any], request_id: str) -> Any:
    """A response with this output twice: once as a column, once as rows of `width`."""
    tensors = [
        OutputTensor("predict", datatype, (), lambda _: []),
        OutputTensor("wide", datatype, (width,), lambda _: []),
    ]
    found = [(tensors[0], values[:rows]), (tensors[1], values)]
    body = Writer("näme", "1.0.0", tensors).write(rows, request_id, found, is_raw=False)
    return service_pb2.ModelInferResponse.FromString(body)


@pytest.mark.parametrize("datatype", VALUES)
@given(
    st.integers(1, 40), st.integers(1, 5), st.text(st.characters(exclude_categories=["Cs"])),
    st.data(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(
    datatype: str, rows: int, width: int, request_id: str, data: st.DataObject
) -> None:
    size = rows * width
    values = data.draw(st.lists(VALUES[datatype], min_size=size, max_size=size))
    response = write(datatype, rows, width, values, request_id)
    assert (response.model_name, response.model_version, response.id) == (
        "näme", "1.0.0", request_id,
    )  # fmt: skip
    expected = [str(value).encode() for value in values] if datatype == "BYTES" else values
    column, wide = response.outputs
    assert (column.name, column.datatype, list(column.shape)) == ("predict", datatype, [rows])
    assert (wide.name, wide.datatype, list(wide.shape)) == ("wide", datatype, [rows, width])
    assert list(getattr(column.contents, core.CONTENTS[datatype])) == expected[:rows]
    assert list(getattr(wide.contents, core.CONTENTS[datatype])) == expected
    assert len(column.contents.ListFields()) == 1


def test_the_library_writes_the_same_bytes() -> None:
    tensors = [
        OutputTensor("a", "INT64", (), lambda _: []),
        OutputTensor("b", "FP64", (2,), lambda _: []),
    ]
    values: list[Any] = [[-1, 200], [0.0, 1.0, 2.0, 3.0]]
    body = Writer("m", "1", tensors).write(2, "id", zip(tensors, values, strict=True), is_raw=False)
    assert service_pb2.ModelInferResponse.FromString(body).SerializeToString() == body
    raw = Writer("m", "1", tensors).write(2, "", zip(tensors, values, strict=True), is_raw=True)
    parsed = service_pb2.ModelInferResponse.FromString(raw)
    assert list(parsed.raw_output_contents) == [
        struct.pack("<2q", -1, 200), struct.pack("<4d", 0, 1, 2, 3),
    ]  # fmt: skip
    assert parsed.SerializeToString() == raw
    long = write("FP64", 300, 2, [1.5, -2.0] * 300, "id")
    assert list(long.outputs[0].shape) == [300]
