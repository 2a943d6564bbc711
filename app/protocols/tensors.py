"""Tensors of the Open Inference Protocol: JSON data or raw bytes <-> a flat list of values.

Knows datatypes and byte layouts, not models: the contract decides whether a value suits a feature.
Raw bytes are little-endian and row-major; each element of a BYTES tensor is preceded by its length
in four bytes.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.model.contract import Label

BYTES = "BYTES"
BOOL = "BOOL"
# numpy has no BF16: its two bytes are the upper half of an FP32.
BF16 = "BF16"
FLOATS = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8", BF16: "<u2"}
INTEGERS = {
    f"{prefix}INT{bits}": f"<{kind}{bits // 8}"
    for prefix, kind in (("", "i"), ("U", "u"))
    for bits in (8, 16, 32, 64)
}
FIXED = {name: np.dtype(code) for name, code in {**FLOATS, **INTEGERS, BOOL: "u1"}.items()}
NUMBERS = frozenset([*FLOATS, *INTEGERS])
DATATYPES = (*FIXED, BYTES)
# Invalid elements listed in one error text.
MAX_LISTED = 10
LENGTH = struct.Struct("<I")


class DataError(ValueError):
    """JSON data that does not match the tensor's datatype or shape."""


class FrameError(ValueError):
    """Raw bytes that do not match the tensor's datatype or shape."""


def read_raw(datatype: str, raw: bytes, count: int) -> list[Any]:
    """Read `count` elements from raw bytes; NaN becomes None. Raises FrameError."""
    if datatype == BYTES:
        return _read_strings(raw, count)
    dtype = FIXED[datatype]
    expected = count * dtype.itemsize
    if len(raw) != expected:
        text = f"expected {expected} bytes for {count} elements of {datatype}"
        raise FrameError(f"binary_data_size: {text}, found {len(raw)}")
    array = np.frombuffer(raw, dtype)
    if datatype == BOOL:
        if array.max(initial=0) > 1:
            raise FrameError("expected BOOL elements of 0 or 1, found another byte")
        array = array.astype(bool)
    if datatype == BF16:
        array = (array.astype("<u4") << 16).view("<f4")
    values: list[Any] = array.tolist()
    if datatype in FLOATS:
        # NaN marks missing values in dataframes; it is the only value unequal to itself.
        return [None if value != value else value for value in values]
    return values


def read_json(datatype: str, data: Any, shape: Sequence[int]) -> list[Any]:
    """Read the elements of a JSON `data` list, flat or nested like `shape`. Raises DataError."""
    if not isinstance(data, list):
        raise DataError("expected a list")
    values = data
    if len(shape) > 1 and values and all(isinstance(row, list) for row in values):
        wrong = [len(row) for row in values if len(row) != shape[1]]
        if wrong:
            raise DataError(f"expected rows of {shape[1]} elements, found a row of {wrong[0]}")
        values = [value for row in values for value in row]
    count = math.prod(shape)
    if len(values) != count:
        raise DataError(f"expected {count} elements for shape {list(shape)}, found {len(values)}")
    is_valid = _IS_OF_DATATYPE[datatype]
    wrong = [i for i, value in enumerate(values) if value is not None and not is_valid(value)]
    if wrong:
        listed = ", ".join(map(str, wrong[:MAX_LISTED])) + (", ..." if wrong[MAX_LISTED:] else "")
        raise DataError(f"expected {datatype} elements, found others at index {listed}")
    return values


def write_raw(datatype: str, values: Sequence[Label]) -> bytes:
    """Write a list of values as raw bytes."""
    if datatype != BYTES:
        return np.array(values, FIXED[datatype]).tobytes()
    texts = [str(value).encode() for value in values]
    return b"".join(part for text in texts for part in (LENGTH.pack(len(text)), text))


def _read_strings(raw: bytes, count: int) -> list[Any]:
    values = []
    offset = 0
    for index in range(count):
        start = offset + LENGTH.size
        if start > len(raw):
            raise FrameError(f"expected {count} elements, found the end of the data at {index}")
        (length,) = LENGTH.unpack_from(raw, offset)
        offset = start + length
        if offset > len(raw):
            text = f"element {index}: expected at most {len(raw) - start} bytes, found {length}"
            raise FrameError(text)
        try:
            values.append(raw[start:offset].decode())
        except UnicodeDecodeError as error:
            raise FrameError(f"element {index} is not valid UTF-8") from error
    if offset != len(raw):
        raise FrameError(f"expected no bytes after {count} elements, found {len(raw) - offset}")
    return values


def _integer_check(datatype: str) -> Callable[[Any], bool]:
    bounds = np.iinfo(INTEGERS[datatype])
    low, high = int(bounds.min), int(bounds.max)

    def is_valid(value: Any) -> bool:
        is_integer = type(value) is int or (type(value) is float and value.is_integer())
        return is_integer and low <= value <= high

    return is_valid


_IS_OF_DATATYPE: dict[str, Callable[[Any], bool]] = {
    **{name: lambda value: type(value) in (int, float) for name in FLOATS},
    **{name: _integer_check(name) for name in INTEGERS},
    BOOL: lambda value: type(value) is bool,
    BYTES: lambda value: type(value) is str,
}
