"""What ran in each environment: the version files of the target branch, commit by commit.

Only commits on the branch itself count (its first parents), as Argo CD saw them: a version that
another branch had for a while, before it was merged, never ran. One git process reads all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.repository import trees

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from modelctl.repository.trees import Entry

VERSION_FILES = ":(glob)environments/*/*/version.yaml"
MAX_PATHSPECS = 100  # git compares each file of each commit with each of them


@dataclass(frozen=True)
class Run:
    """A version file from a commit on; `entry` is None if the commit removed it."""

    commit: str
    when: str
    entry: Entry | None


def read(root: Path, target: str, paths: Sequence[str]) -> dict[str, list[Run]]:
    """The history of version files, newest first."""
    few = len(paths) <= MAX_PATHSPECS
    specs = [f":(literal){path}" for path in paths] if few else [VERSION_FILES]
    runs: dict[str, list[Run]] = {}
    for head, path, entry in trees.first_parent_log(root, target, specs) if paths else ():
        commit, when = head.split(" ")
        runs.setdefault(path, []).append(Run(commit, when, entry))
    return runs
