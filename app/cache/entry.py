"""A prediction -> bytes, and back: strict both ways, and no pickle.

What comes from a shared store may be corrupt, or somebody else's. An entry begins with a tag over
its key and content, keyed by CACHE_SECRET if there is one, and its content has to be exactly what
the contract lets the model answer, in type, number and range. Anything else is no entry.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from app.model.prediction import Prediction

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from app.model.contract import Output, Target

TAG_BYTES = 16


class EntryError(Exception):
    """No entry of ours, or a prediction that cannot be one."""


class _Stored(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Numbers are float64 in little-endian order."""

    values: list[Any]
    probabilities: bytes | None
    scores: bytes | None


class Entries:
    """Entries of one model's predictions."""

    def __init__(self, output: Output, secret: bytes = b"") -> None:
        self._output = output
        self._secret = secret
        self._is_value = _value_check(output)
        self._classes = output.class_slices[-1].stop if output.class_slices else None
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(_Stored)

    def encode(self, prediction: Prediction) -> bytes:
        """Raises EntryError for a prediction that would not come back as it is."""
        rows = len(prediction.values)
        if not all(map(self._is_value, prediction.values)):
            raise EntryError("a value that the contract does not have")
        stored = _Stored(
            prediction.values,
            _data(prediction.probabilities, self._shape(rows, of_scores=False)),
            _data(prediction.scores, self._shape(rows, of_scores=True)),
        )
        try:
            return self._encoder.encode(stored)
        except (msgspec.MsgspecError, OverflowError, UnicodeError) as error:
            raise EntryError(str(error)) from error

    def decode(self, content: bytes, rows: int) -> Prediction:
        """What `encode` made, of this process or of anybody. Raises EntryError."""
        try:
            stored = self._decoder.decode(content)
        except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError) as error:
            raise EntryError(str(error)) from error
        values = stored.values
        if len(values) != rows or not all(map(self._is_value, values)):
            raise EntryError("values that the contract does not have")
        return Prediction(
            values,
            _numbers(stored.probabilities, self._shape(rows, of_scores=False)),
            _numbers(stored.scores, self._shape(rows, of_scores=True)),
        )

    def seal(self, key: bytes, content: bytes) -> bytes:
        """The content as it may leave the process."""
        return self._tag(key, content) + content

    def open(self, key: bytes, sealed: bytes) -> bytes:
        """The content. Raises EntryError unless it was sealed with this key, by who may."""
        content = sealed[TAG_BYTES:]
        if not hmac.compare_digest(sealed[:TAG_BYTES], self._tag(key, content)):
            raise EntryError("another tag than that of its key and content")
        return content

    def _tag(self, key: bytes, content: bytes) -> bytes:
        return hashlib.blake2b(
            key + content, key=self._secret, digest_size=TAG_BYTES, person=b"ml-cache-entry"
        ).digest()

    def _shape(self, rows: int, *, of_scores: bool) -> tuple[int, ...] | None:
        """The shape of the probabilities or scores of so many rows; None: there are none."""
        if not of_scores:
            return None if self._classes is None else (rows, self._classes)
        if self._output.scores is None:
            return None
        return (rows,) if self._output.width is None else (rows, self._output.width)


def _data(array: NDArray[np.float64] | None, shape: tuple[int, ...] | None) -> bytes | None:
    if (None if array is None else array.shape) != shape:
        raise EntryError("numbers of another shape than the contract's")
    if array is None:
        return None
    if array.dtype != np.float64:
        raise EntryError(f"numbers of type {array.dtype}")
    return np.ascontiguousarray(array, dtype="<f8").tobytes()


def _numbers(data: bytes | None, shape: tuple[int, ...] | None) -> NDArray[np.float64] | None:
    if data is None or shape is None:
        if data is None and shape is None:
            return None
        raise EntryError("numbers that the contract does not have, or none")
    if len(data) != math.prod(shape) * 8:
        raise EntryError("another number of numbers than the contract's")
    found: NDArray[np.float64] = np.frombuffer(data, dtype="<f8").reshape(shape)
    if not np.isfinite(found).all():
        raise EntryError("numbers that are not finite")
    return found


def _value_check(output: Output) -> Callable[[Any], bool]:
    """Whether a value is one that this output has."""
    if output.kind == "transformer":
        width = output.width or 0
        return lambda value: (
            type(value) is list
            and len(value) == width
            and all(type(number) is float and math.isfinite(number) for number in value)
        )
    if not output.targets:
        return _part_check(output.parts[0])
    names = [target.name for target in output.targets]
    checks = [_part_check(target) for target in output.targets]
    return lambda value: (
        type(value) is dict
        # In this order too: it is that of the answer.
        and list(value) == names
        and all(check(each) for check, each in zip(checks, value.values(), strict=True))
    )


def _part_check(part: Target) -> Callable[[Any], bool]:
    if part.classes is None:
        return lambda value: type(value) in (int, float) and math.isfinite(value)
    # With their types: 1, 1.0 and True are equal, and read differently.
    known = frozenset((type(label), label) for label in part.classes)
    return lambda value: type(value) in (str, int, float, bool) and (type(value), value) in known
