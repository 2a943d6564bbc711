"""A change of one value file as a plan: shown as a diff, written only when asked.

Planning reads; only `apply` writes. A plan that changes nothing is not written, so running a
command twice changes nothing the second time.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl import gitrepo, yamlfile

if TYPE_CHECKING:
    from pathlib import Path

    from ruamel.yaml.comments import CommentedMap

    from modelctl.environments import Repository, Version


@dataclass(frozen=True)
class Edit:
    """New text for one file; `before` is empty for a new file."""

    path: Path
    before: str
    after: str

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return self.before != self.after

    def diff(self, root: Path) -> str:
        """The change as a unified diff with paths below `root`."""
        name = str(self.path.relative_to(root))
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            fromfile=f"a/{name}" if self.before else "/dev/null",
            tofile=f"b/{name}",
        )
        return "".join(lines)


def set_version(path: Path, version: Version) -> Edit:
    """Plan to put a version into a version file, keeping its comments and key order."""
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    content = yamlfile.parse(before, path)
    _merge(content, version.model_dump())
    after = yamlfile.dump(content)
    return Edit(path, before, after)


def apply(repository: Repository, *planned: Edit) -> None:
    """Write the planned texts; refuses when one of the files has changes that are not committed."""
    for edit in planned:
        gitrepo.refuse_dirty(repository.root, edit.path)
    for edit in planned:
        yamlfile.write(edit.path, edit.after)


def _merge(target: CommentedMap, values: dict[str, object]) -> None:
    for key, value in values.items():
        if isinstance(value, dict):
            if not isinstance(target.get(key), dict):
                target[key] = type(target)()
            _merge(target[key], value)
        elif target.get(key) != value:
            target[key] = value
