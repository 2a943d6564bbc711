"""Generates the JSON Schema of `environments.yaml`, for editors, from its pydantic model."""

from __future__ import annotations

import json

from modelctl.repository.environments import Environments

FILE = "environments/environments.schema.json"
# The first line of environments.yaml: the YAML language server finds the schema by it.
EDITOR_LINE = "# yaml-language-server: $schema=environments.schema.json"


def text() -> str:
    """The content of the schema file."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Environments.model_json_schema(by_alias=True),
    }
    return json.dumps(schema, indent=2) + "\n"
