"""A planned change of one value file: shown as a diff, written only by `apply`.

Planning only reads. A plan without changes is not written, so commands are idempotent.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.repository import gitrepo, strict_yaml, yamlfile, yamltext

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.versions import Version

NO_NEWLINE = "\\ No newline at end of file"


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
        """The change as a unified diff that `git apply` accepts, with paths relative to `root`."""
        name = str(self.path.relative_to(root))
        if self.source is not None:
            size = self.source.stat().st_size
            return f"copy {self.source} -> {name} ({size:,} bytes, SHA-256 {self.after})\n"
        lines = difflib.unified_diff(
            _lines(self.before),
            _lines(self.after or ""),
            fromfile=f"a/{name}" if self.before else "/dev/null",
            tofile="/dev/null" if self.after is None else f"b/{name}",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}\n" for line in lines)


def set_version(path: Path, version: Version) -> Edit:
    """Plan to write a version into a version file; nothing else in it changes."""
    return set_content(path, version.model_dump(exclude_none=True))


def set_values(path: Path, source: Path) -> Edit:
    """Plan to copy the values of another value file; comments and key order here stay."""
    return set_content(path, strict_yaml.read(source).content)


def set_content(path: Path, wanted: Mapping[str, object]) -> Edit:
    """Plan to change the values in a YAML file, which may be missing, to those of `wanted`."""
    before = _text(path) if path.is_file() else ""
    return Edit(path, before, yamltext.revise(before, wanted, path))


def copy(source: Path, path: Path) -> Edit:
    """Plan to copy a file, whatever is in it."""
    return Edit(path, _sha256(path) if path.is_file() else "", _sha256(source), source)


def remove(path: Path) -> Edit:
    """Plan to remove a text file; a missing file is an edit without changes."""
    if not path.is_file():
        return Edit(path, "", "")
    return Edit(path, _text(path), None)


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


def _text(path: Path) -> str:
    """The text with the line endings that are in the file."""
    return path.read_bytes().decode("utf-8")


def _lines(text: str) -> list[str]:
    """The lines as git counts them: a form feed or a lone carriage return ends none."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
