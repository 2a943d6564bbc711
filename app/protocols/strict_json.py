"""Parse a request body as strict, unambiguous JSON. Knows nothing of contracts.

orjson itself rejects NaN, Infinity, numbers beyond float64, lone surrogates and more than 1024
levels; this module also rejects duplicate keys.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from app.errors import FieldError, RequestError
from app.model.validation import contract_error
from app.protocols import json_faults

# The colon of a key, and a few that are not: a bound of the number of keys in a body.
KEY_ENDS = re.compile(rb'"[ \t\r\n]*:')


def parse(body: bytes) -> Any:
    """Parse strict JSON without duplicate keys. Raises RequestError 400 or 422."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body.startswith(json_faults.BOM):
            raise _json_error(json_faults.describe(body, error)) from error
        body = body[len(json_faults.BOM) :]
        document = _loads_after_bom(body)
    # orjson silently keeps the last of duplicate keys. Each key has a colon: unless there are more
    # colons than keys, none is a duplicate, and the slow check can be skipped. Times have colons
    # as well, but none after a quote.
    keys = _count_keys(document)
    if body.count(b":") > keys and len(KEY_ENDS.findall(body)) > keys:
        _require_unique_keys(body)
    return document


def _loads_after_bom(body: bytes) -> Any:
    """What follows a byte order mark, which RFC 8259 lets a parser ignore: Windows writes it."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        detail = json_faults.describe(body, error, start=len(json_faults.BOM))
        raise _json_error(detail) from error


def _count_keys(document: Any) -> int:
    """Count the keys of a document on the levels that the protocols use: a lower bound."""
    if type(document) is list:
        # A bare list of records.
        return sum(len(entry) for entry in document if type(entry) is dict)
    if type(document) is not dict:
        return 0
    count = len(document)
    for value in document.values():
        if type(value) is dict:
            count += len(value)
        elif type(value) is list and value and type(value[0]) is dict:
            for entry in value:
                if type(entry) is dict:
                    count += len(entry)
                    # V2 has `parameters` below an input or output.
                    parameters = entry.get("parameters")
                    if type(parameters) is dict:
                        count += len(parameters)
    return count


def _require_unique_keys(body: bytes) -> None:
    """Check every key, which takes several times as long as parsing. Raises RequestError."""
    repeated: dict[str, None] = {}

    def collect(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                repeated[key] = None
            seen.add(key)

    try:
        json.loads(body.decode(), object_pairs_hook=collect, parse_int=len, parse_float=len)
    except RecursionError as error:
        raise _json_error("nested too deeply") from error
    if repeated:
        raise contract_error([FieldError((key[:100],), "duplicate key") for key in repeated])


def _json_error(detail: str) -> RequestError:
    return RequestError(400, "not-json", "The body is not valid JSON", detail)
