"""Plain scalars of YAML: which ones every reader understands alike, and who reads what otherwise.

Helm and Argo CD read YAML 1.1 with Go's rules, editors and Python other parts of YAML 1.1, newer
readers YAML 1.2. A text without quotes is accepted only where all of them read the same value.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

HELM = "Helm and Argo CD"
MAX_EXACT = 2**53  # the generator of Argo CD reads numbers as float64
INTEGER_BITS = 64  # Go reads a longer number as float64, or as text

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "null", "Null", "NULL"), None),
}
_SWITCHES = {
    case(word): on
    for on, words in ((True, ("y", "yes", "on")), (False, ("n", "no", "off")))
    for word in words
    for case in (str.lower, str.capitalize, str.upper)
}
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,15}")
# At most 15 digits, which float64 keeps, and none that a reader would drop.
_DECIMAL = re.compile(r"(?=[-.0-9]{3,17}\Z)-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9]")
# Whatever some reader takes for a number, a time or a date; wider than each of them.
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt\s].*)?", re.DOTALL)
_BASE_60 = re.compile(r"[-+]?[0-9]+(?::[0-9]+)+(?:\.[0-9]*)?")
_NUMBER = re.compile(
    r"[-+]?(?:0[xob][0-9a-f]+|(?:[0-9]+\.?|\.[0-9])[0-9]*(?:e[-+]?[0-9]+)?)",
    re.IGNORECASE,
)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|nan)", re.IGNORECASE)


class AmbiguousError(Exception):
    """A plain scalar that not every reader understands alike; the message says who reads what."""


@lru_cache(maxsize=4096)
def read(text: str) -> Scalar:
    """The value of a plain scalar. Raises AmbiguousError where readers differ or often surprise."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and abs(int(text)) <= MAX_EXACT:
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    if reason := _reason(text):
        raise AmbiguousError(reason)
    return text


def needs_quotes(text: str) -> bool:
    """Whether a text would not be read as that text by every reader if it stood without quotes."""
    try:
        return not isinstance(read(text), str)
    except AmbiguousError:
        return True


def is_word(text: str) -> bool:
    """Whether some reader takes a text without quotes for true, false or null."""
    return text in _WORDS or text in _SWITCHES


def _reason(text: str) -> str:
    if text in _SWITCHES:
        return f"{HELM} read {str(_SWITCHES[text]).lower()}, YAML 1.2 the text"
    if text == "~":
        return f"{HELM} read null; if that is meant, write null"
    if text in ("<<", "="):
        return "it is a merge key or a default value in YAML 1.1, in YAML 1.2 it is text"
    if _DATE.fullmatch(text):
        return f"{HELM} read the text, other readers of YAML 1.1 a date"
    if not text.startswith(("+", "-", ".", *"0123456789")):
        return ""
    plain = text.replace("_", "").replace(",", "")
    if _BASE_60.fullmatch(plain):
        return f"{HELM} read the text, other readers of YAML 1.1 a number of base 60"
    if _NOT_FINITE.fullmatch(text):
        return f"{HELM} read a number that JSON cannot hold"
    return _number_reason(text) if _NUMBER.fullmatch(plain) else ""


def _number_reason(text: str) -> str:
    number = _go_number(text)
    if number is None or math.isinf(number):
        return f"{HELM} read the text, other readers a number"
    if abs(number) > MAX_EXACT:
        return f"{HELM} read a number that is not exact above {MAX_EXACT}"
    return f"{HELM} read the number {number:.16g}; if that is meant, write its decimal digits"


def _go_number(text: str) -> int | float | None:
    """The number that Go's YAML 1.1 reads, None for text."""
    plain = text.replace("_", "")
    digits = plain.lstrip("+-")
    if re.fullmatch(r"0[0-7]+", digits):
        plain = plain.replace(digits, f"0o{digits}")
    try:
        number = int(plain, 0)
    except ValueError:
        pass
    else:
        if number.bit_length() <= INTEGER_BITS:
            return number
    plain = text.replace("_", "")
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", plain):
        return float(plain)
    return None
