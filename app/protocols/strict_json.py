"""Bytes of a request -> a JSON document that means one thing only. Knows nothing of contracts.

The parser refuses NaN, Infinity, numbers beyond float64, lone surrogates and more than 1024 levels
by itself; keys that an object has twice are found here.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from app.errors import FieldError, RequestError
from app.model.validation import contract_error


def parse(body: bytes) -> Any:
    """Strict JSON in which no object has a key twice. Raises RequestError 400 or 422."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _not_json(f"{error.msg} at byte {error.pos}") from error
    # The parser keeps the last of equal keys and says nothing. Each key has a colon, so only a
    # body with more colons than keys can have lost one: a string with a colon, or a key twice.
    if body.count(b":") > _keys(document):
        _refuse_repeated_keys(body)
    return document


def _keys(document: Any) -> int:
    """How many keys a document has, or fewer: only the levels that our protocols use are seen."""
    if type(document) is not dict:
        return 0
    found = len(document)
    for value in document.values():
        if type(value) is dict:
            found += len(value)
        elif type(value) is list and value and type(value[0]) is dict:
            for entry in value:
                if type(entry) is dict:
                    found += len(entry)
                    # V2 has a level of its own below an input or output.
                    parameters = entry.get("parameters")
                    if type(parameters) is dict:
                        found += len(parameters)
    return found


def _refuse_repeated_keys(body: bytes) -> None:
    """Look at every key, which takes several times as long as parsing. Raises RequestError."""
    repeated: dict[str, None] = {}

    def note(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                repeated[key] = None
            seen.add(key)

    try:
        json.loads(body.decode(), object_pairs_hook=note, parse_int=len, parse_float=len)
    except RecursionError as error:
        raise _not_json("nested too deeply") from error
    if repeated:
        raise contract_error([FieldError((key[:100],), "given more than once") for key in repeated])


def _not_json(detail: str) -> RequestError:
    return RequestError(400, "not-json", "The body is not JSON", detail)
