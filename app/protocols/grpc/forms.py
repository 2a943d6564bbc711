"""Messages that differ from an earlier one in numbers and id alone: read without a parser.

A client sends rows of the same shape again and again. What is around id and numbers says everything
else, so that a message with the same bytes there, of the same length, means the same. protobuf's
parser and its objects cost 25 µs of the 110 that one row took with them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.protocols.grpc.writing import ID, delimited

if TYPE_CHECKING:
    from collections.abc import Callable

# Datatypes whose elements have as many bytes as each other, in typed contents and in raw ones.
TYPED = {"FP32": "f", "FP64": "d"}
RAW = {**TYPED, "INT32": "i", "UINT32": "I", "INT64": "q", "UINT64": "Q"}
# Forms that are kept, and bytes of one around its numbers.
MAX_FORMS, MAX_AROUND_BYTES = 32, 512
# A form makes room for another one of its length when it was of no use so often in a row: it is not
# worth learning one from messages that all differ.
MAX_MISSES = 16


@dataclass(frozen=True, slots=True)
class Matrix:
    """All that a message says, but for its id and the numbers of its one tensor."""

    model: str
    version: str
    name: str
    datatype: str
    shape: tuple[int, ...]
    is_raw: bool


# With the id and the numbers of one message.
Read = tuple[Matrix, str, list[Any]]


class _Form:
    """One matrix, and where the id and the numbers are: after `head` and after `middle`."""

    __slots__ = ("head", "id_end", "matrix", "middle", "misses", "numbers", "start", "tail")

    def __init__(
        self, body: bytes, hole: tuple[int, int], start: int, numbers: struct.Struct, matrix: Matrix
    ) -> None:
        self.head, self.id_end = body[: hole[0]], hole[1]
        self.middle, self.start = body[hole[1] : start], start
        self.tail = body[start + numbers.size :]
        self.numbers = numbers
        self.matrix = matrix
        self.misses = 0

    def read(self, body: bytes) -> Read | None:
        """What a message of the same length says, if it has this form."""
        is_same = body.startswith(self.head) and body.endswith(self.tail)
        if not is_same or body[self.id_end : self.start] != self.middle:
            return None
        try:
            request_id = body[len(self.head) : self.id_end].decode()
        except UnicodeDecodeError:
            return None
        return self.matrix, request_id, list(self.numbers.unpack_from(body, self.start))


class Forms:
    """The forms of the messages that one model was sent."""

    def __init__(self, parse: Callable[[bytes], Read | None]) -> None:
        """`parse` reads any bytes; None unless they are a message with one tensor of numbers."""
        self._parse = parse
        self._by_length: dict[int, _Form] = {}

    def read(self, body: bytes) -> Read | None:
        """What a message of a known form says."""
        form = self._by_length.get(len(body))
        if form is None:
            return None
        read = form.read(body)
        if read is not None:
            form.misses = 0
            return read
        form.misses += 1
        if form.misses > MAX_MISSES:
            del self._by_length[len(body)]
        return None

    def learn(self, body: bytes, matrix: Matrix, request_id: str, values: list[Any]) -> None:
        """Keep the form of a message, if it is certain which bytes are its id and its numbers."""
        code = (RAW if matrix.is_raw else TYPED).get(matrix.datatype)
        if code is None or len(body) in self._by_length:
            return
        numbers = struct.Struct(f"<{len(values)}{code}")
        if len(body) - numbers.size > MAX_AROUND_BYTES:
            return
        found, named = numbers.pack(*values), request_id.encode()
        start = body.rfind(found)
        field = delimited(ID, named) if named else b""
        id_end = body.find(field) + len(field)
        if start < 0 or not len(named) <= id_end <= start:
            return
        form = _Form(body, (id_end - len(named), id_end), start, numbers, matrix)
        # What was found may be something else with these bytes: with others there, the parser must
        # read those as id and numbers, and the rest as before.
        other_id = ("1" if request_id[:1] == "0" else "0") * len(named)
        other = bytes(byte ^ 1 for byte in found)
        changed = b"".join((form.head, other_id.encode(), form.middle, other, form.tail))
        if self._parse(changed) != (matrix, other_id, list(numbers.unpack(other))):
            return
        if len(self._by_length) == MAX_FORMS:
            self._by_length.clear()
        self._by_length[len(body)] = form
