"""Diff rendered objects, readably and with Secret values masked.

Works on parsed objects only.
"""

from __future__ import annotations

import difflib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelctl.rendering.render import Manifest

# Derived by Helm from other values, which are in the diff themselves.
NOISE = ("helm.sh/chart", "checksum/config")
SECRET_FIELDS = ("data", "stringData")
CONTEXT_LINES = 3


@dataclass(frozen=True)
class Change:
    """One object that differs; `kind` is `added`, `removed` or `changed`."""

    kind: str
    object: str
    text: str


def changes(before: Iterable[Manifest], after: Iterable[Manifest]) -> list[Change]:
    """The differences between two renders, object by object, in a stable order."""
    old = {name_of(manifest): manifest for manifest in before}
    new = {name_of(manifest): manifest for manifest in after}
    differences = []
    for name in sorted(old.keys() | new.keys()):
        left, right = _texts(old.get(name), new.get(name))
        if left != right:
            kind = "added" if not left else "removed" if not right else "changed"
            differences.append(Change(kind, name, _unified(left, right)))
    return differences


def name_of(manifest: Manifest) -> str:
    """Kind and name of an object; all objects of a release share its namespace."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def _texts(before: Manifest | None, after: Manifest | None) -> tuple[str, str]:
    """Both sides as YAML with sorted keys, without noise and with Secret values masked."""
    left = _masked(before, after, "before")
    right = _masked(after, before, "after")
    return _to_yaml(left), _to_yaml(right)


def _masked(manifest: Manifest | None, other: Manifest | None, side: str) -> Manifest | None:
    if manifest is None or manifest["kind"] != "Secret":
        return manifest
    masked = dict(manifest)
    for field in SECRET_FIELDS:
        if field in masked:
            other_values = (other or {}).get(field) or {}
            # A reviewer has to see that a value changed, but not the value.
            masked[field] = {
                key: "(secret)" if other_values.get(key) == value else f"(secret, {side})"
                for key, value in masked[field].items()
            }
    return masked


def _to_yaml(manifest: Manifest | None) -> str:
    if manifest is None:
        return ""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "namespace"}
    stream = io.StringIO()
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.dump(_clean({**manifest, "metadata": metadata}), stream)
    return stream.getvalue()


def _clean(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _clean(value) for key, value in sorted(node.items()) if key not in NOISE}
    if isinstance(node, list):
        return [_clean(item) for item in node]
    return node


def _unified(before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), n=CONTEXT_LINES
    )
    return "".join(list(lines)[2:])
