"""JSON values -> the numbers (or texts) that encode them, one function for each feature.

What a value has to be is decided here and nowhere else; every protocol uses these functions.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from app.model.feature import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.model.feature import Feature

    Converter = Callable[[Any], Any]

# scikit-learn's trees cast to float32 and reject what overflows; so does every contract.
MAX_FLOAT = float(np.finfo(np.float32).max)
# Integers beyond this are not exact in float64.
MAX_INTEGER = 2**53
TOO_LARGE = "expected an integer from -2^53 to 2^53; a model of larger ones has to take texts"
# Categories listed in one error text.
MAX_LISTED = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Times that 64-bit nanoseconds can express, which pandas uses: 1678 to 2261, in microseconds.
MIN_TIME, MAX_TIME = -9_214_560_000_000_000, 9_214_560_000_000_000


class UnusableError(ValueError):
    """A value of the right type that the model cannot use; `bin` is its bin in drift metrics."""

    def __init__(self, text: str, bin_: str) -> None:
        super().__init__(text)
        self.bin = bin_


def json_type(value: Any) -> str:
    """The JSON type of a value, for error texts: values themselves are never repeated."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    return names.get(type(value), "a number")


def converter(feature: Feature) -> Converter:
    """The function that encodes one JSON value of this feature; it raises ValueError.

    Open strings stay texts: `Validator` encodes them. A missing one is None, else NaN.
    """
    convert = _by_dtype(feature)
    absent = None if feature.is_open else MISSING
    allowed = feature.missing == "allow"

    def nullable(value: Any) -> Any:
        if value is None:
            if not allowed:
                raise UnusableError("expected a value, found null", "missing")
            return absent
        return convert(value)

    return nullable


def _by_dtype(feature: Feature) -> Converter:
    if feature.is_open:
        return _text
    if feature.dtype == "string":
        return _category(feature)
    if feature.dtype == "datetime":
        return _time
    convert: Converter = {"float": _float, "integer": _integer, "boolean": _boolean}[feature.dtype]
    if feature.dtype == "integer" and _has_width(feature):
        convert = _within(integer_bounds(feature), convert)
    if feature.closed is not None:
        convert = _one_of(feature, convert)
    return convert if feature.range is None else _within(feature.range, convert)


def integer_bounds(feature: Feature) -> tuple[int, int]:
    """The whole numbers that the type of the column in training has, and float64 exactly."""
    if not _has_width(feature):
        return -MAX_INTEGER, MAX_INTEGER
    limits = np.iinfo(feature.storage.lower())
    return max(-MAX_INTEGER, int(limits.min)), min(MAX_INTEGER, int(limits.max))


def number_bounds(feature: Feature) -> tuple[float, float]:
    """Between these every number (of an integer: every whole one) of an open feature is valid."""
    low, high = -MAX_FLOAT, MAX_FLOAT
    if feature.dtype == "integer":
        low, high = map(float, integer_bounds(feature))
    least, most = feature.range or (None, None)
    return max(low, -MAX_FLOAT if least is None else least), min(
        high, MAX_FLOAT if most is None else most
    )


def _has_width(feature: Feature) -> bool:
    """Whether the column in training was of integers narrower than int64, or nullable ones."""
    return "int" in feature.storage.lower()


def _float(value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise ValueError(f"expected a number, found {json_type(value)}")
    if not -MAX_FLOAT <= value <= MAX_FLOAT:
        raise ValueError("expected a number in the range of float32")
    return float(value)


def _integer(value: Any) -> float:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise ValueError(f"expected an integer, found {json_type(value)}")
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise ValueError(TOO_LARGE)
    return float(value)


def _boolean(value: Any) -> float:
    if type(value) is not bool:
        raise ValueError(f"expected true or false, found {json_type(value)}")
    return float(value)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"expected a string, found {json_type(value)}")
    return value


def _time(value: Any) -> float:
    """Microseconds since 1970: from ISO 8601 text (UTC unless it has an offset), or from
    milliseconds since 1970, as JavaScript has them.
    """
    if type(value) is int:
        microseconds = value * 1000
    elif type(value) is str:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            text = "expected a date or time in ISO 8601, such as 2026-01-31T12:00:00Z"
            raise ValueError(text) from None
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        since = moment - EPOCH
        microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    else:
        found = json_type(value)
        raise ValueError(f"expected a time in ISO 8601 or milliseconds since 1970, found {found}")
    if not MIN_TIME <= microseconds <= MAX_TIME:
        raise ValueError("expected a time from 1678 to 2261")
    return float(microseconds)


def _one_of(feature: Feature, convert: Converter) -> Converter:
    """Only the numbers (or booleans) that an encoder was fitted on, which refuses any other."""
    # In the precision of the column: 0.1 is another number as float32.
    exact = np.dtype(feature.storage).type if feature.storage.startswith("float") else float
    allowed = frozenset(float(exact(value)) for value in feature.closed or ())
    message = _unknown(feature)

    def member(value: Any) -> float:
        number: float = convert(value)
        if float(exact(number)) not in allowed:
            raise UnusableError(message, "unseen")
        return number

    return member


def _within(bounds: Sequence[float | None], convert: Converter) -> Converter:
    low = -MAX_FLOAT if bounds[0] is None else bounds[0]
    high = MAX_FLOAT if bounds[1] is None else bounds[1]
    if bounds[0] is None:
        message = f"expected at most {high:g}"
    elif bounds[1] is None:
        message = f"expected at least {low:g}"
    else:
        message = f"expected {low:g} to {high:g}"

    def within(value: Any) -> float:
        number: float = convert(value)
        if not low <= number <= high:
            raise ValueError(message)
        return number

    return within


def _category(feature: Feature) -> Converter:
    codes, message = feature.codes, _unknown(feature)

    def convert(value: Any) -> float:
        if type(value) is not str:
            raise ValueError(f"expected a string, found {json_type(value)}")
        code = codes.get(value)
        if code is None:
            raise UnusableError(message, "unseen")
        return code

    return convert


def _unknown(feature: Feature) -> str:
    """What a value outside of the closed list is told; a sensitive list is not repeated."""
    if feature.listed is None:
        return "unknown category"
    texts = [str(v).lower() if isinstance(v, bool) else str(v) for v in feature.listed]
    listed = ", ".join(texts[:MAX_LISTED]) + (", ..." if len(texts) > MAX_LISTED else "")
    return f"unknown category: expected one of {listed}"
