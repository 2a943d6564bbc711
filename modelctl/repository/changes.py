"""Which files a branch changes, and which releases they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from modelctl.repository import trees
from modelctl.repository.environments import CHART, FILE

if TYPE_CHECKING:
    from modelctl.repository.checkout import Repository

VERSION_FILE_PARTS = 4  # environments/<environment>/<model>/version.yaml
READ_PATHS = (CHART, "environments")
EVERYTHING = "*"


@dataclass(frozen=True)
class Changes:
    """The files that differ from the commit `base`, untracked files included."""

    base: str
    names: tuple[str, ...]

    @property
    def touched(self) -> set[str]:
        """The scopes of the files: `environment/model`, `environment` for all of its models, or
        `*` for everything (the chart, or the list of environments).
        """
        scopes = set()
        for name in self.names:
            parts = PurePosixPath(name).parts
            if parts[0] != "environments" or len(parts) == len(FILE.parts):
                scopes.add(EVERYTHING)
            else:
                scopes.add("/".join(parts[1:3]) if len(parts) >= VERSION_FILE_PARTS else parts[1])
        return scopes


def is_read(path: str) -> bool:
    """Whether renders and structural checks read a file."""
    return path.startswith(tuple(f"{folder}/" for folder in READ_PATHS))


def since(repository: Repository, base: str) -> Changes:
    """What differs from a commit in the working tree."""
    names = trees.changed_here(repository.root, base)
    return Changes(base, tuple(sorted(filter(is_read, names))))
