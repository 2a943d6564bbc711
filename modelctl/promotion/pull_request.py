"""Opens a pull request for planned edits, from a temporary git worktree.

The user's checkout is not touched: the branch starts at its HEAD. Without `gh` (GitHub's CLI) the
equivalent commands are printed instead.
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
class PullRequest:
    """The edits to propose, and their branch: one per command, models and environment.

    `message` is that of the commit; default: the title.
    """

    branch: str
    title: str
    body: str
    edits: Sequence[edits.Edit]
    message: str = ""


def has_gh() -> bool:
    """Whether `gh` is on PATH."""
    return shutil.which("gh") is not None


def manual_commands(repository: Repository, request: PullRequest) -> str:
    """The git commands that push the written files as a branch, one per line."""
    names = [
        str(edit.path.relative_to(repository.root)) for edit in request.edits if edit.has_changes
    ]
    steps = [
        ["git", "switch", "--create", request.branch],
        ["git", "add", "--", *names],
        ["git", "commit", "--message", request.message or request.title],
        ["git", "push", "--set-upstream", REMOTE, request.branch],
    ]
    return "\n".join(f"  {shlex.join(step)}" for step in steps)


def open_request(repository: Repository, request: PullRequest) -> str:
    """Push the branch and open or update its pull request; return the URL.

    Idempotent. The branch of an earlier proposal is replaced, and its pull request gets the new
    title and body. Raises CommandError with git's or gh's stderr.
    """
    root = repository.root
    for edit in request.edits:
        gitrepo.require_clean(root, edit.path)
    is_new = not _is_pushed(repository, request)
    if is_new:
        _commit(repository, request)
        # With a lease: overwrites only what this checkout has fetched, never others' commits.
        gitrepo.git(
            root, "push", "--quiet", "--force-with-lease", "--set-upstream", REMOTE, request.branch
        )
    urls = _gh(root, "pr", "list", "--head", request.branch, "--json", "url", "--jq", ".[].url")
    if urls.strip():
        url = urls.strip().splitlines()[0]
        if is_new:
            _update(root, url, request)
        return url
    created = _gh(
        root,
        *("pr", "create", "--head", request.branch),
        # On stdin: too long for an argument.
        *("--title", request.title, "--body-file", "-"),
        stdin=request.body,
    )
    return created.strip().splitlines()[-1]


def merge_when_ready(repository: Repository, request: PullRequest) -> None:
    """Let the forge merge the request once its required checks and reviews are there."""
    _gh(repository.root, "pr", "merge", request.branch, "--auto", "--squash")


def _update(root: Path, url: str, request: PullRequest) -> None:
    """Replace title and body: the ticks of an earlier proposal do not apply to this one.

    Through the API: `gh pr edit` requires a project scope that a bot's token lacks.
    """
    number = url.rpartition("/")[2]
    _gh(
        root,
        *("api", "--method", "PATCH", f"repos/{{owner}}/{{repo}}/pulls/{number}"),
        *("--silent", "--input", "-"),
        stdin=json.dumps({"title": request.title, "body": request.body}),
    )


def _is_pushed(repository: Repository, request: PullRequest) -> bool:
    """Whether the remote branch is exactly this change on top of HEAD."""
    root = repository.root
    reference = f"refs/remotes/{REMOTE}/{request.branch}"
    if not gitrepo.git(root, "for-each-ref", reference):
        return False
    if gitrepo.git(root, "merge-base", reference, "HEAD") != gitrepo.git(root, "rev-parse", "HEAD"):
        return False
    return all(gitrepo.text_at(root, reference, edit.path) == edit.after for edit in request.edits)


def _commit(repository: Repository, request: PullRequest) -> None:
    """Commit the edits to the branch, on top of HEAD."""
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
                else:
                    path.unlink(missing_ok=True)
            gitrepo.git(folder, "add", "--all")
            gitrepo.git(folder, "commit", "--quiet", "--message", request.message or request.title)
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
