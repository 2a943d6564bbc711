"""Parse a V2 inference body into tensors, and collect every error in it.

The body is JSON, or JSON followed by raw tensor bytes if Inference-Header-Content-Length gives the
length of the JSON. Sizes declared by a client are checked before anything is sliced or allocated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from app.errors import FieldError, RequestError
from app.model.converters import json_type
from app.model.validation import MAX_ERRORS, contract_error
from app.protocols.strict_json import parse
from app.protocols.tensors import DATATYPES, DataError, FrameError, read_json, read_raw

HEADER = "Inference-Header-Content-Length"
# More digits than the size of any accepted body has; bounds the conversion to int.
MAX_HEADER_DIGITS = 18
# Names are repeated in error texts, so they must be bounded.
MAX_NAME = 1000
MAX_DIMENSIONS = 8
Loc = tuple[str | int, ...]


@dataclass
class Problems:
    """All errors of one request; malformed raw data makes it a 400 instead of a 422."""

    errors: list[FieldError] = field(default_factory=list)
    is_malformed: bool = False
    # For the metrics; see RequestError.
    reason: str = ""

    def add(self, loc: Loc, text: str, *, malformed: bool = False) -> None:
        """Add an error."""
        self.errors.append(FieldError(loc, text))
        self.is_malformed = self.is_malformed or malformed

    def raise_if_any(self) -> None:
        """Raises RequestError if there are errors."""
        if not self.errors:
            return
        error = contract_error(self.errors)
        error.reason = self.reason
        if not self.is_malformed:
            raise error
        raise RequestError(
            400,
            "malformed-tensor",
            "Malformed tensor data",
            error.detail,
            error.errors,
        )


# Instead of the data of a tensor: there is no telling what it is, and a problem says why.
UNREAD = object()


@dataclass(frozen=True)
class Tensor:
    """One input as declared by the client; its data is `raw` bytes, else `data` from JSON."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Any = None
    raw: bytes | None = None

    def values(self, problems: Problems) -> list[Any] | None:
        """The elements in row-major order, or None after adding the error to `problems`.

        Call it only after checking the shape, which determines how much is read.
        """
        if self.data is UNREAD:
            return None
        loc = ("inputs", self.name)
        try:
            if self.raw is None:
                return read_json(self.datatype, self.data, self.shape)
            return read_raw(self.datatype, self.raw, math.prod(self.shape))
        except FrameError as error:
            problems.add(loc, str(error), malformed=True)
        except DataError as error:
            problems.add((*loc, "data"), str(error))
        return None


def split(body: bytes, header_length: str | None) -> tuple[dict[str, Any], bytes]:
    """Split a body into its JSON document and the raw bytes after it. Raises RequestError."""
    end = len(body)
    if header_length is not None:
        digits = header_length.strip()
        is_number = digits.isascii() and digits.isdigit() and len(digits) <= MAX_HEADER_DIGITS
        if not is_number or int(digits) > len(body):
            raise RequestError(
                400,
                "malformed-tensor",
                "Malformed tensor data",
                f"{HEADER}: expected the length of the JSON part, 0 to {len(body)}, "
                f"found {header_length[:40]!r}",
            )
        end = int(digits)
    document = parse(body[:end])
    if not isinstance(document, dict):
        raise contract_error([FieldError((), f"expected an object, found {json_type(document)}")])
    return document, body[end:]


def input_names(document: dict[str, Any]) -> set[str]:
    """The names in `inputs`, of invalid tensors too; a tensor without a name yields ''."""
    entries = _listed(document.get("inputs"))
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    return {name if isinstance(name, str) else "" for name in names}


