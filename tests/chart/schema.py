"""Generate the chart's values.schema.json: `python -m tests.chart.schema`.

From the comments of values.yaml by helm-schema, and then every key that has a default is required.
To null such a key takes its default away (an empty `rollout:` in a value file, `--set istio=null`),
and a template would read nothing, zero or nil; so the schema names the key. A null stays allowed
where the comments allow it, and for entries of maps whose keys users choose.

An entry of `batch` has its defaults and comments in a file of its own. Its keys are not required:
it is laid over its defaults, which nothing can take away.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests import rendering

SCHEMA = rendering.CHART / "values.schema.json"
VALUES = rendering.CHART / "values.yaml"
BATCH = rendering.CHART / "files" / "batch.yaml"


def generate() -> str:
    """The text of the schema."""
    schema = described(VALUES)
    require(schema, yaml.safe_load(VALUES.read_text(encoding="utf-8")))
    batch = described(BATCH)
    entry = {key: batch[key] for key in ("type", "properties", "additionalProperties")}
    schema["properties"]["batch"]["additionalProperties"] = {"oneOf": [{"type": "null"}, entry]}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def described(values: Path) -> dict[str, Any]:
    """The schema that the comments of a file of values describe."""
    with TemporaryDirectory() as folder:
        made = Path(folder) / SCHEMA.name
        result = rendering.run(
            rendering.tool("helm-schema"),
            *("--config", rendering.CHART / ".schema.yaml", "--values", values, "--output", made),
        )
        assert result.code == 0, result.stderr
        schema: dict[str, Any] = json.loads(made.read_text(encoding="utf-8"))
    return schema


def require(schema: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Require what has a default, wherever the keys are fixed."""
    known = schema.get("properties", {})
    for key, default in defaults.items():
        if key in known and isinstance(default, dict):
            require(known[key], default)
    if schema.get("additionalProperties") is False:
        needed = [key for key in defaults if not _is_nullable(known[key])]
        schema["required"] = sorted(needed)


def _is_nullable(schema: dict[str, Any]) -> bool:
    return "null" in schema.get("type", []) or None in schema.get("enum", [])


if __name__ == "__main__":
    SCHEMA.write_text(generate(), encoding="utf-8")
