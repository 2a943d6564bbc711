"""JSON Schema of `environments.yaml`, made from the model that checks it, for editors."""

from __future__ import annotations

import json

from modelctl.repository.environments import Environments

FILE = "environments/environments.schema.json"
# The first line of environments.yaml: what the YAML language server of an editor looks for.
EDITOR_LINE = "# yaml-language-server: $schema=environments.schema.json"


def text() -> str:
    """The schema as it is checked in."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Environments.model_json_schema(by_alias=True),
    }
    return json.dumps(schema, indent=2) + "\n"
