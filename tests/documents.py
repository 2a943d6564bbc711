"""Values, schemas and manifests as nested documents: see every node of one, change a node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def walk(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every node, the outer before the inner, with its dotted path."""
    yield path, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, f"{path}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, f"{path}.{index}")


def changed(document: dict[str, Any], keys: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy with one value changed; what is beside it is shared."""
    first, *rest = keys
    inner = changed(document[first], tuple(rest), value) if rest else value
    return document | {first: inner}
