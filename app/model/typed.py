"""What a bundle's documents say -> typed values, by msgspec.

One place, so that a document that is intact and means nothing is refused before anything is built
of it, with the path of the value that is wrong.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from app.errors import BundleRefusedError
from app.model.bundle import REPACKAGE

T = TypeVar("T")
# What msgspec says, and where: "Expected `str`, got `int` - at `$.name`".
MESSAGE = re.compile(r"(?P<detail>.*?)(?: - at `(?P<place>[^`]*)`)?", re.DOTALL)
MAX_LENGTH = 200


def read(kind: type[T], value: Any, what: str) -> T:
    """The value as this type. Raises BundleRefusedError."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        said = MESSAGE.fullmatch(str(error))
        detail, place = (said["detail"], said["place"] or "$") if said else (str(error), "$")
        expected, _, found = detail.removeprefix("Expected ").partition(", got ")
        raise invalid(f"{what} at {place}", expected, found or "something else") from None


def invalid(what: str, expected: str, found: str) -> BundleRefusedError:
    """A refusal of a document that means nothing; what it holds may be long."""
    texts = [text[:MAX_LENGTH] for text in (what, expected, found)]
    return BundleRefusedError(
        f"{texts[0]} is invalid", expected=texts[1], found=texts[2], fix=REPACKAGE
    )
