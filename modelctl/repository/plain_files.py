"""Only plain files where Helm, Kustomize and Argo CD read: what git shows is what they get.

A symbolic link shows only its own change in git, while Helm and Argo CD read its target; a
submodule shows only a commit; two names that differ in case alone are one file for some checkouts.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.errors import RefusedError
from modelctl.repository import gitrepo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

ROOTS = ("argocd", "charts", "environments", "kustomize", "models")
_PLAIN_MODES = ("100644", "100755")
_MODES = {"120000": "a symbolic link", "160000": "a submodule"}
_FIX = "replace it by a copy of the file"


def require(root: Path, path: Path) -> None:
    """Raise RefusedError if a file below `root`, or a folder above it, is a link or no file.

    A missing file is fine.
    """
    name = path.relative_to(root).as_posix()
    if what := _irregular(root, name):
        raise RefusedError(
            f"{what[0]} is {what[1]}",
            expected="a regular file: Helm and Argo CD would read what git does not show",
            fix=_FIX,
        )


def require_all(root: Path, folder: Path) -> None:
    """Raise RefusedError if anything in a folder below `root` is a link or no file."""
    require(root, folder)
    for name, _ in _walk(root, set(), folder.relative_to(root).as_posix()):
        require(root, root / name)


def violations(root: Path, changed: Iterable[str] | None = None) -> list[str]:
    """Why files below `ROOTS` are not plain; files that git ignores are left out.

    With `changed`, of the checkout only those names are visited; of git always all.
    """
    modes = _indexed(root)
    names = set(modes)
    found = {name: _MODES.get(mode, f"of git mode {mode}") for name, mode in modes.items() if mode}
    if changed is None:
        for name, mode in _walk(root, _ignored(root), *ROOTS):
            names.add(name)
            if what := _kind(name, mode):
                found[name] = what
    else:
        within = [name for name in changed if name.partition("/")[0] in ROOTS]
        names.update(within)
        found.update(filter(None, (_irregular(root, name) for name in within)))
    lines = [f"{name}: is {what}; {_FIX}" for name, what in found.items()]
    lines += [
        f"{second}: collides with {first} where file names ignore case; rename one"
        for first, second in _collisions(sorted(names))
    ]
    return sorted(lines)


def _indexed(root: Path) -> dict[str, str]:
    """Every name in git's index, with its mode if that is not one of a plain file."""
    text = _git(root, "ls-files", "-z", "--stage", "--", *ROOTS)
    entries = (entry.partition("\t") for entry in text.split("\0") if entry)
    return {
        name: "" if (mode := head.partition(" ")[0]) in _PLAIN_MODES else mode
        for head, _, name in entries
    }


def _ignored(root: Path) -> set[str]:
    words = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    text = _git(root, *words, "--", *ROOTS)
    return {name.rstrip("/") for name in text.split("\0")}


def _git(root: Path, *arguments: str) -> str:
    """The answer of git; empty outside of a repository, which has no modes to look at."""
    try:
        return gitrepo.git(root, *arguments)
    except proc.CommandError:
        return ""


def _walk(root: Path, ignored: set[str], *tops: str) -> Iterator[tuple[str, int]]:
    """Name and mode of some folders and of everything below them; a link is not followed."""
    modes = {name: os.lstat(root / name).st_mode for name in tops if os.path.lexists(root / name)}
    yield from modes.items()
    folders = [name for name, mode in modes.items() if stat.S_ISDIR(mode)]
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                name = os.fsencode(f"{folder}/{entry.name}").decode("utf-8", "replace")
                if name in ignored:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(name)
                    yield name, stat.S_IFDIR
                elif entry.is_file(follow_symlinks=False):
                    yield name, stat.S_IFREG
                else:
                    yield name, entry.stat(follow_symlinks=False).st_mode


def _irregular(root: Path, name: str) -> tuple[str, str] | None:
    """The first part of a name that is neither folder nor regular file, and what it is."""
    parts = name.split("/")
    for length in range(1, len(parts) + 1):
        part = "/".join(parts[:length])
        try:
            mode = os.lstat(root / part).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        if what := _kind(part, mode):
            return part, what
    return None


def _kind(name: str, mode: int) -> str:
    """What an entry is, unless it is a folder or a regular file."""
    if name.rpartition("/")[2] == ".git":
        return "a git repository inside the repository"
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return ""
    return "a symbolic link" if stat.S_ISLNK(mode) else "no regular file"


def _collisions(names: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of paths that are one path where case and Unicode's forms do not count."""
    seen: dict[str, str] = {}
    folded: dict[str, str] = {"": ""}
    for name in names:
        above = ""
        for part in name.split("/"):
            here = f"{above}/{part}" if above else part
            if here not in folded:
                plain = part.lower() if part.isascii() else _folded(part)
                folded[here] = f"{folded[above]}/{plain}"
                first = seen.setdefault(folded[here], here)
                if first != here:
                    yield first, here
            above = here


def _folded(part: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold())
