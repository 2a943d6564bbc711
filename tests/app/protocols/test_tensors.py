"""Raw tensors: every datatype survives the way there and back; bytes that lie are refused."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from app.model.contract import Label
from app.protocols.tensors import FIXED, DataError, FrameError, read_json, read_raw, write_raw

EDGES: dict[str, list[Label]] = {
    "BOOL": [True, False],
    "INT8": [-128, 127],
    "INT16": [-(2**15), 2**15 - 1],
    "INT32": [-(2**31), 2**31 - 1],
    "INT64": [-(2**63), 2**63 - 1],
    "UINT8": [0, 255],
    "UINT16": [0, 2**16 - 1],
    "UINT32": [0, 2**32 - 1],
    "UINT64": [0, 2**64 - 1],
    "FP16": [0.5, -2.0],
    "FP32": [0.5, -(2.0**100)],
    "FP64": [0.1, -1.7976931348623157e308],
    "BYTES": ["", "Torgersen", "Bj\u00f6rn \u96ea"],
}


@pytest.mark.parametrize("datatype", EDGES)
def test_every_datatype_survives_the_way_there_and_back(datatype: str) -> None:
    values = EDGES[datatype]
    assert read_raw(datatype, write_raw(datatype, values), len(values)) == values
    assert read_json(datatype, values, [len(values)]) == values


def test_edges_cover_every_datatype() -> None:
    assert {*EDGES, "BF16"} == {*FIXED, "BYTES"}


def test_raw_bytes_are_little_endian() -> None:
    assert read_raw("INT16", b"\x01\x02", 1) == [0x0201]
    assert read_raw("FP64", struct.pack("<d", 5.1), 1) == [5.1]
    # BF16 is the upper half of a FP32: 1.0 is 3f80 0000.
    assert read_raw("BF16", b"\x80\x3f\xc0\xff", 2) == [1.0, None]


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_nan_is_a_missing_value_and_infinity_stays(datatype: str) -> None:
    raw = np.array([math.nan, math.inf, 1.0], FIXED[datatype]).tobytes()
    assert read_raw(datatype, raw, 3) == [None, math.inf, 1.0]


@pytest.mark.parametrize(
    ("datatype", "raw", "count", "text"),
    [
        ("FP64", b"\0" * 7, 1, "1 elements of FP64 take 8 bytes, binary_data_size is 7"),
        ("INT32", b"\0" * 8, 1, "1 elements of INT32 take 4 bytes, binary_data_size is 8"),
        ("FP32", b"", 2, "2 elements of FP32 take 8 bytes, binary_data_size is 0"),
        ("BOOL", b"\x02", 1, "a BOOL element is neither 0 nor 1"),
        ("BYTES", b"", 1, "element 0 of 1 has no length: the tensor ends before it"),
        ("BYTES", b"\x01\0\0", 1, "element 0 of 1 has no length: the tensor ends before it"),
        ("BYTES", b"\x05\0\0\0abc", 1, "element 0 claims 5 bytes, 3 are left"),
        ("BYTES", b"\xff\xff\xff\xffabc", 1, "element 0 claims 4294967295 bytes, 3 are left"),
        ("BYTES", b"\x01\0\0\0ab", 1, "1 bytes follow the last of 1 elements"),
        ("BYTES", b"\x01\0\0\0\xff", 1, "element 0 is not UTF-8"),
    ],
)
def test_bytes_that_are_not_the_tensor_are_refused(
    datatype: str, raw: bytes, count: int, text: str
) -> None:
    with pytest.raises(FrameError) as refused:
        read_raw(datatype, raw, count)
    assert str(refused.value) == text


def test_json_data_may_be_nested_as_the_shape_or_flat() -> None:
    assert read_json("FP32", [[1, 2], [3, 4]], [2, 2]) == [1, 2, 3, 4]
    assert read_json("FP32", [1, 2, 3, 4], [2, 2]) == [1, 2, 3, 4]
    assert read_json("FP32", [[1], [None]], [2, 1]) == [1, None]


@pytest.mark.parametrize(
    ("datatype", "data", "shape", "text"),
    [
        ("FP32", "x", [2], "expected a list"),
        ("FP32", None, [1], "expected a list"),
        ("INT8", [300, 1, True, 1.5], [4], "not INT8: element 0, 2, 3"),
        ("FP32", [1, 2], [3], "shape [3] has 3 elements, found 2"),
        ("FP32", [[1, 2], [3]], [2, 2], "expected rows of 2 elements, found one of 1"),
        ("FP32", [[1, 2], 3], [2, 2], "shape [2, 2] has 4 elements, found 2"),
        ("FP32", [1, [2]], [2], "not FP32: element 1"),
        ("FP32", [True], [1], "not FP32: element 0"),
        ("INT8", [128], [1], "not INT8: element 0"),
        ("INT64", [2**63], [1], "not INT64: element 0"),
        ("UINT8", [-1], [1], "not UINT8: element 0"),
        ("INT32", [1.5], [1], "not INT32: element 0"),
        ("BOOL", [1], [1], "not BOOL: element 0"),
        ("BYTES", [1], [1], "not BYTES: element 0"),
    ],
)
def test_json_data_that_is_not_the_tensor_is_refused(
    datatype: str, data: object, shape: list[int], text: str
) -> None:
    with pytest.raises(DataError) as refused:
        read_json(datatype, data, shape)
    assert str(refused.value) == text
