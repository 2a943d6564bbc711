"""Write the inferred rules as a commented `inputs:` block of model.yaml, to be edited there."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.model.feature import Feature
    from modelctl.packaging.contracts import Inferred

HEADER = "What a request may send, as `modelctl package` found it. A rule here overrules it."
INDENT = 2


def write_inputs(config: Path, inferred: Sequence[Inferred]) -> None:
    """Append the block to a model.yaml. Raises ModelctlError if it has one already."""
    text = config.read_text(encoding="utf-8")
    if "inputs" in (YAML(typ="safe").load(text) or {}):
        raise ModelctlError(
            f"{config} has an `inputs:` block already",
            expected="a model.yaml without one",
            fix="edit that block, or remove it and run the command again",
        )
    separator = "" if text.endswith("\n") or not text else "\n"
    config.write_text(f"{text}{separator}{inputs_block(inferred)}", encoding="utf-8")


def inputs_block(inferred: Sequence[Inferred]) -> str:
    """The block as YAML: above each feature where its rules come from."""
    inputs = CommentedMap()
    for one in inferred:
        inputs[one.feature.name] = CommentedMap(_rule(one.feature))
        note = f"From {one.source}.{_range(one.feature)}"
        inputs.yaml_set_comment_before_after_key(one.feature.name, before=note, indent=INDENT)
    document = CommentedMap({"inputs": inputs})
    document.yaml_set_start_comment(HEADER)
    yaml = YAML()
    yaml.width = 4096
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def _rule(feature: Feature) -> dict[str, Any]:
    rule: dict[str, Any] = {"dtype": feature.dtype, "missing": feature.missing}
    if feature.dtype == "string" or feature.closed is not None:
        rule["unseen"] = feature.unseen
    if feature.range is not None:
        low, high = feature.range
        rule["range"] = {k: v for k, v in (("min", low), ("max", high)) if v is not None}
    for key in ("description", "example", "sensitive"):
        if getattr(feature, key):
            rule[key] = getattr(feature, key)
    return rule


def _range(feature: Feature) -> str:
    if feature.sensitive or feature.min is None or feature.max is None:
        return ""
    return f" {feature.min:g} to {feature.max:g} in the sample."
