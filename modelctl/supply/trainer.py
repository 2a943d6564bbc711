"""The image that trains: when it has to be built anew, and what its build is told.

It holds the code of every model, which a model's own image does not. Contacts no registry.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.packaging.build import Home, models
from modelctl.packaging.origins import as_record, origin
from modelctl.repository import gitrepo

if TYPE_CHECKING:
    from collections.abc import Mapping

# Beside the models' images in a registry: no model can have this name.
NAME = "model_trainer"
TARGET = "trainer"
REQUIREMENTS = "train"
# All that is in it.
INPUTS = (
    *("Dockerfile", ".dockerignore", "app", "modelctl", "models"),
    *("requirements/uv.txt", f"requirements/{REQUIREMENTS}.txt"),
)
ORIGINS = Path("build/trainer/origins.json")
Origins = dict[str, dict[str, str | None]]


def head(root: Path) -> tuple[str, str]:
    """The commit that an image is built from, and its time in ISO 8601."""
    line = gitrepo.git(root, "show", "--no-patch", "--format=%H %cI", "HEAD")
    commit, when = line.split()
    return commit, when


def has_changed(root: Path, commit: str) -> bool:
    """Whether something in the image changed since a commit, which git has to know."""
    return bool(gitrepo.changed_since(root, commit, INPUTS))


def origins(root: Path) -> Origins:
    """The commit of every model and its time, as its bundle would have them.

    Raises ModelctlError in a shallow clone, where they would all have the newest.
    """
    gitrepo.require_full_history(root)
    return {model: as_record(*origin(Home(root, model).folder)) for model in models(root)}


def write_origins(root: Path, origins: Mapping[str, Mapping[str, str | None]]) -> Path:
    """Write them where the build of the image takes them from."""
    path = root / ORIGINS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(origins, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path
