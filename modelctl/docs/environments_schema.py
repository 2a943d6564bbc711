"""Generates the JSON Schemas of `environments.yaml` from its pydantic model.

For editors, and for the argocd/ chart, whose value file it is: Helm refuses what `check` refuses.
"""

from __future__ import annotations

import json
from typing import Any

from modelctl.repository.environments import REGISTRY, Environments

FILE = "environments/environments.schema.json"
CHART_FILE = "argocd/values.schema.json"
# The first line of environments.yaml: the YAML language server finds the schema by it.
EDITOR_LINE = "# yaml-language-server: $schema=environments.schema.json"
# The values that are not in environments.yaml: the root Application passes them.
_OF_THE_ROOT = {
    "global": {"type": "object"},
    "repoURL": {"type": "string", "minLength": 1},
    "revision": {"type": "string", "minLength": 1},
    "chartRegistry": {"type": "string", "pattern": f"^{REGISTRY}$"},
    "name": {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$", "maxLength": 40},
    "requeueAfterSeconds": {"type": "integer", "minimum": 1},
}


def text() -> str:
    """The schema for editors."""
    return _json({"$schema": "https://json-schema.org/draft/2020-12/schema", **_schema()})


def chart_text() -> str:
    """The schema of the values of the argocd/ chart."""
    schema = _schema()
    return _json(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **schema,
            "title": "ml-model-argocd",
            "description": "environments.yaml, and what the root Application passes.",
            "required": [
                *("environments", "repoURL", "revision", "chartRegistry", "requeueAfterSeconds")
            ],
            "properties": {**schema["properties"], **_OF_THE_ROOT},
        }
    )


def _schema() -> dict[str, Any]:
    return Environments.model_json_schema(by_alias=True)


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2) + "\n"
