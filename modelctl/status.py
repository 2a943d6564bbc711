"""What runs where: for each release what git says beside what Argo CD and the service say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelctl import kube

if TYPE_CHECKING:
    from modelctl.environments import Environment, Repository, Version


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
    """One model in one environment."""

    environment: str
    model: str
    version: str
    digest: str
    live: Live | None = field(default=None)

    @property
    def name(self) -> str:
        """The name of its Argo CD Application."""
        return f"{self.environment}-{self.model}"

    @property
    def agrees(self) -> bool:
        """Whether the digest that serves is the digest in git."""
        return self.live is not None and self.digest == self.live.digest


@dataclass(frozen=True)
class Status:
    """All releases in the order of environments; `note` says why the live half is missing."""

    releases: tuple[Release, ...]
    note: str = ""


def read(repository: Repository, *, live: bool = True) -> Status:
    """The state of every release; without a cluster only what git says, and a note."""
    applications: dict[str, dict[str, Any]] | None = None
    note = "" if live else "the cluster was not asked"
    if live:
        try:
            applications = kube.applications()
        except kube.UnreachableError as error:
            note = f"no cluster: {error.reason}"
    releases = [
        _release(environment, model, version, applications)
        for environment in repository.environments
        for model in repository.models()
        if (version := repository.version(environment, model))
        or (repository.folder(environment, model).is_dir())
    ]
    return Status(tuple(releases), note)


def _release(
    environment: Environment,
    model: str,
    version: Version | None,
    applications: dict[str, dict[str, Any]] | None,
) -> Release:
    git_version = version.model.version if version else ""
    digest = version.model.digest if version else ""
    live = None
    if applications is not None and version is not None:
        live = _live(environment, model, applications.get(f"{environment.name}-{model}", {}))
    return Release(environment.name, model, git_version, digest, live)


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
