"""The JSON Schema of a bundle's manifest, from the types by which the service reads it."""

from __future__ import annotations

import json

import msgspec

from app.model.manifest import Manifest

FILE = "docs/reference/manifest.schema.json"
NOTE = "Generated from app/model/manifest.py by `make generate`."


def text() -> str:
    """The file docs/reference/manifest.schema.json."""
    schema = {"$comment": NOTE, **msgspec.json.schema(Manifest)}
    return json.dumps(schema, indent=2) + "\n"
