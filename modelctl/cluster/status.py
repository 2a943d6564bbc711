"""What runs where: for each release the state in git, in Argo CD and in the pods."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from modelctl.cluster import artifacts, kube, registry, snapshot
from modelctl.cluster.live import HEALTHY, MISSING
from modelctl.durations import span
from modelctl.repository import followed, history, overrides, variants, windows
from modelctl.repository.versions import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelctl.cluster.live import Live
    from modelctl.cluster.snapshot import Snapshot
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.followed import Branch
    from modelctl.repository.versions import Version

    Histories = dict[str, dict[str, list[history.Entry]]]

MAX_PARALLEL = 8
MAX_SECONDS = 120  # shown as seconds below this


@dataclass(frozen=True)
class Release:
    """One model in one environment.

    `since` is the commit's time in ISO 8601, `previous` the version that a rollback would return to
    and `target` whether its artifacts exist (`there`, `gone`, `unknown`; empty if not checked).
    `behind` names the versions of previous environments that differ, `override` the rules left
    out for this version, `closed` the windows that are active. `commit` is the newest one
    that changed the release on the branch that Argo CD follows; `unpushed` says that the checkout
    differs from it. `variants` are the versions beside it, with what is sent to each.
    """

    environment: str
    model: str
    version: str = ""
    digest: str = ""
    image: str = ""
    chart: str = ""
    since: str = ""
    previous: str = ""
    target: str = ""
    behind: str = ""
    frozen: str = ""
    override: str = ""
    variants: str = ""
    closed: str = ""
    commit: str = ""
    committed_at: str = ""
    unpushed: bool = False
    outdated: bool = False
    live: Live | None = field(default=None)

    @property
    def name(self) -> str:
        """The name of its Argo CD Application."""
        return f"{self.environment}-{self.model}"

    @property
    def is_released(self) -> bool:
        """Whether git has a version of it."""
        return bool(self.version)

    @property
    def agrees(self) -> bool:
        """Whether the served bundle digest is the digest in git."""
        return self.live is not None and self.digest == self.live.digest

    @property
    def is_current(self) -> bool:
        """Whether the cluster serves everything that git says of it."""
        return self.live is not None and self.live.is_current and not self.unpushed

    @property
    def remarks(self) -> list[str]:
        """Notes about the release, for display."""
        remarks = []
        if self.behind:
            remarks.append(self.behind)
        if self.frozen:
            remarks.append(f"frozen until {self.frozen}")
        if self.closed:
            remarks.append(f"closed by {self.closed}")
        if self.variants:
            remarks.append(f"beside it {self.variants}")
        if self.override:
            remarks.append(f"override of {self.override}")
        if self.target == registry.Presence.GONE.value:
            remarks.append(f"rollback target {self.previous} is missing")
        elif self.target == registry.Presence.UNKNOWN.value:
            remarks.append(f"rollback target {self.previous} could not be checked")
        if self.unpushed:
            what = "is behind, or edited" if self.outdated else "is not pushed"
            remarks.append(f"this checkout {what}")
        return [*(self.live.problems if self.live else ()), *remarks]


@dataclass(frozen=True)
class Status:
    """All releases at `now`, in the order of environments.

    `notes` says what concerns no single release, and why live state is missing; `branch` is the one
    that Argo CD follows.
    """

    releases: tuple[Release, ...]
    now: datetime
    notes: tuple[str, ...] = ()
    branch: str = ""

    @property
    def looked(self) -> str:
        """How old the oldest word of Argo CD is, on which this status rests."""
        lives = [r.live for r in self.releases if r.live and r.live.looked_at]
        if not lives:
            return ""
        oldest = min(datetime.fromisoformat(each.looked_at) for each in lives)
        ago = int(max(self.now - oldest, timedelta()).total_seconds())
        shown = f"{ago} s" if ago < MAX_SECONDS else span(timedelta(seconds=ago))
        return f"Argo CD looked at every release in the last {shown}"


def read(
    repository: Repository,
    now: datetime,
    *,
    live: bool = True,
    ask_registry: bool = False,
    models: Sequence[str] = (),
    environment: str = "",
) -> Status:
    """The state of every release, or of those models and that environment.

    Without a cluster only the state in git, and a note. Raises ModelctlError for an unknown name.
    """
    candidates = _candidates(repository, models, environment)
    histories = history.read_all(repository)
    notes = [] if live else ["cluster not queried (--no-live)"]
    seen: Snapshot | None = None
    if live:
        try:
            seen = snapshot.with_checks(snapshot.read(repository, candidates, now), candidates)
            notes = seen.notes()
        except kube.UnreachableError as error:
            notes = [f"no cluster reachable: {error.reason}"]
    branch = seen.branch if seen else snapshot.read_branch(repository)
    releases = [
        _release(repository, each, model, now, histories, branch, seen)
        for each, model in candidates
    ]
    if seen:
        releases = _with_refusals(repository, seen, releases)
    if ask_registry:
        releases = _with_targets(repository, histories, releases)
    return Status(tuple(releases), now, tuple(notes), branch.ref)


def _release(
    repository: Repository,
    environment: Environment,
    model: str,
    now: datetime,
    histories: Histories,
    branch: Branch,
    seen: Snapshot | None,
) -> Release:
    version = repository.version(environment, model)
    if version is None:
        return Release(environment.name, model, frozen=_frozen(environment, model, now))
    entries = histories.get(environment.name, {}).get(model, [])
    inputs = followed.release_inputs(repository, environment, model)
    commit = branch.newest_commit(inputs)
    return replace(
        _in_git(repository, environment, model, version, entries, now),
        commit=commit.id if commit else "",
        committed_at=commit.when if commit else "",
        unpushed=branch.is_unpushed(inputs),
        outdated=branch.is_unpushed(inputs) and branch.is_later,
        live=seen.live(environment, model, version) if seen else None,
    )


def _candidates(
    repository: Repository, models: Sequence[str], environment: str
) -> list[tuple[Environment, str]]:
    chosen = [repository.environment(environment)] if environment else repository.environments
    for model in models:
        repository.require_known(model)
    known = repository.models()
    return [
        (each, model)
        for each in chosen
        for model in known
        if (not models or model in models) and repository.folder(each, model).is_dir()
    ]


def _with_refusals(
    repository: Repository, seen: Snapshot, releases: list[Release]
) -> list[Release]:
    """Ask the pods of releases that are not healthy, which are few."""
    sick = {
        release.name: (repository.environment(release.environment), release.model)
        for release in releases
        if release.live and release.live.health not in (HEALTHY, MISSING)
    }
    refusals = snapshot.with_refusals(seen, sick.values()).refusals
    result = []
    for release in releases:
        if release.live and release.name in sick:
            environment, model = sick[release.name]
            lines = refusals.get((environment.namespace, model), ())
            release = replace(release, live=replace(release.live, refusals=lines))
        result.append(release)
    return result


def _with_targets(
    repository: Repository,
    histories: Histories,
    releases: list[Release],
) -> list[Release]:
    def checked(release: Release) -> Release:
        environment = repository.environment(release.environment)
        entries = histories.get(release.environment, {}).get(release.model, [])
        current = repository.version(environment, release.model)
        target = _previous(entries, current) if current else None
        if target is None:
            return release
        checks = artifacts.check(repository, environment, release.model, target)
        return replace(release, target=artifacts.worst_presence(checks).value)

    with ThreadPoolExecutor(MAX_PARALLEL) as pool:
        return list(pool.map(checked, releases))


def _in_git(
    repository: Repository,
    environment: Environment,
    model: str,
    version: Version,
    entries: list[history.Entry],
    now: datetime,
) -> Release:
    since = ""
    for entry in entries:
        if entry.version != version:
            break
        since = entry.commit.when
    previous = _previous(entries, version)
    sources = [(each, repository.version(each, model)) for each in repository.previous(environment)]
    behind = ", ".join(
        f"{source.name} has {before.model.version} {short(before.model.digest)}"
        for source, before in sources
        if before not in (None, version)
    )
    return Release(
        environment.name,
        model,
        version=version.model.version,
        digest=version.model.digest,
        image=str(version.image),
        chart=version.chart.version if version.chart else "",
        since=since,
        previous=previous.model.version if previous else "",
        behind=behind,
        frozen=_frozen(environment, model, now),
        override=_override(repository, environment, model, version),
        variants=_variants(repository, environment, model),
        closed=", ".join(
            f"{window}, which {window.change(now)}"
            for window in windows.closing(environment.windows, model, now)
        ),
    )


def _previous(entries: list[history.Entry], version: Version) -> Version | None:
    """The version that `modelctl rollback` would return to."""
    return next((v for v in reversed(history.standing(entries)) if v != version), None)


def _override(
    repository: Repository, environment: Environment, model: str, version: Version
) -> str:
    record = overrides.read(repository, environment, model, version)
    return f"{' and '.join(record.rules)} ({record.reason})" if record else ""


def _variants(repository: Repository, environment: Environment, model: str) -> str:
    known = variants.read(repository.folder(environment, model))
    return "; ".join(f"{name} {each.version} ({each.role})" for name, each in known.items())


def _frozen(environment: Environment, model: str, now: datetime) -> str:
    freeze = environment.active_freeze(model, now)
    return f"{freeze.until:%Y-%m-%d %H:%M} UTC ({freeze.reason})" if freeze else ""
