"""Hold log lines to docs/reference/log-schema.json, and say what is wrong with a bad one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from jsonschema import Draft202012Validator

from tests.paths import ROOT

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/reference/log-schema.json").read_text())
Draft202012Validator.check_schema(SCHEMA)
EVENTS: dict[str, dict[str, Any]] = SCHEMA["$defs"]["events"]


def check(lines: Iterable[dict[str, Any]]) -> set[str]:
    """The events of these lines; an AssertionError for a line that is against the schema."""
    found = set()
    for line in lines:
        event = line.get("event")
        wanted: dict[str, Any] = {"$defs": SCHEMA["$defs"], **EVENTS.get(str(event), {})}
        # By its own event first: "not one of fifteen" would say nothing.
        for schema in (wanted, SCHEMA):
            problems = [error.message for error in Draft202012Validator(schema).iter_errors(line)]
            assert problems == [], f"{problems} in {line}"
        if line["logger"] in ("app", "fetch", "batch", "consume"):
            found.add(str(event))
    return found


def of(text: str) -> list[dict[str, Any]]:
    """The lines of a log; every one must be a JSON object."""
    return [json.loads(line) for line in text.splitlines()]
