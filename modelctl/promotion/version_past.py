"""What the target branch knows of the versions that a branch brings: where they ran, and how.

`version_judge` decides; this module reads git, and what a cluster or a forge tells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.cluster import commit_statuses, evidence
from modelctl.errors import ModelctlError
from modelctl.promotion import gates
from modelctl.repository import aborts, overrides, replays, runs, trees, verifications, yamlfile
from modelctl.repository.branch import VERSION_FILE
from modelctl.repository.checkout import OVERRIDE_FILE
from modelctl.repository.versions import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelctl.cluster.evidence import Evidence
    from modelctl.repository.aborts import Abort
    from modelctl.repository.branch import Branch
    from modelctl.repository.environments import Environment
    from modelctl.repository.replays import Comparison
    from modelctl.repository.trees import Entry


@dataclass(frozen=True)
class VersionPast:
    """The versions of a branch, and what ran in the environments that they come from or enter.

    `live` reads the health of promoted versions from the cluster.
    """

    branch: Branch
    live: bool
    _versions: dict[Entry, Version | None] = field(default_factory=dict)
    _statuses: commit_statuses.Statuses = field(default_factory=commit_statuses.Statuses)

    @cached_property
    def paths(self) -> list[str]:
        """The version files that the branch changes."""
        return sorted(filter(VERSION_FILE.fullmatch, self.branch.changed))

    @cached_property
    def passing(self) -> list[tuple[str, str, Entry]]:
        """Every version that a commit of the branch has, in the end or only for a while."""
        pathspecs = [runs.VERSION_FILES]
        log = trees.log_between(self.branch.root, self.branch.target, self.branch.head, pathspecs)
        return [(commit, path, entry) for commit, path, entry in log if entry is not None]

    @cached_property
    def histories(self) -> dict[str, list[runs.Run]]:
        """What ran in the environments of the changed files, and in all others: an override may
        take a version from any."""
        paths = {*self.paths, *(path for _, path, _ in self.passing)}
        matches = [match for path in paths if (match := VERSION_FILE.fullmatch(path))]
        sources = {version_file(e, m[2]) for m in matches for e in self.branch.judge.environments}
        return runs.read(self.branch.root, self.branch.target, sorted({*paths, *sources}))

    @cached_property
    def _previous(self) -> dict[str, tuple[Environment, ...]]:
        return {e.name: self.branch.judge.previous(e) for e in self.branch.judge.environments}

    def sources(
        self, path: str, override: overrides.Override | None = None
    ) -> list[tuple[Environment, str]]:
        """The environments that a version comes from, each with its version file of the model: the
        previous ones, or the one that an override of the order names."""
        match = VERSION_FILE.fullmatch(path)
        if match is None:
            return []
        previous = self._previous.get(match[1], ())
        if override and override.source and "order" in override.rules:
            previous = (self.branch.judge.environment(override.source),)
        return [(source, version_file(source, match[2])) for source in previous]

    def aborts_in(
        self, environments: Sequence[Environment], model: str, version: Version
    ) -> list[Abort]:
        """In which of these environments the version was aborted, as the target branch knows."""
        found = []
        for each in environments:
            known = [
                (run.commit, run.when, self.version(run.entry) if run.entry else None)
                for run in self.histories.get(version_file(each, model), ())
            ]
            found.append(aborts.find(self.branch.root, each, known, version))
        return [each for each in found if each]

    def has_run(self, path: str, entry: Entry) -> bool:
        """Whether the target branch once had this version here."""
        return any(self.is_same(entry, run.entry) for run in self.histories.get(path, ()))

    def is_promoted(self, entry: Entry, sources: list[tuple[Environment, str]]) -> bool:
        """Whether every source has this version in the target branch: one that the same change adds
        there has not run yet."""
        return bool(sources) and all(
            self.is_same(entry, self.branch.before.get(source)) for _, source in sources
        )

    def is_same(self, one: Entry, other: Entry | None) -> bool:
        """Whether two files have the same version, whatever their comments."""
        if other is None:
            return False
        if one.oid and one.oid == other.oid:
            return True
        version = self.version(one)
        return version is not None and version == self.version(other)

    def version(self, entry: Entry) -> Version | None:
        """The version in a file; None if there is none that could run."""
        if entry not in self._versions:
            text, file = self.branch.text(entry), Path("version.yaml")
            try:
                version = yamlfile.validate_strict(Version, file, text or "")
            except ModelctlError:
                version = None
            self._versions[entry] = version
        return self._versions[entry]

    def override(
        self, environment: Environment, model: str, version: Version
    ) -> overrides.Override | None:
        """The record beside the version file, if it is one for this version."""
        file = Path(f"environments/{environment.name}/{model}/{OVERRIDE_FILE}")
        text = self.branch.text_after(str(file))
        if text is None:
            return None
        override = yamlfile.validate_strict(overrides.Override, file, text)
        return override if override.version == version else None

    def known(self, source: tuple[Environment, str], model: str, version: Version) -> gates.Source:
        """What is known of a version in an environment that it is promoted from."""
        before, path = source
        if self.live:
            known = evidence.from_cluster(self.branch.judge, before, model, version)
            if known.note:
                raise ModelctlError(f"--live: {known.note}", fix="leave out --live")
        else:
            known = self._evidence_from_git(path)
            if self.branch.judge.health_reporter:
                known = commit_statuses.refine(
                    known, self._statuses, self.branch.judge, before, model, self.branch.target
                )
        checks: tuple[str, ...] = ()
        if before.verification:
            checks = verifications.passed(self.branch.root, before, model, version)
        return gates.Source(before, known, checks)

    def comparison(
        self, path: str, environment: Environment, model: str, version: Version
    ) -> Comparison | None:
        """The replay that the environment asks for beside what the target branch has there."""
        runs_here = self.histories.get(path, ())
        ran = (self.version(run.entry) for run in runs_here if run.entry)
        root = self.branch.root
        return replays.asked(root, environment, model, ran, version.model.digest)

    def _evidence_from_git(self, path: str) -> Evidence:
        """Since which commit the source's version has been there without interruption."""
        since, commit = None, ""
        current = self.branch.before[path]
        for run in self.histories.get(path, ()):
            if not self.is_same(current, run.entry):
                break
            since, commit = evidence.committed(run.when), run.commit
        return evidence.Evidence(
            since, "since its commit", note="health not checked", commit=commit
        )


def version_file(environment: Environment, model: str) -> str:
    """The path of a version file in the repository."""
    return f"environments/{environment.name}/{model}/version.yaml"
