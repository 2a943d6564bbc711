"""Commits read as data: their files by mode and content, in bulk, without a working tree.

Nothing that a commit contains takes effect here: attributes, filters, hooks, submodules and
symbolic links are bytes like any other. So a change can be judged before anyone trusts it. One git
process reads any number of files.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

FILE_MODE = "100644"
EXECUTABLE_MODE = "100755"
SYMLINK_MODE = "120000"
KINDS = {
    EXECUTABLE_MODE: "an executable file",
    SYMLINK_MODE: "a symbolic link",
    "160000": "a submodule",
}
TIMEOUT_SECONDS = 300
_HEADER = "commit "
_ALL_ZEROS = re.compile(r"0+")
# Settings of the user that would answer with something else than what the commits contain.
_PLAIN = (
    "--no-replace-objects",
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "log.follow=false"),
    *("-c", "log.showSignature=false"),
)


@dataclass(frozen=True)
class Entry:
    """A file of a tree: its mode and the object that git stored, or else its path in the working
    tree, `here`."""

    mode: str
    oid: str
    here: str = ""


def commit_id(root: Path, name: str, option: str) -> str:
    """The commit that `name` stands for. `option` is what the user passed it as, for errors.

    Raises ModelctlError for an empty or unknown name, and for a clone without the whole history:
    what ran where, and since when, is read from it.
    """
    fix = "pass a commit or a branch that exists here, such as origin/main; `git fetch` gets it"
    if not name.strip() or _ALL_ZEROS.fullmatch(name):
        what = f"{option} '{name}' names no commit"
        raise ModelctlError(what, expected="a commit to compare with", fix=fix)
    try:
        found = _run(
            root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )
    except proc.CommandError as error:
        raise ModelctlError(f"{option} '{name}' is not a commit of this clone", fix=fix) from error
    if _run(root, "rev-parse", "--is-shallow-repository").strip() == b"true":
        raise ModelctlError(
            "this clone is shallow: its history, which the promotion rules read, is cut off",
            fix="git fetch --unshallow   # in a workflow: fetch-depth: 0",
        )
    return found.decode().strip()


def merge_base(root: Path, target: str, head: str) -> str:
    """The commit at which a branch left its target. Raises ModelctlError if there is none."""
    try:
        return _run(root, "merge-base", target, head).decode().strip()
    except proc.CommandError as error:
        raise ModelctlError(
            f"{head} and {target} have no commit in common",
            expected="a branch that started at the target branch",
            fix="git rebase the branch onto the target branch",
        ) from error


def files(root: Path, commit: str, paths: Sequence[str] = ()) -> dict[str, Entry]:
    """The files of a commit below `root`, by path relative to it."""
    output = _run(root, "ls-tree", "-r", "-z", commit, "--", *paths)
    found = {}
    for record in _fields(output):
        head, _, path = record.partition("\t")
        mode, _, oid = head.split(" ")
        found[path] = Entry(mode, oid)
    return found


def changed(root: Path, start: str, end: str) -> dict[str, Entry | None]:
    """What differs between two commits below `root`; None for a removed file.

    A moved file is a removed and an added one.
    """
    output = _run(root, "diff-tree", "-r", "-z", "--raw", "--no-renames", "--relative", start, end)
    return dict(_raw(output))


def changed_here(root: Path, start: str) -> dict[str, Entry | None]:
    """What differs between a commit and the working tree, untracked files included."""
    differing = ("--raw", "-z", "--no-renames", "--no-ext-diff", "--abbrev=64", "--relative")
    # `diff`, not `diff-index`: it looks into a file that was only touched.
    found = dict(_raw(_run(root, "diff", *differing, "--ignore-submodules=none", start, "--")))
    for path in _fields(_run(root, "ls-files", "--others", "--exclude-standard", "-z")):
        link = (root / path).is_symlink()
        found[path] = Entry(SYMLINK_MODE if link else FILE_MODE, "", path)
    return found


def first_parent_log(
    root: Path, commit: str, pathspecs: Sequence[str]
) -> list[tuple[str, str, Entry | None]]:
    """Every change of matching files up to a commit, newest first: (commit, path, file).

    The commit is its id and its committer date, separated by a space. Follows first parents: what a
    merged branch had in between is left out.
    """
    return _log(root, ("--first-parent", "--diff-merges=first-parent"), "%H %cI", commit, pathspecs)


def log_between(
    root: Path, start: str, end: str, pathspecs: Sequence[str]
) -> list[tuple[str, str, Entry | None]]:
    """Every change of matching files by a commit after `start`: (commit, path, file)."""
    return _log(root, ("-m",), "%h", f"{start}..{end}", pathspecs)


def _log(
    root: Path, options: Sequence[str], field: str, commits: str, pathspecs: Sequence[str]
) -> list[tuple[str, str, Entry | None]]:
    output = _run(
        root,
        *("log", *options, "-z", "--raw", "--no-renames", "--no-abbrev", "--relative"),
        *(f"--format={_HEADER}{field}", commits, "--", *pathspecs),
    )
    found, value = [], ""
    fields = _fields(output)
    for one in fields:
        # A name may contain anything but NUL; a header begins as no `--raw` line does.
        if one.startswith(_HEADER):
            value = one.removeprefix(_HEADER)
        else:
            found.append((value, *_raw_entry(one.lstrip("\n"), next(fields))))
    return found


def messages_between(root: Path, start: str, end: str, path: str) -> list[str]:
    """The messages of the commits after `start` that change a file."""
    output = _run(root, "log", "-z", "--format=%B", f"{start}..{end}", "--", path)
    return list(_fields(output))


def contents(root: Path, oids: Iterable[str]) -> dict[str, bytes]:
    """The content of each object."""
    wanted = sorted(set(oids))
    if not wanted:
        return {}
    output = _run(root, "cat-file", "--batch", stdin="".join(f"{oid}\n" for oid in wanted).encode())
    found, position = {}, 0
    for oid in wanted:
        end = output.index(b"\n", position)
        size = int(output[position:end].split()[2])
        found[oid] = output[end + 1 : end + 1 + size]
        position = end + 1 + size + 1
    return found


def leaves_folder(path: str) -> bool:
    """Whether a name means another place than it seems, which git refuses to check out."""
    return any(part.lower() in ("", ".", "..", ".git") for part in path.split("/"))


def export(root: Path, entries: Mapping[str, Entry], folder: Path) -> None:
    """Write regular files as they are stored; anything else of a tree is left out.

    Raises ModelctlError for a name that leaves `folder`.
    """
    regular = {path: entry for path, entry in entries.items() if entry.mode.startswith("100")}
    stored = contents(root, (entry.oid for entry in regular.values() if entry.oid))
    for path, entry in regular.items():
        if leaves_folder(path):
            raise ModelctlError(f"{path!r} leaves its folder", fix="remove it from the commit")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(stored[entry.oid] if entry.oid else (root / entry.here).read_bytes())


def _raw(output: bytes) -> Iterator[tuple[str, Entry | None]]:
    """Parse the output of `--raw -z`."""
    fields = _fields(output)
    return (_raw_entry(head, next(fields)) for head in fields)


def _raw_entry(head: str, path: str) -> tuple[str, Entry | None]:
    """The path and the file after a change: `:mode mode oid oid status`, and the path."""
    _, mode, _, oid, status = head.removeprefix(":").split(" ")
    if status == "D":
        return path, None
    return path, Entry(mode, "", path) if _ALL_ZEROS.fullmatch(oid) else Entry(mode, oid)


def _fields(output: bytes) -> Iterator[str]:
    return (field for field in _decode(output).split("\0") if field)


def _decode(output: bytes) -> str:
    """Paths need not be UTF-8; those that are not come back unchanged from `os.fsencode`."""
    return os.fsdecode(output)


def _run(root: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    argv = ["git", "-C", str(root), *_PLAIN, *arguments]
    return proc.run_bytes(argv, stdin=stdin, timeout_seconds=TIMEOUT_SECONDS)
