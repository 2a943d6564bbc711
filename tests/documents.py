"""Values, schemas and manifests as nested documents: see every node of one, change a node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Keys = tuple[str | int, ...]


def nodes(node: Any, above: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every node, the outer before the inner, with the keys that lead to it."""
    yield above, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from nodes(value, (*above, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from nodes(value, (*above, index))


def walk(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every node, the outer before the inner, with its dotted path."""
    for keys, each in nodes(node):
        yield path + "".join(f".{key}" for key in keys), each


def changed(document: Any, keys: Keys, value: Any) -> Any:
    """A copy with one value changed; what is beside it is shared."""
    first, *rest = keys
    inner = changed(document[first], tuple(rest), value) if rest else value
    if isinstance(document, list):
        return [inner if index == first else each for index, each in enumerate(document)]
    return document | {first: inner}
