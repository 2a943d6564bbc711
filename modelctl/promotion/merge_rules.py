"""The promotion rules for a branch: manual edits have to pass the same rules as commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.cluster import evidence
from modelctl.promotion import gates, rules
from modelctl.rendering import charts
from modelctl.repository import changes, gitrepo, history, overrides, verifications, yamlfile
from modelctl.repository.environments import CHART, Version

if TYPE_CHECKING:
    from datetime import datetime

    from modelctl.repository.environments import Environment, Repository


def merge_violations(
    repository: Repository, changed: changes.Changes, now: datetime, *, live: bool = False
) -> list[str]:
    """Why the changed version files may not be merged.

    Reads changed files only, so that the time does not depend on the number of models. `live`
    reads the health of promoted versions from the cluster.
    """
    violations: list[str] = []
    if any(name.startswith(f"{CHART}/") for name in changed.names):
        violations += charts.release_violations(repository.root, changed.base)
    environments = {environment.name: environment for environment in repository.environments}
    for name in changed.names:
        parts = Path(name).parts
        if len(parts) == changes.VERSION_FILE_PARTS and parts[-1] == "version.yaml":
            environment = environments.get(parts[1])
            if environment is not None and parts[0] == "environments":
                change = _Change(repository, changed.base, environment, parts[2], now, live)
                violations.extend(f"{name}: {violation}" for violation in change.violations())
    return violations


@dataclass(frozen=True)
class _Change:
    """One version file that differs from the base commit."""

    repository: Repository
    base: str
    environment: Environment
    model: str
    now: datetime
    live: bool

    def violations(self) -> list[str]:
        """Why it may not be merged."""
        version = self.repository.version(self.environment, self.model)
        violations = rules.freeze_violations(self.model, self.environment, self.now)
        if version is None:
            later = [
                other
                for other in self.repository.after(self.environment)
                if self.repository.version_file(other, self.model).is_file()
            ]
            return [*violations, *rules.retirement_violations(self.model, self.environment, later)]
        earlier = [
            entry.version
            for entry in history.read(self.repository, self.environment, self.model, self.base)
            if entry.version is not None
        ]
        override = overrides.read(self.repository, self.environment, self.model, version)
        overridden = override.rules if override else []
        sources = self.repository.previous(self.environment)
        if override and override.source and "order" in overridden:
            sources = (self.repository.environment(override.source),)
        promoted = rules.common_version([self._at_base(source) for source in sources])
        violations += rules.change_violations(self.environment, version, promoted, earlier)
        if version in earlier:
            return violations
        violations += rules.override_violations(self.environment, overridden)
        known = [self._known(source, version) for source in sources if version == promoted]
        found = gates.violations(self.model, self.environment, version, known, self.now)
        return list(dict.fromkeys([*violations, *rules.remaining(found, overridden)]))

    def _at_base(self, source: Environment) -> Version | None:
        """The version of the previous environment at the base commit: a version that the same
        branch adds there has not run yet."""
        path = self.repository.version_file(source, self.model)
        text = gitrepo.text_at(self.repository.root, self.base, path)
        return yamlfile.validate_strict(Version, path, text) if text else None

    def _known(self, source: Environment, version: Version) -> gates.Source:
        if self.live:
            known = evidence.from_cluster(self.repository, source, self.model, version)
        else:
            known = evidence.from_git(self.repository, source, self.model, version, self.base)
        checks: tuple[str, ...] = ()
        if source.verification:
            checks = verifications.passed(self.repository.root, source, self.model, version)
        return gates.Source(source, known, checks)
