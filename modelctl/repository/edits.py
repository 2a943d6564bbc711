"""A planned change of one value file: shown as a diff, written only by `apply`.

Planning only reads. A plan without changes is not written, so commands are idempotent.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.repository import gitrepo, yamlfile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ruamel.yaml.comments import CommentedMap

    from modelctl.repository.environments import Repository, Version


@dataclass(frozen=True)
class Edit:
    """New content of one file; `before` is empty for a new file, `after` is None to remove it.

    With `source` the file is a copy of that file, and the contents are their SHA-256.
    """

    path: Path
    before: str
    after: str | None
    source: Path | None = None

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to write or remove."""
        return self.before != self.after

    @property
    def action(self) -> str:
        """`create`, `edit` or `remove`."""
        if self.after is None:
            return "remove"
        return "edit" if self.before else "create"

    def diff(self, root: Path) -> str:
        """The change as a unified diff with paths relative to `root`."""
        name = str(self.path.relative_to(root))
        if self.source is not None:
            size = self.source.stat().st_size
            return f"copy {self.source} -> {name} ({size:,} bytes, SHA-256 {self.after})\n"
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            (self.after or "").splitlines(keepends=True),
            fromfile=f"a/{name}" if self.before else "/dev/null",
            tofile="/dev/null" if self.after is None else f"b/{name}",
        )
        return "".join(lines)


def set_version(path: Path, version: Version) -> Edit:
    """Plan to write a version into a version file, keeping its comments and key order."""
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    content = yamlfile.parse_strict(before, path)
    _merge(content, version.model_dump(exclude_none=True))
    for key in content.keys() - version.model_dump(exclude_none=True).keys():
        del content[key]
    return Edit(path, before, yamlfile.dump_strict(content, path))


def set_values(path: Path, source: Path) -> Edit:
    """Plan to copy the values of another value file, keeping the comments and key order here."""
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    content = yamlfile.parse_strict(before, path)
    wanted = yamlfile.parse_strict(source.read_text(encoding="utf-8"), source)
    if content == wanted:
        return Edit(path, before, before)
    _merge(content, wanted)
    _drop(content, wanted)
    return Edit(path, before, yamlfile.dump_strict(content, path))


def copy(source: Path, path: Path) -> Edit:
    """Plan to copy a file, whatever is in it."""
    return Edit(path, _sha256(path) if path.is_file() else "", _sha256(source), source)


def remove(path: Path) -> Edit:
    """Plan to remove a text file; a missing file is an edit without changes."""
    if not path.is_file():
        return Edit(path, "", "")
    return Edit(path, path.read_text(encoding="utf-8"), None)


def apply(repository: Repository, *planned: Edit) -> None:
    """Write the planned edits. Raises ModelctlError if one of the files has uncommitted changes."""
    for edit in planned:
        gitrepo.require_clean(repository.root, edit.path)
    for edit in planned:
        if edit.after is None:
            edit.path.unlink()
            _remove_empty(edit.path.parent)
        elif edit.source is not None:
            _copy(edit.source, edit.path)
        else:
            yamlfile.write(edit.path, edit.after)


def _copy(source: Path, path: Path) -> None:
    """Replace a file atomically by a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _remove_empty(folder: Path) -> None:
    """Git does not track empty folders, and `check` would report one as an incomplete model."""
    if not any(folder.iterdir()):
        folder.rmdir()


def _drop(target: CommentedMap, wanted: CommentedMap) -> None:
    """Remove the keys that `wanted` lacks."""
    for key in list(target):
        if key not in wanted:
            del target[key]
        elif isinstance(target[key], dict) and isinstance(wanted[key], dict):
            _drop(target[key], wanted[key])


def _merge(target: CommentedMap, values: Mapping[str, object]) -> None:
    for key, value in values.items():
        if isinstance(value, dict):
            if not isinstance(target.get(key), dict):
                target[key] = type(target)()
            _merge(target[key], value)
        elif target.get(key) != value:
            target[key] = value
