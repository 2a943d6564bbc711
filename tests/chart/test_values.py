"""values.yaml keeps its promises: every key has a file it belongs to, and no default is null."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from modelctl.repository import placement
from tests import rendering
from tests.documents import walk

VALUES = rendering.CHART / "values.yaml"


def defaults() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(VALUES.read_text(encoding="utf-8"))
    return content


def test_every_value_says_which_file_it_belongs_to() -> None:
    markers = placement.read_markers(VALUES)
    homeless = [
        ".".join(keys)
        for keys in placement.leaves(defaults())
        if placement.kind_of(keys, markers) is None
    ]
    assert homeless == []


def test_version_values_are_exactly_what_a_promotion_copies(version_file: Any) -> None:
    markers = placement.read_markers(VALUES)
    of_version = {
        keys
        for keys in placement.leaves(defaults())
        if placement.kind_of(keys, markers) == "version"
    }
    written = set(placement.leaves(yaml.safe_load(version_file.read_text(encoding="utf-8"))))
    assert of_version == written


def test_no_default_is_null() -> None:
    """Helm 4 renders a null that Helm 3 drops."""
    assert [path for path, value in walk(defaults()) if value is None] == []


def test_schema_is_closed_wherever_the_keys_are_fixed() -> None:
    schema = json.loads((rendering.CHART / "values.schema.json").read_text(encoding="utf-8"))
    # What a parent chart shares, whole objects (extraObjects), and what a reference closes.
    allowed = {"global", "additionalProperties", "affinity"}
    open_to_all = {
        path.split(".")[-2]
        for path, part in walk(schema)
        if path.endswith("additionalProperties") and part is True
    }
    assert open_to_all == allowed
    typed = [
        path
        for path, part in walk(schema)
        # Without a type it only adds a condition to what is beside it.
        if isinstance(part, dict)
        and {"properties", "type"} <= part.keys()
        and "additionalProperties" not in part
    ]
    assert typed == []


def test_every_definition_is_used_and_every_reference_leads_to_one() -> None:
    text = (rendering.CHART / "values.schema.json").read_text(encoding="utf-8")
    used = re.findall(r'"\$ref": "#/definitions/(\w+)"', text)
    assert set(used) == json.loads(text)["definitions"].keys()
