"""The branch that Argo CD follows, as this clone knows it, and who lacks which of its files.

Reads local git only. Must not know the cluster: the commits that Argo CD synced are given.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.errors import RefusedError
from modelctl.repository import gitrepo, variants
from modelctl.repository.checkout import COMMON, EXPERIMENT_FILE, OVERRIDE_FILE
from modelctl.repository.environments import CHART

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.gitrepo import Commit

KUSTOMIZE = "kustomize/environments"
PATHS = (CHART, "environments", KUSTOMIZE)
HEAD = "HEAD"
SHORT_COMMIT = 9


def release_inputs(repository: Repository, environment: Environment, model: str) -> tuple[str, ...]:
    """The files and folders that a release is rendered from, besides a pinned chart."""
    folder = f"environments/{environment.name}"
    own = (f"{folder}/{model}", f"{folder}/{COMMON}")
    return (*own, CHART) if repository.is_first(environment) else own


def rollout_inputs(repository: Repository, environment: Environment, model: str) -> tuple[str, ...]:
    """Pathspecs of what a change of can begin a canary: neither variants, which have workloads of
    their own, nor files that render nothing."""
    folder = f"environments/{environment.name}/{model}"
    others = (f"{folder}/{name}" for name in (variants.FOLDER, EXPERIMENT_FILE, OVERRIDE_FILE))
    inputs = release_inputs(repository, environment, model)
    return (*inputs, *(f":(exclude,literal){other}" for other in others))


def baseline_inputs(environment: Environment) -> tuple[str, ...]:
    """The folders that the baseline of an environment is rendered from."""
    parts = ("base", "components", f"overlays/{environment.name}")
    return tuple(f"{KUSTOMIZE}/{part}" for part in parts)


@dataclass(frozen=True)
class Branch:
    """A branch and what it has: `ref` is its name here, or HEAD in a clone without remotes."""

    root: Path
    ref: str
    commits: frozenset[str] = field(repr=False)
    # Files that differ in the checkout, and in each of the given commits.
    unpushed: frozenset[str] = frozenset()
    behind: dict[str, frozenset[str]] = field(default_factory=dict, repr=False)
    # Given commits that contain the whole branch, and more: somebody else's pushes.
    ahead: frozenset[str] = frozenset()
    newest: dict[str, tuple[int, Commit]] = field(default_factory=dict, repr=False)
    # Whether the checkout is an earlier commit of the branch.
    is_later: bool = False

    def newest_commit(self, inputs: tuple[str, ...]) -> Commit | None:
        """The newest commit of the branch that changed one of the inputs."""
        found = [self.newest[path] for path in inputs if path in self.newest]
        return min(found, key=lambda entry: entry[0])[1] if found else None

    def lacks(self, commit: str, inputs: tuple[str, ...]) -> bool:
        """Whether a commit of the branch has other inputs than the branch has now."""
        return _matches(self.behind.get(commit, ()), inputs)

    def knows(self, commit: str) -> bool:
        """Whether this clone can tell what a commit lacks."""
        return commit in self.behind or commit in self.ahead

    def is_unpushed(self, inputs: tuple[str, ...]) -> bool:
        """Whether the checkout has other inputs than the branch."""
        return _matches(self.unpushed, inputs)


def find(root: Path, revision: str = HEAD, url: str = "") -> str:
    """The ref that stands for `revision` of the remote with that URL; HEAD if there is none.

    As Argo CD does, HEAD means the remote's default branch.
    """
    remote = _remote(root, url)
    if not remote:
        return HEAD
    if revision not in ("", HEAD):
        candidates = [f"refs/remotes/{remote}/{revision}", f"refs/tags/{revision}", revision]
    else:
        candidates = [f"refs/remotes/{remote}/{name}" for name in (HEAD, "main", "master")]
        candidates.insert(1, "@{upstream}")
    for candidate in candidates:
        short = _quiet(root, "rev-parse", "--abbrev-ref", "--verify", candidate)
        if short:
            return short
        if _quiet(root, "rev-parse", "--verify", f"{candidate}^{{commit}}"):
            return candidate
    return HEAD


def read(root: Path, ref: str, synced: Iterable[str] = ()) -> Branch:
    """Compare the checkout and each commit that Argo CD synced with a branch."""
    listed = gitrepo.git(root, "rev-list", ref).split()
    commits, head = frozenset(listed), _quiet(root, "rev-parse", HEAD)
    is_later = head in commits and head != listed[0]
    synced = set(filter(None, synced))
    known = sorted(synced & commits)
    ahead = frozenset(c for c in synced - commits if gitrepo.contains(root, c, ref))

    def differing(commit: str) -> frozenset[str]:
        return _names(root, "diff", "--name-only", "-z", "--no-renames", "--relative", commit, ref)

    with ThreadPoolExecutor() as pool:
        unpushed = pool.submit(lambda: frozenset(gitrepo.changed_since(root, ref, PATHS)))
        newest = pool.submit(_newest, root, ref)
        behind = dict(zip(known, pool.map(differing, known), strict=True))
    return Branch(root, ref, commits, unpushed.result(), behind, ahead, newest.result(), is_later)


def require_pushed(branch: Branch, inputs: tuple[str, ...], name: str) -> None:
    """Raise RefusedError if Argo CD cannot see what the checkout has of a release."""
    changed = sorted(path for path in branch.unpushed if _matches([path], inputs))
    if not changed:
        return
    root, ref = branch.root, branch.ref
    remote = ref.partition("/")[0]
    if gitrepo.git(root, "status", "--porcelain", "--", *inputs):
        what, fix = f"{changed[0]} has uncommitted changes", "commit and push them"
    elif _quiet(root, "rev-parse", HEAD) not in branch.commits:
        what = f"HEAD is not on {ref}, the branch that Argo CD follows"
        fix = f"git push, or `git fetch {remote}` if it was pushed from another clone"
    else:
        what = f"this checkout is behind {ref}, the branch that Argo CD follows"
        fix = "git pull"
    raise RefusedError(
        f"{name}: {what}", expected=f"{ref} as checked out", found=", ".join(changed), fix=fix
    )


def _matches(names: Iterable[str], inputs: tuple[str, ...]) -> bool:
    folders = tuple(f"{path}/" for path in inputs)
    return any(name in inputs or name.startswith(folders) for name in names)


def _newest(root: Path, ref: str) -> dict[str, tuple[int, Commit]]:
    """The newest commit below each folder that `*_inputs` name, with its place in history."""
    text = gitrepo.git(
        root,
        *("log", "--first-parent", "--diff-merges=first-parent"),
        *("--name-only", "--no-renames", "--relative", f"--format=%x1e{gitrepo.FORMAT}"),
        *(ref, "--", *PATHS),
    )
    newest: dict[str, tuple[int, Commit]] = {}
    for index, record in enumerate(text.split("\x1e")[1:]):
        head, *names = record.splitlines()
        commit = gitrepo.Commit(*head.split("\x1f"))
        for name in filter(None, names):
            parts = name.split("/")
            for depth in (2, 3, 4):
                newest.setdefault("/".join(parts[:depth]), (index, commit))
    return newest


def _remote(root: Path, url: str) -> str:
    """The remote with that URL, else the one of the current branch, else origin or the only one."""
    lines = (_quiet(root, "remote", "-v") or "").splitlines()
    remotes = {line.split()[0]: line.split()[1] for line in lines}
    same = [name for name, address in remotes.items() if url and _plain(address) == _plain(url)]
    if same:
        return same[0]
    branch = _quiet(root, "symbolic-ref", "--short", HEAD)
    own = _quiet(root, "config", f"branch.{branch}.remote") if branch else ""
    return next((name for name in (own, "origin", *remotes) if name in remotes), "")


def _plain(url: str) -> str:
    """A URL without scheme, user and suffix: the same repository by ssh and by https."""
    address = url.rpartition("://")[2].rpartition("@")[2].removesuffix("/").removesuffix(".git")
    return address.replace(":", "/")


def _names(root: Path, *arguments: str) -> frozenset[str]:
    return frozenset(filter(None, gitrepo.git(root, *arguments).split("\0")))


def _quiet(root: Path, *arguments: str) -> str:
    try:
        return gitrepo.git(root, *arguments).strip()
    except proc.CommandError:
        return ""
