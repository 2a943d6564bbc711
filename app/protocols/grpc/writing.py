"""A prediction -> the bytes of a ModelInferResponse.

Of protobuf's wire format (https://protobuf.dev/programming-guides/encoding/) answers need little:
texts, packed numbers, and messages in messages, whose constant parts are made once.
"""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING, Any

from app.protocols.tensors import BOOL, BYTES, write_raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.protocols.output_tensors import OutputTensor

# Numbers of fields, each with the type "so many bytes", of the response ...
MODEL_NAME, MODEL_VERSION, ID = b"\x0a", b"\x12", b"\x1a"
OUTPUTS, RAW_OUTPUT_CONTENTS = b"\x2a", b"\x32"
# ... of an output ...
NAME, DATATYPE, SHAPE, CONTENTS = b"\x0a", b"\x12", b"\x1a", b"\x2a"
# ... and of its contents.
BOOL_CONTENTS, INT64_CONTENTS, FP64_CONTENTS, BYTES_CONTENTS = b"\x0a", b"\x1a", b"\x3a", b"\x42"
REMEMBERED = 256
SMALL = 128
_SMALL = [bytes((number,)) for number in range(SMALL)]


class Writer:
    """Writes the responses of one loaded model."""

    def __init__(self, name: str, version: str, outputs: Iterable[OutputTensor]) -> None:
        self._head = delimited(MODEL_NAME, name.encode()) + delimited(
            MODEL_VERSION, version.encode()
        )
        # Of each output: its name and datatype, and its shape but for the number of rows.
        self._described = {
            tensor.name: (
                delimited(NAME, tensor.name.encode())
                + delimited(DATATYPE, tensor.datatype.encode()),
                b"".join(map(varint, tensor.shape)),
            )
            for tensor in outputs
        }

    def write(
        self,
        rows: int,
        request_id: str,
        found: Iterable[tuple[OutputTensor, list[Any]]],
        *,
        is_raw: bool,
    ) -> bytes:
        """Write a response with these outputs, typed or raw."""
        parts = [self._head]
        if request_id:
            parts.append(delimited(ID, request_id.encode()))
        raw: list[bytes] = []
        for tensor, values in found:
            described, row = self._described[tensor.name]
            output = described + delimited(SHAPE, varint(rows) + row)
            if is_raw:
                raw.append(delimited(RAW_OUTPUT_CONTENTS, write_raw(tensor.datatype, values)))
            else:
                output += delimited(CONTENTS, contents(tensor.datatype, values))
            parts.append(delimited(OUTPUTS, output))
        return b"".join(parts + raw)


def contents(datatype: str, values: list[Any]) -> bytes:
    """Typed contents of a datatype that outputs have."""
    if datatype == "FP64":
        return delimited(FP64_CONTENTS, _doubles(len(values)).pack(*values))
    if datatype == BYTES:
        return b"".join([delimited(BYTES_CONTENTS, str(value).encode()) for value in values])
    if datatype == BOOL:
        return delimited(BOOL_CONTENTS, bytes(values))
    # A number below zero is written as that of 64 bits which has the same bits.
    return delimited(
        INT64_CONTENTS, b"".join([varint(value & 0xFFFF_FFFF_FFFF_FFFF) for value in values])
    )


@functools.lru_cache(REMEMBERED)
def _doubles(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}d")


def delimited(field: bytes, data: bytes) -> bytes:
    """A field with so many bytes."""
    return field + varint(len(data)) + data


def varint(number: int) -> bytes:
    """A number, seven bits in each byte, the lowest first."""
    if number < SMALL:
        return _SMALL[number]
    data = bytearray()
    while number >= SMALL:
        data.append(number & 127 | SMALL)
        number >>= 7
    data.append(number)
    return bytes(data)
