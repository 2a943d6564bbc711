"""Rendered releases as folders, a file for each object: to apply, to compare, to scan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelctl.rendering import render
from modelctl.repository import yamlfile

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.repository.environments import Environment, Repository

_SEPARATOR = re.compile(r"^---\s*$", re.MULTILINE)


def releases(
    repository: Repository, environment: Environment | None, model: str
) -> list[tuple[Environment, str]]:
    """What is released somewhere, limited to an environment or a model where one is given."""
    return [
        (place, name)
        for place in repository.environments
        for name in repository.models()
        if environment in (None, place)
        and model in ("", name)
        and repository.version_file(place, name).is_file()
    ]


def write(text: str, folder: Path) -> list[Path]:
    """Write each object of a rendered release; a manifest that the release lost is removed."""
    written = []
    for part in _SEPARATOR.split(text):
        for item in render.parse(part):
            path = folder / f"{item['kind'].lower()}-{item['metadata']['name']}.yaml"
            yamlfile.write(path, part.strip("\n") + "\n")
            written.append(path)
    for path in set(folder.glob("*.yaml")) - set(written):
        path.unlink()
    return written
