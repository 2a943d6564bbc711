"""What a branch changes, and the rules for it: a hand edit passes the same gate as a command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.cluster import evidence
from modelctl.promotion import rules
from modelctl.rendering import charts
from modelctl.repository import changes, gitrepo, history, yamlfile
from modelctl.repository.environments import CHART, Version

if TYPE_CHECKING:
    from datetime import datetime

    from modelctl.repository.environments import Environment, Repository


def problems(
    repository: Repository, changed: changes.Changes, now: datetime, *, live: bool = False
) -> list[str]:
    """Why the version files that changed may not be merged; empty when they may.

    Reads only what changed, so that the time does not grow with the number of models. `live`
    asks the cluster for the health of what is promoted.
    """
    found: list[str] = []
    if any(name.startswith(f"{CHART}/") for name in changed.names):
        found += charts.release_violations(repository.root, changed.base)
    environments = {environment.name: environment for environment in repository.environments}
    for name in changed.names:
        parts = Path(name).parts
        if len(parts) == changes.VERSION_FILE_PARTS and parts[-1] == "version.yaml":
            environment = environments.get(parts[1])
            if environment is not None and parts[0] == "environments":
                change = _Change(repository, changed.base, environment, parts[2], now, live)
                found.extend(f"{name}: {refusal}" for refusal in change.refusals())
    return found


@dataclass(frozen=True)
class _Change:
    """One version file that differs from a commit."""

    repository: Repository
    base: str
    environment: Environment
    model: str
    now: datetime
    live: bool

    def refusals(self) -> list[str]:
        """Why it may not be merged."""
        version = self.repository.version(self.environment, self.model)
        frozen = rules.freeze_violations(self.model, self.environment, self.now)
        if version is None:
            later = [
                other
                for other in self.repository.after(self.environment)
                if self.repository.version_file(other, self.model).is_file()
            ]
            return [*frozen, *rules.retirement_violations(self.model, self.environment, later)]
        earlier = [
            entry.version
            for entry in history.read(self.repository, self.environment, self.model, self.base)
            if entry.version is not None
        ]
        source = self.repository.before(self.environment)
        before = self._at_base(source) if source else None
        found = [*frozen, *rules.change_violations(self.environment, version, before, earlier)]
        if source and version == before and version not in earlier:
            found += self._unproven(source, version)
        return found

    def _at_base(self, source: Environment) -> Version | None:
        """What the environment before ran at the base: a version that comes with the same change
        has not been there yet."""
        path = self.repository.version_file(source, self.model)
        text = gitrepo.text_at(self.repository.root, self.base, path)
        return yamlfile.validate(Version, path, yamlfile.parse(text, path)) if text else None

    def _unproven(self, source: Environment, version: Version) -> list[str]:
        if self.live:
            found = evidence.of_cluster(self.repository, source, self.model, version)
        else:
            found = evidence.of_git(self.repository, source, self.model, version, self.base)
        return [
            *evidence.health_violations(self.model, source, version, found),
            *rules.soak_violations(self.environment, source, version, found, self.now),
        ]
