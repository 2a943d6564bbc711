"""Opens a pull request for planned edits, on a branch of its own.

Without `gh` (GitHub's CLI) the command that pushes the branch is printed instead.
"""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.promotion import branch
from modelctl.repository import origin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from modelctl.repository import edits
    from modelctl.repository.checkout import Repository

GH_SECONDS = 60


@dataclass(frozen=True)
class PullRequest:
    """The edits to propose, and their branch: one per command, models and environment.

    `details` are lines below the subject of the commit message. `trailers` are lines such as
    `Key: value` for its end and for the end of the body, which a forge may use as the message of
    the merge.
    """

    branch: str
    title: str
    body: str
    edits: Sequence[edits.Edit]
    details: str = ""
    trailers: Sequence[str] = ()

    @property
    def message(self) -> str:
        """The commit message."""
        # One line: the title may end in a reason, which a user may have wrapped.
        parts = [" ".join(self.title.split()), self.details, "\n".join(self.trailers)]
        return "\n\n".join(filter(None, parts)) + "\n"

    def full_body(self, notes: Sequence[str]) -> str:
        """The body with notes, and the trailers at its end."""
        parts = [self.body.strip(), "\n".join(f"- {note}" for note in notes)]
        return "\n\n".join([*filter(None, parts), "\n".join(self.trailers)]).strip() + "\n"


def has_gh() -> bool:
    """Whether `gh` is on PATH."""
    return shutil.which("gh") is not None


def manual_commands(repository: Repository, request: PullRequest) -> str:
    """Commit the edits of a `branch.target_checkout`; the command that pushes them."""
    commit = branch.commit(repository, request.branch, request.message, request.edits)
    if not commit:
        return f"  # {request.branch} is up to date on {origin.REMOTE}"
    step = ["git", "push", origin.REMOTE, f"{commit}:{origin.HEADS}{request.branch}"]
    return f"  {shlex.join(step)}"


def open_request(repository: Repository, request: PullRequest, notes: Sequence[str] = ()) -> str:
    """Push the edits of a `branch.target_checkout`, open or update a pull request; its URL.

    Idempotent. A branch that is there already gets a commit on top, and its pull request the new
    title and body. Raises CommandError with git's or gh's stderr.
    """
    root = repository.root
    commit = branch.commit(repository, request.branch, request.message, request.edits)
    if commit:
        branch.push(repository, request.branch, commit)
    body = request.full_body(notes)
    urls = _gh(root, "pr", "list", "--head", request.branch, "--json", "url", "--jq", ".[].url")
    if urls.strip():
        url = urls.strip().splitlines()[0]
        if commit:
            _update(root, url, request.title, body)
        return url
    created = _gh(
        root,
        *("pr", "create", "--head", request.branch, "--base", origin.ask(root).target),
        # On stdin: too long for an argument.
        *("--title", request.title, "--body-file", "-"),
        stdin=body,
    )
    return created.strip().splitlines()[-1]


def merge_when_ready(repository: Repository, request: PullRequest) -> None:
    """Let the forge merge the request once its required checks and reviews are there."""
    _gh(repository.root, "pr", "merge", request.branch, "--auto", "--squash")


def _update(root: Path, url: str, title: str, body: str) -> None:
    """Replace title and body: the ticks of an earlier proposal do not apply to this one.

    Through the API: `gh pr edit` requires a project scope that a bot's token lacks.
    """
    number = url.rpartition("/")[2]
    _gh(
        root,
        *("api", "--method", "PATCH", f"repos/{{owner}}/{{repo}}/pulls/{number}"),
        *("--silent", "--input", "-"),
        stdin=json.dumps({"title": title, "body": body}),
    )


def _gh(root: Path, *arguments: str, stdin: str = "") -> str:
    return proc.run(
        ["gh", *arguments],
        cwd=root,
        timeout_seconds=GH_SECONDS,
        fix="gh auth login",
        stdin=stdin,
    )
