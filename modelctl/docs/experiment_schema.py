"""Generates the JSON Schema of `experiment.yaml` from its model, for editors and readers."""

from __future__ import annotations

import json

from modelctl.repository.experiments import Experiment

FILE = "docs/reference/experiment.schema.json"


def text() -> str:
    """The schema."""
    schema = Experiment.model_json_schema(by_alias=True)
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(document, indent=2) + "\n"
