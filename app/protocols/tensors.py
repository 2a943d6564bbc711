"""Tensors of the Open Inference Protocol: JSON data or raw bytes <-> a flat list of values.

Knows datatypes and byte layouts, nothing of models: whether a value is fit for a feature is the
contract's question. Raw bytes are little-endian and row-major; each element of a BYTES tensor is
preceded by its length as four bytes.
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
# numpy has no BF16: its two bytes are the upper half of a FP32.
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
# Wrong elements that one text names.
MAX_LISTED = 10
LENGTH = struct.Struct("<I")


class DataError(ValueError):
    """JSON data that is not the tensor it claims to be."""


class FrameError(ValueError):
    """Raw bytes that are not the tensor they claim to be."""


def read_raw(datatype: str, raw: bytes, count: int) -> list[Any]:
    """`count` elements from raw bytes; NaN comes out as None. Raises FrameError."""
    if datatype == BYTES:
        return _read_strings(raw, count)
    dtype = FIXED[datatype]
    expected = count * dtype.itemsize
    if len(raw) != expected:
        text = f"{count} elements of {datatype} take {expected} bytes, binary_data_size is"
        raise FrameError(f"{text} {len(raw)}")
    array = np.frombuffer(raw, dtype)
    if datatype == BOOL:
        if array.max(initial=0) > 1:
            raise FrameError("a BOOL element is neither 0 nor 1")
        array = array.astype(bool)
    if datatype == BF16:
        array = (array.astype("<u4") << 16).view("<f4")
    values: list[Any] = array.tolist()
    if datatype in FLOATS:
        # NaN is how dataframes say that a value is missing; it is the only one unequal to itself.
        return [None if value != value else value for value in values]
    return values


def read_json(datatype: str, data: Any, shape: Sequence[int]) -> list[Any]:
    """The elements of a JSON `data` list, flat or nested like `shape`. Raises DataError."""
    if not isinstance(data, list):
        raise DataError("expected a list")
    values = data
    if len(shape) > 1 and values and all(isinstance(row, list) for row in values):
        wrong = [len(row) for row in values if len(row) != shape[1]]
        if wrong:
            raise DataError(f"expected rows of {shape[1]} elements, found one of {wrong[0]}")
        values = [value for row in values for value in row]
    count = math.prod(shape)
    if len(values) != count:
        raise DataError(f"shape {list(shape)} has {count} elements, found {len(values)}")
    fits = _FITS[datatype]
    wrong = [i for i, value in enumerate(values) if value is not None and not fits(value)]
    if wrong:
        listed = ", ".join(map(str, wrong[:MAX_LISTED])) + (", ..." if wrong[MAX_LISTED:] else "")
        raise DataError(f"not {datatype}: element {listed}")
    return values


def write_raw(datatype: str, values: Sequence[Label]) -> bytes:
    """The raw bytes of a list of values."""
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
            raise FrameError(f"element {index} of {count} has no length: the tensor ends before it")
        (length,) = LENGTH.unpack_from(raw, offset)
        offset = start + length
        if offset > len(raw):
            text = f"element {index} claims {length} bytes, {len(raw) - start} are left"
            raise FrameError(text)
        try:
            values.append(raw[start:offset].decode())
        except UnicodeDecodeError as error:
            raise FrameError(f"element {index} is not UTF-8") from error
    if offset != len(raw):
        raise FrameError(f"{len(raw) - offset} bytes follow the last of {count} elements")
    return values


def _whole(datatype: str) -> Callable[[Any], bool]:
    bounds = np.iinfo(INTEGERS[datatype])
    low, high = int(bounds.min), int(bounds.max)

    def fits(value: Any) -> bool:
        whole = type(value) is int or (type(value) is float and value.is_integer())
        return whole and low <= value <= high

    return fits


_FITS: dict[str, Callable[[Any], bool]] = {
    **{name: lambda value: type(value) in (int, float) for name in FLOATS},
    **{name: _whole(name) for name in INTEGERS},
    BOOL: lambda value: type(value) is bool,
    BYTES: lambda value: type(value) is str,
}
