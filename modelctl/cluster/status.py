"""What runs where: for each release what git says beside what Argo CD and the service say."""

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

QUESTIONS_AT_ONCE = 8


@dataclass(frozen=True)
class Live:
    """What the cluster says of one release; empty text where it says nothing."""

    sync: str = ""
    health: str = ""
    version: str = ""
    digest: str = ""
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Release:
    """One model in one environment.

    `since` is the commit's time in ISO 8601, `previous` what a rollback would go back to and
    `target` the registry's word on that (`there`, `gone`, `unknown`; empty when not asked).
    `behind` says what the environment before has when it is another version.
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
    def released(self) -> bool:
        """Whether git has a version for it."""
        return bool(self.version)

    @property
    def agrees(self) -> bool:
        """Whether the digest that serves is the digest in git."""
        return self.live is not None and self.digest == self.live.digest

    @property
    def remarks(self) -> list[str]:
        """What somebody should know about it, in words."""
        found = []
        if self.behind:
            found.append(self.behind)
        if self.frozen:
            found.append(f"frozen until {self.frozen}")
        if self.target == registry.Presence.GONE.value:
            found.append(f"rollback target {self.previous} is gone")
        elif self.target == registry.Presence.UNKNOWN.value:
            found.append(f"rollback target {self.previous}: no answer")
        if self.live and self.live.digest and not self.agrees:
            found.append("serves another bundle than git says")
        return found


@dataclass(frozen=True)
class Status:
    """All releases in the order of environments; `note` says why the live half is missing."""

    releases: tuple[Release, ...]
    note: str = ""


def read(
    repository: Repository, now: datetime, *, live: bool = True, ask_registry: bool = False
) -> Status:
    """The state of every release; without a cluster only what git says, and a note."""
    applications: dict[str, dict[str, Any]] | None = None
    note = "" if live else "the cluster was not asked"
    if live:
        try:
            applications = kube.applications()
        except kube.UnreachableError as error:
            note = f"no cluster: {error.reason}"
    places = [
        (environment, model)
        for environment in repository.environments
        for model in repository.models()
        if repository.folder(environment, model).is_dir()
    ]
    pasts = history.read_all(repository)

    def release(place: tuple[Environment, str]) -> Release:
        environment, model = place
        version = repository.version(environment, model)
        if version is None:
            return Release(environment.name, model, frozen=_frozen(environment, model, now))
        past = pasts.get(place[0].name, {}).get(model, [])
        found = _in_git(repository, environment, model, version, past, now)
        if ask_registry and found.previous:
            target = _previous(past, version)
            looked = artifacts.look(repository, environment, model, target) if target else []
            found = replace(found, target=artifacts.worst(looked).value if looked else "")
        if applications is not None:
            known = applications.get(found.name, {})
            found = replace(found, live=_live(environment, model, known))
        return found

    with ThreadPoolExecutor(QUESTIONS_AT_ONCE) as pool:
        return Status(tuple(pool.map(release, places)), note)


def _in_git(
    repository: Repository,
    environment: Environment,
    model: str,
    version: Version,
    past: list[history.Entry],
    now: datetime,
) -> Release:
    since = ""
    for entry in past:
        if entry.version != version:
            break
        since = entry.commit.when
    previous = _previous(past, version)
    source = repository.before(environment)
    before = repository.version(source, model) if source else None
    behind = ""
    if source and before and before != version:
        behind = f"{source.name} has {before.model.version} {short(before.model.digest)}"
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


def _previous(past: list[history.Entry], version: Version) -> Version | None:
    """What `modelctl rollback` would go back to."""
    return next((e.version for e in past if e.version not in (None, version)), None)


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
