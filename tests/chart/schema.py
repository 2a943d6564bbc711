"""Generate the chart's values.schema.json: `python -m tests.chart.schema`.

From the comments of values.yaml by helm-schema, and then every key that has a default is required.
To null such a key takes its default away (an empty `rollout:` in a value file, `--set istio=null`),
and a template would read nothing, zero or nil; so the schema names the key. A null stays allowed
where the comments allow it, and for entries of maps whose keys users choose.

An entry of `batch` or `training` has its defaults and comments in a file of its own. Its keys are
not required: it is laid over its defaults, which nothing can take away.
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
DEFINITIONS = rendering.CHART / ".definitions.yaml"
REFERENCE = "#/definitions/"
# What a map's keys are, by what its values are.
KEYS = {
    "annotationValue": "qualifiedKey",
    "externalSecret": "entryName",
    "initContainer": "entryName",
    "labelValue": "qualifiedKey",
    "mountedVolume": "entryName",
    "parent": "requiredName",
    "plainVariable": "variableName",
    "quantity": "resourceName",
    "resizing": "resizedResource",
    "scalingRules": "scalingDirection",
    "seriesLabel": "seriesLabelName",
    "sidecar": "entryName",
    "variable": "variableName",
    "volume": "entryName",
}
# Characters of a schema that is not worth a reference.
SHORT = 150
JOBS = {kind: rendering.CHART / "files" / f"{kind}.yaml" for kind in ("batch", "training")}


def generate() -> str:
    """The text of the schema."""
    schema = described(VALUES)
    require(schema, yaml.safe_load(VALUES.read_text(encoding="utf-8")))
    for kind, file in JOBS.items():
        job = described(file)
        # Helm gives it to charts, and the generator to every file.
        del job["properties"]["global"]
        entry = {key: job[key] for key in ("type", "properties", "additionalProperties")}
        schema["properties"][kind]["additionalProperties"] = {"oneOf": [{"type": "null"}, entry]}
    share(schema["properties"])
    schema["definitions"] = yaml.safe_load(DEFINITIONS.read_text(encoding="utf-8"))
    finish(schema)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def finish(node: Any) -> None:
    """What the comments need not say: the names of keys, and the maximum of Kubernetes' int32."""
    if isinstance(node, list):
        for each in node:
            finish(each)
    if not isinstance(node, dict):
        return
    if node.get("type") == "integer" and "enum" not in node:
        node.setdefault("maximum", 2**31 - 1)
    values = node.get("additionalProperties")
    if isinstance(values, dict):
        name = KEYS.get(values.get("$ref", "").removeprefix(REFERENCE))
        if name:
            node["propertyNames"] = {"$ref": f"{REFERENCE}{name}"}
        if name == "resourceName":
            node["patternProperties"] = {"/": {"$ref": f"{REFERENCE}amount"}}
    if node.keys() == {"allOf"} and "$ref" in node["allOf"][1]:
        # So editors show the description, which the generator puts beside the reference.
        own, reference = node["allOf"]
        node |= {**own, "allOf": [reference]}
    for each in node.values():
        finish(each)


def share(properties: dict[str, Any]) -> None:
    """Let a key of trainings refer to that of batches which allows the same.

    Helm reads the whole schema at each render, and compiles it once for each place.
    """
    batch, training = (entry_of(properties[kind]) for kind in ("batch", "training"))
    for key, own in training.items():
        if len(json.dumps(own)) > SHORT and allowed(batch.get(key)) == allowed(own):
            way = "/properties/batch/additionalProperties/oneOf/1/properties/"
            training[key] = {"$ref": f"#{way}{key}"}


def entry_of(kind: dict[str, Any]) -> dict[str, Any]:
    """The keys of an entry."""
    found: dict[str, Any] = kind["additionalProperties"]["oneOf"][1]["properties"]
    return found


def allowed(schema: Any, *, are_names: bool = False) -> Any:
    """A schema without what it only tells people."""
    if isinstance(schema, dict):
        return {
            key: allowed(value, are_names=key == "properties")
            for key, value in schema.items()
            if are_names or key not in ("title", "description", "default")
        }
    return [allowed(each) for each in schema] if isinstance(schema, list) else schema


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
