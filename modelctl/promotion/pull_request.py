"""A change as a branch and a pull request, made in a work tree of its own.

The user's checkout is not touched: the branch starts at its HEAD, in a folder that goes away.
Without `gh` (GitHub's command line) the same steps are printed, to be run by hand.
"""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.repository import edits, gitrepo, yamlfile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelctl.repository.environments import Repository

REMOTE = "origin"
GH_SECONDS = 60


@dataclass(frozen=True)
class Request:
    """What to propose, and where: one branch for each model and environment."""

    branch: str
    title: str
    body: str
    edits: Sequence[edits.Edit]


def available() -> bool:
    """Whether `gh` is there."""
    return shutil.which("gh") is not None


def by_hand(repository: Repository, request: Request) -> str:
    """The commands that do the same after the files were written, one in a line."""
    names = [str(edit.path.relative_to(repository.root)) for edit in request.edits if edit.changes]
    steps = [
        ["git", "switch", "--create", request.branch],
        ["git", "add", "--", *names],
        ["git", "commit", "--message", request.title],
        ["git", "push", "--set-upstream", REMOTE, request.branch],
    ]
    return "\n".join(f"  {shlex.join(step)}" for step in steps)


def open_request(repository: Repository, request: Request) -> str:
    """Push the branch and open its pull request; returns the address of the pull request.

    Run twice it changes nothing. A branch of an earlier proposal is replaced; its request stays,
    and says what is proposed now.
    Raises CommandError with git's or gh's own words.
    """
    root = repository.root
    for edit in request.edits:
        gitrepo.require_clean(root, edit.path)
    replaces = not _is_pushed(repository, request)
    if replaces:
        _commit(repository, request)
        # Replaces only what we have seen of that branch, never somebody else's work on it.
        gitrepo.git(
            root, "push", "--quiet", "--force-with-lease", "--set-upstream", REMOTE, request.branch
        )
    found = _gh(root, "pr", "list", "--head", request.branch, "--json", "url", "--jq", ".[].url")
    if found.strip():
        url = found.strip().splitlines()[0]
        if replaces:
            _rewrite(root, url, request)
        return url
    created = _gh(
        root,
        *("pr", "create", "--head", request.branch),
        # Too long for an argument.
        *("--title", request.title, "--body-file", "-"),
        stdin=request.body,
    )
    return created.strip().splitlines()[-1]


def _rewrite(root: Path, url: str, request: Request) -> None:
    """Title and text of the present proposal; what was ticked of the earlier one is not true of it.

    By the API: `gh pr edit` asks for rights to projects that a bot does not have.
    """
    number = url.rpartition("/")[2]
    _gh(
        root,
        *("api", "--method", "PATCH", f"repos/{{owner}}/{{repo}}/pulls/{number}"),
        *("--silent", "--input", "-"),
        stdin=json.dumps({"title": request.title, "body": request.body}),
    )


def _is_pushed(repository: Repository, request: Request) -> bool:
    """Whether the remote's branch holds exactly this change of the present HEAD."""
    root = repository.root
    reference = f"refs/remotes/{REMOTE}/{request.branch}"
    if not gitrepo.git(root, "for-each-ref", reference):
        return False
    if gitrepo.git(root, "merge-base", reference, "HEAD") != gitrepo.git(root, "rev-parse", "HEAD"):
        return False
    return all(gitrepo.text_at(root, reference, edit.path) == edit.after for edit in request.edits)


def _commit(repository: Repository, request: Request) -> None:
    """Put the change on the branch, on top of HEAD."""
    root = repository.root
    with tempfile.TemporaryDirectory(prefix="modelctl-") as name:
        folder = Path(name) / "tree"
        gitrepo.git(
            root, "worktree", "add", "--quiet", "--force", "-B", request.branch, str(folder), "HEAD"
        )
        try:
            for edit in request.edits:
                path = folder / edit.path.relative_to(root)
                if edit.after is not None:
                    yamlfile.write(path, edit.after)
            gitrepo.git(folder, "add", "--all")
            gitrepo.git(folder, "commit", "--quiet", "--message", request.title)
        finally:
            gitrepo.git(root, "worktree", "remove", "--force", str(folder))


def _gh(root: Path, *arguments: str, stdin: str = "") -> str:
    return proc.run(
        ["gh", *arguments],
        cwd=root,
        timeout_seconds=GH_SECONDS,
        fix="gh auth login",
        stdin=stdin,
    )
