"""A V2 inference body -> its tensors, and every reason why some cannot be read.

The body is JSON, or JSON followed by raw tensor bytes when Inference-Header-Content-Length says
where the JSON ends. Sizes that a client claims are checked before anything is sliced or counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from app.errors import FieldError, RequestError
from app.model.validation import MAX_ERRORS, contract_error, kind_of
from app.protocols.strict_json import parse
from app.protocols.tensors import DATATYPES, DataError, FrameError, read_json, read_raw

HEADER = "Inference-Header-Content-Length"
# More digits than any body we accept: the text is never turned into a huge number.
MAX_HEADER_DIGITS = 18
# Longer ones are no input of any model; they would come back in error texts.
MAX_NAME = 1000
MAX_SIDES = 8
Place = tuple[str | int, ...]


@dataclass
class Problems:
    """Everything wrong with one request; bytes that are no tensor make it a 400, not a 422."""

    errors: list[FieldError] = field(default_factory=list)
    malformed: bool = False
    # For the metrics; see RequestError.
    reason: str = ""

    def add(self, place: Place, text: str, *, malformed: bool = False) -> None:
        """Note one problem."""
        self.errors.append(FieldError(place, text))
        self.malformed = self.malformed or malformed

    def check(self) -> None:
        """Raises RequestError when anything was noted."""
        if not self.errors:
            return
        error = contract_error(self.errors)
        error.reason = self.reason
        if not self.malformed:
            raise error
        raise RequestError(
            400,
            "malformed-tensor",
            "The body is not the tensors it claims to be",
            error.detail,
            error.errors,
        )


@dataclass(frozen=True)
class Tensor:
    """One input as the client describes it; `raw` holds its bytes, else `data` its JSON."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Any = None
    raw: bytes | None = None

    def values(self, problems: Problems) -> list[Any] | None:
        """Its elements in row-major order, or None with the reason noted.

        Call it only after the shape was found acceptable: it decides how much is read.
        """
        place = ("inputs", self.name)
        try:
            if self.raw is None:
                return read_json(self.datatype, self.data, self.shape)
            return read_raw(self.datatype, self.raw, math.prod(self.shape))
        except FrameError as error:
            problems.add(place, str(error), malformed=True)
        except DataError as error:
            problems.add((*place, "data"), str(error))
        return None


def split(body: bytes, header_length: str | None) -> tuple[dict[str, Any], bytes]:
    """The JSON document of a body and the raw bytes behind it. Raises RequestError."""
    end = len(body)
    if header_length is not None:
        digits = header_length.strip()
        plain = digits.isascii() and digits.isdigit() and len(digits) <= MAX_HEADER_DIGITS
        if not plain or int(digits) > len(body):
            raise RequestError(
                400,
                "malformed-tensor",
                "The body is not the tensors it claims to be",
                f"{HEADER}: expected the length of the JSON part, 0 to {len(body)}, "
                f"found {header_length[:40]!r}",
            )
        end = int(digits)
    document = parse(body[:end])
    if not isinstance(document, dict):
        raise contract_error([FieldError((), f"expected an object, found {kind_of(document)}")])
    return document, body[end:]


def names(document: dict[str, Any]) -> set[str]:
    """The names in `inputs`, those of unreadable tensors too; one without a name gives ''."""
    entries = _listed(document.get("inputs"))
    found = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    return {name if isinstance(name, str) else "" for name in found}


def read_tensors(
    document: dict[str, Any], tail: bytes, most: int, problems: Problems
) -> list[Tensor]:
    """Every readable description in `inputs`, with its share of the raw bytes.

    `most` is how many the model has; up to MAX_ERRORS more are looked at, to name them.
    """
    entries = _listed(document.get("inputs"))
    if not 1 <= len(entries) <= most + MAX_ERRORS:
        text = f"expected a list of 1 to {most} tensors, found {len(entries) or 'none'}"
        problems.add(("inputs",), text)
        return []
    tensors: dict[str, Tensor] = {}
    offset = 0
    for index, entry in enumerate(entries):
        # A thousand broken tensors get an answer of bounded size and cost.
        if len(problems.errors) >= MAX_ERRORS:
            return list(tensors.values())
        size = parameters(entry).get("binary_data_size")
        fault = _size_fault(size, len(tail) - offset)
        if fault:
            problems.add(_place(index, entry), fault, malformed=True)
            # Where the next tensor would start is unknown from here on.
            return list(tensors.values())
        raw = None if size is None else tail[offset : offset + size]
        offset += size or 0
        tensor = _tensor(index, entry, raw, problems)
        if tensor is not None and tensor.name in tensors:
            problems.add(_place(index, entry), "given twice")
        elif tensor is not None:
            tensors[tensor.name] = tensor
    if offset != len(tail):
        text = f"{len(tail) - offset} bytes follow the last tensor"
        problems.add(("inputs",), text, malformed=True)
    return list(tensors.values())


def parameters(entry: Any) -> dict[str, Any]:
    """The `parameters` of an object; none when they are absent, null or not an object."""
    found = entry.get("parameters") if isinstance(entry, dict) else None
    return found if isinstance(found, dict) else {}


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) <= MAX_SIDES
        and all(type(side) is int and side >= 0 for side in shape)
    )


def check_parameters(entry: dict[str, Any], place: Place, problems: Problems) -> None:
    """Note `parameters` that are neither an object nor null."""
    found = entry.get("parameters")
    if found is not None and not isinstance(found, dict):
        problems.add((*place, "parameters"), f"expected an object, found {kind_of(found)}")


def _listed(entries: Any) -> list[Any]:
    return entries if isinstance(entries, list) else []


def _place(index: int, entry: Any) -> Place:
    name = entry.get("name") if isinstance(entry, dict) else None
    return ("inputs", name[:100] if isinstance(name, str) and name else index)


def _size_fault(size: Any, left: int) -> str:
    """Why a binary_data_size cannot be used; empty when it can, or when there is none."""
    if size is None:
        return ""
    if type(size) is not int or size < 0:
        return "binary_data_size: expected a whole number of bytes, 0 or more"
    return f"claims {size} bytes, {left} are left in the body" if size > left else ""


def _tensor(index: int, entry: Any, raw: bytes | None, problems: Problems) -> Tensor | None:
    """Check the description itself; all that is wrong with it is noted."""
    place = _place(index, entry)
    before = len(problems.errors)
    if not isinstance(entry, dict):
        problems.add(place, f"expected an object, found {kind_of(entry)}")
        return None
    name, datatype, shape = entry.get("name"), entry.get("datatype"), entry.get("shape")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME:
        problems.add((*place, "name"), "expected the name of an input")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        problems.add((*place, "datatype"), f"expected one of: {', '.join(DATATYPES)}")
    if not _is_shape(shape):
        problems.add((*place, "shape"), "expected a list of whole numbers")
    check_parameters(entry, place, problems)
    if "shared_memory_region" in parameters(entry):
        problems.add(place, "shared memory is not offered here; send the data in the body")
    elif raw is not None and "data" in entry:
        problems.add(place, "expected either `data` or binary_data_size, found both")
    elif raw is None and "data" not in entry:
        problems.add(place, "has no data: expected `data` or raw bytes with binary_data_size")
    if len(problems.errors) > before:
        return None
    return Tensor(str(name), str(datatype), tuple(shape or ()), entry.get("data"), raw)
