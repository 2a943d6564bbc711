"""A change as a commit on a branch of the remote, made without the user's checkout.

The branch starts at the target branch as fetched, in a temporary worktree: HEAD, index, stash and
files of the user stay as they are. A branch that is there already gets one more commit on top,
merged with the target branch where they differ, so that nothing on it is ever lost.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository import gitrepo, origin, yamlfile, yamltext
from modelctl.repository.checkout import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from modelctl.repository.edits import Edit

NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
NO_SMUDGE = {"GIT_LFS_SKIP_SMUDGE": "1"}
UNTRACKED = ("build", ".tools")  # what planning may read beside the files in git


@contextmanager
def target_checkout(repository: Repository) -> Iterator[Repository]:
    """The newest files of the target branch, in a temporary worktree.

    Raises ModelctlError without a remote, or if it cannot be fetched.
    """
    root = repository.root
    if not origin.is_known(root):
        raise ModelctlError(
            f"this clone has no remote '{origin.REMOTE}' to open a pull request at",
            fix=f"git remote add {origin.REMOTE} URL",
        )
    reference = origin.fetch(root, origin.ask(root, seconds=origin.REACH_SECONDS).target)
    prefix = gitrepo.git(root, "rev-parse", "--show-prefix").strip("\n")
    with tempfile.TemporaryDirectory(prefix="modelctl-") as name:
        tree = Path(name).resolve() / "tree"
        words = ("worktree", "add", "--quiet", "--detach", "--no-checkout", str(tree), reference)
        gitrepo.git(root, *NO_HOOKS, *words)
        try:
            gitrepo.git(tree, "read-tree", "HEAD")
            files = prefix or "."
            gitrepo.git(
                tree, *NO_HOOKS, "checkout", "--quiet", "HEAD", "--", files, variables=NO_SMUDGE
            )
            for untracked in UNTRACKED:
                link = tree / prefix / untracked
                if (root / untracked).exists() and not link.exists():
                    link.symlink_to(root / untracked)
            yield Repository.find(tree / prefix)
        finally:
            gitrepo.git(root, "worktree", "remove", "--force", str(tree))


def commit(repository: Repository, branch: str, message: str, edits: Sequence[Edit]) -> str:
    """Commit edits of a `target_checkout` for a branch; the id, or empty if it is there already.

    Pushing the commit is a fast-forward of the branch. Raises RefusedError if others' commits on
    the branch conflict with the target branch.
    """
    root = repository.root
    tip = origin.ask(root, branch, seconds=origin.REACH_SECONDS).commits.get(branch, "")
    base = gitrepo.git(root, "rev-parse", "HEAD").strip()
    parents = [base]
    if tip:
        origin.fetch(root, branch)
    if tip and not gitrepo.contains(root, base, tip):
        texts = _texts_on_top(root, tip, base, edits)
        if texts is None:
            return ""
        parents = [tip] if gitrepo.contains(root, tip, base) else [tip, base]
        gitrepo.git(root, "read-tree", _merged(root, branch, tip, base, edits))
    else:
        texts = {edit.path: edit.after for edit in edits}
    for path, text in texts.items():
        if text is None:
            path.unlink(missing_ok=True)
        else:
            yamlfile.write(path, text)
    for path, text in texts.items():
        if text is None:
            gitrepo.git(root, "rm", "--quiet", "--cached", "--ignore-unmatch", "--", str(path))
        else:
            gitrepo.git(root, "add", "--", str(path))
    tree = gitrepo.git(root, "write-tree").strip()
    signed = ["-S"] if _is_signing(root) else []
    options = [word for parent in parents for word in ("-p", parent)]
    return gitrepo.git(root, "commit-tree", *signed, tree, *options, stdin=message).strip()


def push(repository: Repository, branch: str, commit: str) -> None:
    """Push a commit to its branch, as a fast-forward."""
    gitrepo.git(
        repository.root,
        *("push", "--quiet", "--no-verify", origin.REMOTE, f"{commit}:{origin.HEADS}{branch}"),
        timeout_seconds=origin.FETCH_SECONDS,
        fix="run this command again: it takes in what was pushed meanwhile",
    )


def _is_signing(root: Path) -> bool:
    query = ("config", "--type=bool", "--get", "commit.gpgSign")
    return gitrepo.git(root, *query, accepted=(0, 1)).strip() == "true"


def _texts_on_top(
    root: Path, tip: str, base: str, edits: Sequence[Edit]
) -> dict[Path, str | None] | None:
    """The edited files on top of a branch, with what others changed in them.

    None if the branch has these edits already. The target branch wins over the branch line by
    line, and the values of an edit over both.
    """
    fork = gitrepo.git(root, "merge-base", tip, base, accepted=(0, 1)).strip()
    if not fork:
        gitrepo.require_full_history(root)
    texts: dict[Path, str | None] = {}
    is_proposed = True
    for edit in edits:
        theirs = _text_at(root, tip, edit.path)
        common = _text_at(root, fork, edit.path) if fork else None
        text = edit.after
        if text is not None and theirs is not None:
            ours = _merge(theirs, common or "", edit.before)
            text = yamltext.revise(ours, yamlfile.parse(text, edit.path), edit.path)
        texts[edit.path] = text
        is_proposed &= text == theirs and (common or "") == edit.before
    return None if is_proposed else texts


def _text_at(root: Path, commit: str, path: Path) -> str | None:
    """A file of a commit as a checkout would write it, line endings included."""
    name = str(path.relative_to(root))
    if not gitrepo.git(root, "ls-tree", "--name-only", commit, "--", name):
        return None
    return gitrepo.git(root, "cat-file", "--filters", f"{commit}:./{name}")


def _merge(current: str, base: str, other: str) -> str:
    """Take the changes from `base` to `other` into `current`; they win where both changed."""
    if base in (current, other):
        return other if base == current else current
    with tempfile.TemporaryDirectory(prefix="modelctl-") as folder:
        paths = [Path(folder) / name for name in ("current", "base", "other")]
        for path, text in zip(paths, (current, base, other), strict=True):
            path.write_bytes(text.encode())
        gitrepo.git(Path(folder), "merge-file", "--quiet", "--theirs", *map(str, paths))
        return paths[0].read_bytes().decode("utf-8")


def _merged(root: Path, branch: str, tip: str, base: str, edits: Sequence[Edit]) -> str:
    """The tree of a branch merged with the target branch, whatever happened to the edited files."""
    if gitrepo.contains(root, tip, base):
        return f"{tip}^{{tree}}"
    words = ("merge-tree", "--write-tree", "--name-only", "--no-messages", tip, base)
    tree, *conflicts = gitrepo.git(root, *words, accepted=(0, 1)).splitlines()
    prefix = gitrepo.git(root, "rev-parse", "--show-prefix").strip("\n")
    edited = {prefix + str(edit.path.relative_to(root)) for edit in edits}
    others = sorted(set(filter(None, conflicts)) - edited)
    if others:
        raise RefusedError(
            f"the branch {branch} has commits that conflict with the target branch",
            found=f"conflicts in {', '.join(others)}",
            fix=f"merge the target branch into it, or close its pull request and delete it with "
            f"`git push {origin.REMOTE} --delete {branch}`; then run this command again",
        )
    return tree
