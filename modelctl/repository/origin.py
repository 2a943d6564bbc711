"""What the remote repository has: asked, with a time limit, and never changed from here.

A checkout is as old as its last fetch, so what decides from it also says whether `origin` has
moved. A remote that does not answer stops nobody from reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository import gitrepo
from modelctl.repository.versions import short

if TYPE_CHECKING:
    from pathlib import Path

REMOTE = "origin"
ASK_SECONDS = 5
REACH_SECONDS = 30  # before a change, which cannot do without an answer
FETCH_SECONDS = 120
USUAL_BRANCHES = ("main", "master")
HEADS = "refs/heads/"
# Nobody may be there to type a password, and a reader must not be kept waiting for one.
SILENT = {"GIT_TERMINAL_PROMPT": "0"}


@dataclass(frozen=True)
class Heads:
    """The branch that pull requests go to, and the commits of the branches that were asked for."""

    target: str
    commits: dict[str, str]

    @property
    def tip(self) -> str:
        """The newest commit of the target branch."""
        return self.commits[self.target]


def is_known(root: Path) -> bool:
    """Whether the clone has a remote of that name."""
    return REMOTE in gitrepo.git(root, "remote").splitlines()


def ask(root: Path, *branches: str, seconds: float = ASK_SECONDS) -> Heads:
    """Ask the remote for its target branch and others.

    The target is what `refs/remotes/origin/HEAD` says here, else the remote's default branch, else
    main or master. Raises ModelctlError if there is none, or the remote does not answer.
    """
    local = _local_default(root)
    names = dict.fromkeys([*([local] if local else []), *USUAL_BRANCHES, *branches])
    query = ("ls-remote", "--symref", REMOTE, "HEAD", *(f"{HEADS}{name}" for name in names))
    try:
        text = gitrepo.git(root, *query, timeout_seconds=seconds, variables=SILENT)
    except proc.CommandError as error:
        raise ModelctlError(
            f"could not reach the remote '{REMOTE}'",
            found=" ".join(error.found.split()) or f"no answer within {seconds:g} s",
            fix=f"check its address and your access: git ls-remote {REMOTE}",
        ) from error
    default = ""
    commits: dict[str, str] = {}
    for line in text.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            default = value.removeprefix(f"ref: {HEADS}")
        elif name == "HEAD":
            commits.setdefault(default, value)
        else:
            commits[name.removeprefix(HEADS)] = value
    target = next((n for n in (local, default, *USUAL_BRANCHES) if n and n in commits), "")
    if not target:
        raise ModelctlError(
            f"{REMOTE} has no branch to propose a change to",
            expected=f"a default branch, or one of {', '.join(USUAL_BRANCHES)}",
            fix=f"push one, then `git remote set-head {REMOTE} BRANCH`",
        )
    return Heads(target, commits)


def fetch(root: Path, branch: str) -> str:
    """Fetch one branch into its remote-tracking branch, and return its name."""
    reference = f"refs/remotes/{REMOTE}/{branch}"
    gitrepo.git(
        root,
        *("fetch", "--quiet", "--no-tags", REMOTE, f"+{HEADS}{branch}:{reference}"),
        timeout_seconds=FETCH_SECONDS,
    )
    return reference


def staleness_notes(root: Path) -> list[str]:
    """A note if the remote has commits that HEAD lacks, or if it could not be asked."""
    if not is_known(root):
        return []
    try:
        heads = ask(root)
    except ModelctlError as error:
        reason = " ".join((error.found or error.what).split())
        return [
            f"could not ask {REMOTE}, which may have newer commits than this checkout: {reason}"
        ]
    if gitrepo.contains(root, "HEAD", heads.tip):
        return []
    return [
        f"{REMOTE} has moved: its {heads.target} is at {short(heads.tip)}, which this checkout "
        f"lacks; to catch up: git pull {REMOTE} {heads.target}"
    ]


def require_published(root: Path, path: Path) -> None:
    """Raise RefusedError for a file whose last change is not committed and pushed.

    What only this clone has cannot have run anywhere. Without a remote nothing can be pushed.
    """
    gitrepo.require_clean(root, path)
    if not is_known(root):
        return
    name = str(path.relative_to(root))
    query = ("rev-list", "--max-count=1", "HEAD", "--not", f"--remotes={REMOTE}", "--", name)
    commit = gitrepo.git(root, *query).strip()
    if commit:
        raise RefusedError(
            f"{name} was changed by commit {short(commit)}, which is not pushed",
            expected=f"a version that {REMOTE} has: nothing else can have run",
            fix="push it, wait until it runs (`modelctl wait`), then run this command again",
        )


def _local_default(root: Path) -> str:
    reference = f"refs/remotes/{REMOTE}/HEAD"
    try:
        name = gitrepo.git(root, "symbolic-ref", "--quiet", reference).strip()
    except proc.CommandError:
        return ""
    return name.removeprefix(f"refs/remotes/{REMOTE}/")
