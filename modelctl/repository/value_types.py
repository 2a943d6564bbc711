"""Whether a value has the type that the chart's schema expects, before Helm says so.

`tag: 2` is a number for Helm, and the schema wants text: the fix is a pair of quotes. Looks only at
types; everything else in the schema is for Helm.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError
from modelctl.repository.environments import CHART

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Keys = tuple[str | int, ...]
Schema = dict[str, Any]

_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number"}
_SCALARS = {"string", "boolean", "integer", "number", "null"}


class ValueTypes:
    """The types of a chart's values, by key path."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._known: dict[Keys, frozenset[str]] = {}

    @classmethod
    def read(cls, path: Path) -> ValueTypes:
        """The types in a schema file; without one, every type is fine."""
        if not path.is_file():
            return cls({})
        try:
            schema = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise _no_schema(str(error)) from error
        return cls(schema)

    def violations(self, content: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
        """Key path and message of each scalar of another type than the schema expects."""
        for keys, value in _scalars(content, ()):
            expected = self._expected(keys)
            found = _NAMES[type(value)]
            if not expected or found in expected or (found == "integer" and "number" in expected):
                continue
            shown = str(value).lower() if isinstance(value, bool) else value
            advice = f'; write quotes: "{shown}"' if "string" in expected else ""
            wanted = " or ".join(sorted(expected - {"null"}))
            yield keys, f"expected {wanted}, found {found} {shown}{advice}"

    def _expected(self, keys: Keys) -> frozenset[str]:
        """The types of scalars that may stand there; empty if any may."""
        if keys not in self._known:
            try:
                nodes = list(self._alternatives(self._schema))
                for key in keys:
                    nodes = [found for node in nodes for found in self._below(node, key)]
                types = [_types(node) for node in nodes]
            except (AttributeError, IndexError, RecursionError, TypeError, ValueError) as error:
                raise _no_schema(str(error)) from error
            anything = not types or not all(types)
            self._known[keys] = frozenset() if anything else frozenset.union(*types)
        return self._known[keys]

    def _below(self, node: Schema, key: str | int) -> Iterator[Schema]:
        """The schemas of what stands below a key; one without a word allows anything."""
        types = node.get("type", [])
        allowed = [types] if isinstance(types, str) else types
        if allowed and ("array" if isinstance(key, int) else "object") not in allowed:
            # A null, for example, which removes a value: nothing stands below it.
            return
        if isinstance(key, int):
            child = node.get("items", {})
        else:
            child = node.get("properties", {}).get(key, node.get("additionalProperties", {}))
        yield from self._alternatives(child if isinstance(child, dict) else {})

    def _alternatives(self, node: Schema) -> Iterator[Schema]:
        if "$ref" in node:
            yield from self._alternatives(self._referred(node["$ref"]))
            return
        options = [option for word in ("oneOf", "anyOf") for option in node.get(word, [])]
        # Beside a type they are conditions.
        if "type" in node or not options:
            yield node
            return
        for option in options:
            yield from self._alternatives(option)

    def _referred(self, reference: str) -> Schema:
        """What a JSON Pointer into this schema leads to (RFC 6901)."""
        found: Any = self._schema
        for part in reference.removeprefix("#").split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found.get(name, {})
        return found  # type: ignore[no-any-return] # checked where it is used


def _no_schema(found: str) -> ModelctlError:
    return ModelctlError(
        f"{CHART}/values.schema.json is not a JSON Schema",
        expected="a mapping of JSON whose keywords have the values that JSON Schema defines",
        found=found,
        fix="make generate",
    )


def _scalars(node: Any, above: Keys) -> Iterator[tuple[Keys, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _scalars(value, (*above, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _scalars(value, (*above, index))
    elif node is not None:  # a null removes a value, whatever its type
        yield above, node


def _types(node: Schema) -> frozenset[str]:
    values = node.get("enum", [node["const"]] if "const" in node else [])
    if values:
        return frozenset(_NAMES.get(type(value), "null") for value in values)
    types = node.get("type", [])
    return frozenset([types] if isinstance(types, str) else types) & _SCALARS or (
        frozenset({"null"}) if types else frozenset()
    )
