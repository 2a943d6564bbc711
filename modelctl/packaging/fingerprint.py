"""What a bundle is made from, as hashes: whether a build is up to date is decided by content.

Times of files say nothing: git sets them at checkout, and copies keep old ones. The hashes are
recorded beside what they led to, outside the bundle's digest. Knows files and versions, no models.
"""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from modelctl.packaging.origins import QUALITY_FILES, origin
from modelctl.packaging.sources import sha256_of

MODELS = "models"
CONFIG = "model.yaml"
# Written beside code by the programs that run or check it; never an input.
CACHES = frozenset(
    ("__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".git")
)
BYTECODE = (".pyc", ".pyo")
# The code that packages: a test compares this list with what `package` imports.
CODE = ("app/__init__.py", "app/errors.py", "app/model")
CODE_OF_MODELCTL = ("modelctl/__init__.py", "modelctl/errors.py", "modelctl/packaging")
LOCKS = ("requirements/dev.txt", "requirements/train.txt")
LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "joblib", "onnx", "onnxruntime")
MISSING = "missing"
MAX_SHOWN = 3


def of_training(root: Path, model: str) -> dict[str, str]:
    """The inputs of a training: name -> hash or version.

    Every file below models/<model>, and below the folders of models/ that are no model, which
    several models may share; the locked requirements; the versions of what is installed.
    """
    inputs = _files(root, root / MODELS / model, skipped=QUALITY_FILES)
    for path in sorted((root / MODELS).iterdir()):
        if path.is_file() and not path.name.endswith(BYTECODE):
            inputs[_name(root, path)] = _sha256(path)
        elif path.is_dir() and not (path / CONFIG).exists() and path.name not in CACHES:
            inputs |= _files(root, path)
    return inputs | of_locks(root) | of_environment()


def of_bundle(root: Path, model: str, training: dict[str, str]) -> dict[str, str]:
    """The inputs of a bundle: those of its training, the code that packages, and the commit.

    The commit is in the manifest, so a bundle of uncommitted files is out of date once they are
    committed.
    """
    commit, created = origin(root / MODELS / model)
    about = {"commit": commit or "none", "created": created or "none"}
    return training | about | of_code()


def differences(recorded: object, current: dict[str, str]) -> list[str]:
    """The names of the inputs that differ from the record, files first."""
    if not isinstance(recorded, dict):
        return ["no record of its inputs"]
    names = recorded.keys() | current.keys()
    changed = [name for name in names if recorded.get(name) != current.get(name)]
    return sorted(changed, key=lambda name: ("/" not in name, name))


def in_words(changed: list[str]) -> str:
    """The first of the changed inputs, and the number of the others."""
    more = f" and {len(changed) - MAX_SHOWN} more" if len(changed) > MAX_SHOWN else ""
    return ", ".join(changed[:MAX_SHOWN]) + more


def of_folder(folder: Path) -> dict[str, str]:
    """The hash of every file of a folder, by its path in it."""
    return _files(folder, folder)


def _files(root: Path, folder: Path, skipped: tuple[str, ...] = ()) -> dict[str, str]:
    """Hashes of the files below a folder; a symbolic link counts with what it leads to."""
    hashes: dict[str, str] = {}
    for parent, folders, names in os.walk(folder, followlinks=True):
        here = Path(parent)
        # A link to one of its own parents would be followed for ever.
        inside = [name for name in folders if name not in CACHES and not _is_loop(here / name)]
        folders[:] = sorted(inside)
        for name in sorted(names):
            if not name.endswith(BYTECODE) and not (here == folder and name in skipped):
                hashes[_name(root, here / name)] = _sha256(here / name)
    return hashes


def _is_loop(path: Path) -> bool:
    return path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve())


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _sha256(path: Path) -> str:
    """The hash of a file's content; of a file that cannot be read, that it cannot."""
    return sha256_of(path) if path.is_file() else MISSING


def of_locks(root: Path) -> dict[str, str]:
    """The locked requirements of a repository."""
    return {name: _sha256(root / name) for name in LOCKS}


@cache
def of_environment() -> dict[str, str]:
    """The versions of Python and of the libraries that decide what a training writes."""
    versions = {"python": platform.python_version(), "processor": platform.machine()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = MISSING
    return versions


@cache
def of_code() -> dict[str, str]:
    """One hash of the code that is running, wherever it is installed."""
    home = Path(__file__).parents[2]
    total = hashlib.sha256()
    for name in (*CODE, *CODE_OF_MODELCTL):
        path = home / name
        files = _files(home, path) if path.is_dir() else {name: _sha256(path)}
        total.update(repr(sorted(files.items())).encode())
    return {"the code that packages": total.hexdigest()}
