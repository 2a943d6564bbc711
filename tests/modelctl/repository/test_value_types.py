"""A value of a type that the chart's schema does not expect is named, wherever it stands.

The judge is the jsonschema library, by the same schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from modelctl.errors import ModelctlError
from modelctl.repository.value_types import ValueTypes
from tests.documents import changed
from tests.rendering import CHART

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
PROBES: tuple[Any, ...] = (True, 7, 1.5, "text", "auto")
Path = tuple[str, ...]


def values() -> dict[str, Any]:
    """The chart's, with one entry of each kind that has values of its own."""
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    for kind in ("batch", "training"):
        text = (CHART / "files" / f"{kind}.yaml").read_text(encoding="utf-8")
        found[kind] = {"nightly": yaml.safe_load(text)}
    return found


VALUES = values()


def scalars(node: Any, above: Path = ()) -> Iterator[Path]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from scalars(value, (*above, key))
    elif not isinstance(node, list):
        yield above


def leaves(errors: Any, path: Path) -> Iterator[Any]:
    """What the library says of the value at a path itself, in whichever alternative."""
    for error in errors:
        if error.context:
            yield from leaves(error.context, path)
        elif tuple(error.absolute_path) == path:
            yield error


def is_about_the_type(error: Any, value: Any) -> bool:
    """Whether no value of this type would do."""
    is_other = error.validator == "const" and type(error.validator_value) is not type(value)
    return error.validator == "type" or is_other


@pytest.mark.parametrize("path", list(scalars(VALUES)), ids=".".join)
def test_it_agrees_with_the_library(path: Path) -> None:
    library = jsonschema.Draft7Validator(SCHEMA)
    ours = ValueTypes(SCHEMA)
    for value in PROBES:
        probe = changed(VALUES, path, value)
        named = {keys for keys, _ in ours.violations(probe)}
        said = list(leaves(library.iter_errors(probe), path))
        if not said:
            assert path not in named, value
        elif all(is_about_the_type(each, value) for each in said):
            assert path in named, value


def test_there_are_entries_among_them() -> None:
    found = set(scalars(VALUES))
    assert ("batch", "nightly", "shardRows") in found
    # By a reference to the same key of batches.
    assert ("training", "nightly", "timeZone") in found


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": 3},
        {"properties": {"a": {"$ref": "#/definitions/7"}}, "definitions": []},
        {"properties": {"a": {"$ref": "#/definitions/x"}}, "definitions": []},
        {"properties": {"a": {"$ref": "#/definitions/x"}}, "definitions": {"x": 1}},
    ],
)
def test_a_reference_that_leads_nowhere_is_an_error(schema: dict[str, Any]) -> None:
    with pytest.raises(ModelctlError, match="not a JSON Schema"):
        list(ValueTypes(schema).violations({"a": "text"}))
