"""What a branch may do to its files, and how its refusal is seen. Asserts no rule."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError
from tests.modelctl.conftest import commit_all, run
from tests.modelctl.promotion.judged import (
    EVIL,
    PRODUCTION,
    commit,
    git,
    judge,
    write,
)

Attack = Callable[[Path], object]
SETTINGS = PRODUCTION.replace("version", "settings")
FROZEN = r"frozen( for 'iris')? until"
NEITHER = "neither the version of the environment previous to"
TOGETHER = r"rules \(.*\) and versions \(.*\) at once"
KUSTOMIZE = "kustomize/environments"


def edit(name: str, old: str, new: str) -> Attack:
    def attack(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))

    return attack


def put(name: str, text: str) -> Attack:
    return lambda root: write(root, {name: text})


def remove(name: str) -> Attack:
    def attack(root: Path) -> None:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return attack


def move(old: str, new: str) -> Attack:
    def attack(root: Path) -> None:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / old).rename(root / new)

    return attack


def link(name: str, to: str) -> Attack:
    def attack(root: Path) -> None:
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(to)

    return attack


def folder_for_file(name: str) -> Attack:
    return together(remove(name), put(f"{name}/values.yaml", EVIL))


def submodule(name: str) -> Attack:
    def attack(root: Path) -> None:
        remove(name)(root)
        git("init", "--quiet", name)
        commit(root / name, "inside", **{"version.yaml": EVIL})

    return attack


def executable(name: str) -> Attack:
    return lambda root: (root / name).chmod(0o755)


def unfreeze(_: Path) -> None:
    for scope in ("production", "production/iris"):
        run("unfreeze", scope)


def together(*attacks: Attack) -> Attack:
    return lambda root: [attack(root) for attack in attacks]


def refused(root: Path, message: str) -> None:
    """Refused as a commit and as files that are not committed yet."""
    with pytest.raises(ModelctlError, match=message):
        run("check", "--base", "main")
    commit_all(root, "change")
    with pytest.raises(ModelctlError, match=message):
        judge()
