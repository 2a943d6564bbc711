"""Rendered releases as folders with one file per object: to apply, to compare, to scan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelctl.rendering import render
from modelctl.repository import yamlfile

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment

_SEPARATOR = re.compile(r"^---\s*$", re.MULTILINE)


def releases(
    repository: Repository, environment: Environment | None, model: str
) -> list[tuple[Environment, str]]:
    """All releases, limited to an environment or a model if given."""
    return [
        (candidate, name)
        for candidate in repository.environments
        for name in repository.models()
        if environment in (None, candidate)
        and model in ("", name)
        and repository.version_file(candidate, name).is_file()
    ]


def write(text: str, folder: Path) -> list[Path]:
    """Write each object of a rendered release; remove manifests that it no longer renders."""
    written = []
    for part in _SEPARATOR.split(text):
        for item in render.parse(part):
            path = folder / f"{item['kind'].lower()}-{item['metadata']['name']}.yaml"
            yamlfile.write(path, part.strip("\n") + "\n")
            written.append(path)
    for path in set(folder.glob("*.yaml")) - set(written):
        path.unlink()
    return written