def read_tensors(
    document: dict[str, Any], tail: bytes, max_tensors: int, problems: Problems
) -> list[Tensor]:
    """Parse every valid tensor in `inputs`, each with its part of the raw bytes.

    `max_tensors` is the model's number of inputs; up to MAX_ERRORS more are parsed for their names.
    """
    entries = _listed(document.get("inputs"))
    if not is_count(len(entries), max_tensors, problems):
        return []
    tensors: dict[str, Tensor] = {}
    offset = 0
    for index, entry in enumerate(entries):
        # Bounds size and cost of the response to thousands of invalid tensors.
        if len(problems.errors) >= MAX_ERRORS:
            return list(tensors.values())
        size = parameters(entry).get("binary_data_size")
        fault = _size_fault(size, len(tail) - offset)
        if fault:
            problems.add(_loc(index, entry), fault, malformed=True)
            # The offset of the next tensor is unknown.
            return list(tensors.values())
        raw = None if size is None else tail[offset : offset + size]
        offset += size or 0
        tensor = _tensor(index, entry, raw, problems)
        if tensor is not None and tensor.name in tensors:
            problems.add(_loc(index, entry), "duplicate tensor")
        elif tensor is not None:
            tensors[tensor.name] = tensor
    if offset != len(tail):
        text = f"expected no bytes after the last tensor, found {len(tail) - offset}"
        problems.add(("inputs",), text, malformed=True)
    return list(tensors.values())


def is_count(found: int, max_tensors: int, problems: Problems) -> bool:
    """Whether so many tensors are looked at; adds an error if not."""
    if 1 <= found <= max_tensors + MAX_ERRORS:
        return True
    text = f"expected a list of 1 to {max_tensors} tensors, found {found or 'none'}"
    problems.add(("inputs",), text)
    return False


def parameters(entry: Any) -> dict[str, Any]:
    """The `parameters` of an object; empty if they are absent, null or not an object."""
    value = entry.get("parameters") if isinstance(entry, dict) else None
    return value if isinstance(value, dict) else {}


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) <= MAX_DIMENSIONS
        and all(type(size) is int and size >= 0 for size in shape)
    )


def note_parameters(entry: dict[str, Any], loc: Loc, problems: Problems) -> None:
    """Add an error if `parameters` is neither an object nor null."""
    value = entry.get("parameters")
    if value is not None and not isinstance(value, dict):
        problems.add((*loc, "parameters"), f"expected an object, found {json_type(value)}")


def _listed(entries: Any) -> list[Any]:
    return entries if isinstance(entries, list) else []


def _loc(index: int, entry: Any) -> Loc:
    name = entry.get("name") if isinstance(entry, dict) else None
    return ("inputs", name[:100] if isinstance(name, str) and name else index)


def _size_fault(size: Any, left: int) -> str:
    """What is wrong with a binary_data_size; empty if it is valid or absent."""
    if size is None:
        return ""
    if type(size) is not int or size < 0:
        return "binary_data_size: expected an integer >= 0"
    if size > left:
        return f"binary_data_size: expected at most the remaining {left} bytes, found {size}"
    return ""


def _tensor(index: int, entry: Any, raw: bytes | None, problems: Problems) -> Tensor | None:
    """Parse one tensor, or add all its errors to `problems` and return None."""
    loc = _loc(index, entry)
    before = len(problems.errors)
    if not isinstance(entry, dict):
        problems.add(loc, f"expected an object, found {json_type(entry)}")
        return None
    name, datatype, shape = entry.get("name"), entry.get("datatype"), entry.get("shape")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME:
        problems.add((*loc, "name"), "expected the name of an input")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        problems.add((*loc, "datatype"), f"expected one of {', '.join(DATATYPES)}")
    if not _is_shape(shape):
        problems.add((*loc, "shape"), "expected a list of integers >= 0")
    note_parameters(entry, loc, problems)
    if "shared_memory_region" in parameters(entry):
        problems.add(loc, "shared memory is not supported: send the data in the body")
    elif raw is not None and "data" in entry:
        problems.add(loc, "expected either `data` or binary_data_size, found both")
    elif raw is None and "data" not in entry:
        problems.add(loc, "expected either `data` or binary_data_size, found neither")
    if len(problems.errors) > before:
        return None
    return Tensor(str(name), str(datatype), tuple(shape or ()), entry.get("data"), raw)
