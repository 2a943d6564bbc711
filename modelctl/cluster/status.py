"""What runs where: for each release the state in git, in Argo CD and in the running service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from modelctl.cluster import artifacts, kube, registry
from modelctl.repository import history
from modelctl.repository.environments import short

if TYPE_CHECKING:
    from datetime import datetime

    from modelctl.repository.environments import Environment, Repository, Version

MAX_PARALLEL = 8


@dataclass(frozen=True)
class Live:
    """The state of one release in the cluster; empty where unknown."""

    sync: str = ""
    health: str = ""
    version: str = ""
    digest: str = ""
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Release:
    """One model in one environment.

    `since` is the commit's time in ISO 8601, `previous` the version that a rollback would return to
    and `target` whether its artifacts exist (`there`, `gone`, `unknown`; empty if not checked).
    `behind` names the versions of previous environments that differ.
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
    def remarks(self) -> list[str]:
        """Notes about the release, for display."""
        remarks = []
        if self.behind:
            remarks.append(self.behind)
        if self.frozen:
            remarks.append(f"frozen until {self.frozen}")
        if self.target == registry.Presence.GONE.value:
            remarks.append(f"rollback target {self.previous} is missing")
        elif self.target == registry.Presence.UNKNOWN.value:
            remarks.append(f"rollback target {self.previous} could not be checked")
        if self.live and self.live.digest and not self.agrees:
            remarks.append("serves another bundle than in git")
        return remarks


@dataclass(frozen=True)
class Status:
    """All releases in the order of environments; `note` says why live state is missing."""

    releases: tuple[Release, ...]
    note: str = ""


def read(
    repository: Repository, now: datetime, *, live: bool = True, ask_registry: bool = False
) -> Status:
    """The state of every release; without a cluster only the state in git, and a note."""
    applications: dict[str, dict[str, Any]] | None = None
    note = "" if live else "cluster not queried (--no-live)"
    if live:
        try:
            applications = kube.applications()
        except kube.UnreachableError as error:
            note = f"no cluster reachable: {error.reason}"
    candidates = [
        (environment, model)
        for environment in repository.environments
        for model in repository.models()
        if repository.folder(environment, model).is_dir()
    ]
    histories = history.read_all(repository)

    def read_release(candidate: tuple[Environment, str]) -> Release:
        environment, model = candidate
        version = repository.version(environment, model)
        if version is None:
            return Release(environment.name, model, frozen=_frozen(environment, model, now))
        entries = histories.get(environment.name, {}).get(model, [])
        release = _in_git(repository, environment, model, version, entries, now)
        if ask_registry and release.previous:
            target = _previous(entries, version)
            checks = artifacts.check(repository, environment, model, target) if target else []
            presence = artifacts.worst_presence(checks).value if checks else ""
            release = replace(release, target=presence)
        if applications is not None:
            application = applications.get(release.name, {})
            release = replace(release, live=_live(environment, model, application))
        return release

    with ThreadPoolExecutor(MAX_PARALLEL) as pool:
        return Status(tuple(pool.map(read_release, candidates)), note)


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
    )


def _previous(entries: list[history.Entry], version: Version) -> Version | None:
    """The version that `modelctl rollback` would return to."""
    return next((v for v in reversed(history.standing(entries)) if v != version), None)


def _frozen(environment: Environment, model: str, now: datetime) -> str:
    freeze = environment.active_freeze(model, now)
    return f"{freeze.until:%Y-%m-%d %H:%M} UTC ({freeze.reason})" if freeze else ""


def _live(environment: Environment, model: str, application: dict[str, Any]) -> Live:
    state = application.get("status", {})
    sync = state.get("sync", {}).get("status", "Missing")
    health = state.get("health", {}).get("status", "Missing")
    try:
        info = kube.model_info(environment.namespace, model)
    except kube.UnreachableError:
        info = {}
    refusals: tuple[str, ...] = ()
    if health != "Healthy":
        refusals = tuple(
            f"{line['what']}: expected {line['expected']}, found {line['found']}; {line['fix']}"
            for line in _refusals(environment.namespace, model)
        )
    return Live(sync, health, str(info.get("version", "")), str(info.get("digest", "")), refusals)


def _refusals(namespace: str, model: str) -> list[dict[str, str]]:
    try:
        return kube.refusals(namespace, model)
    except kube.UnreachableError:
        return []
