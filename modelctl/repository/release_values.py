"""The values of a release as Helm merges them: the chart's defaults, then the value files.

Reads files instead of rendering, so that rules and rollbacks do not require Helm. The defaults are
those of the checkout's chart, also where a version pins another one. Variants are left out: they
are values of their own, below a key that nothing else sets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelctl.repository import strict_yaml
from modelctl.repository.environments import CHART

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.versions import Version


def read(
    repository: Repository,
    environment: Environment,
    model: str,
    version: Version | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The merged values, with `version` or `settings` instead of the release's own if given.

    Raises ModelctlError for a file that cannot be read.
    """
    paths = repository.value_files(environment, model)
    merged: dict[str, Any] = {}
    for path in paths[:-1] if version else paths:
        if settings is not None and path.name == "settings.yaml":
            _merge(merged, settings)
        elif path.is_file():
            _merge(merged, strict_yaml.read(path).content)
    if version:
        _merge(merged, version.model_dump())
    defaults = repository.root / CHART / "values.yaml"
    values = strict_yaml.read(defaults).content if defaults.is_file() else {}
    # Last, as Helm does it: a `null` that a later file replaces removes no default.
    _merge(values, merged)
    return values


def get(values: dict[str, Any], name: str) -> Any:
    """The value of a dotted name; None if it is not set, or removed by `null`."""
    node: Any = values
    for key in name.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def text(values: dict[str, Any], name: str) -> str:
    """The value of a dotted name as text; empty if it is not set."""
    value = get(values, name)
    return "" if value is None else str(value)


def _merge(target: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = dict(value) if isinstance(value, dict) else value
