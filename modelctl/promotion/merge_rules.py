"""The promotion rules for a branch: manual edits have to pass the same rules as commands.

Rules, freezes and history are those of the target branch, never those of the change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.cluster import commit_statuses, evidence, kube
from modelctl.errors import ModelctlError
from modelctl.promotion import branch_rules, freeze_rules, gates, rules
from modelctl.promotion.variant_judge import Variants
from modelctl.rendering import charts
from modelctl.repository import aborts, overrides, runs, trees, verifications, yamlfile
from modelctl.repository.branch import VERSION_FILE
from modelctl.repository.checkout import OVERRIDE_FILE, Repository
from modelctl.repository.versions import Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from modelctl.cluster.evidence import Evidence
    from modelctl.repository.aborts import Abort
    from modelctl.repository.branch import Branch
    from modelctl.repository.environments import Environment
    from modelctl.repository.trees import Entry


@dataclass(frozen=True)
class Verdict:
    """Why a branch may not be merged, and what is known of the versions that it promotes."""

    violations: list[str]
    evidence: list[str]


def judge(branch: Branch, now: datetime, *, live: bool = False) -> Verdict:
    """Whether a branch may be merged into its target.

    Reads changed files only, so that the time does not depend on the number of models. `live`
    reads the health of promoted versions from the cluster; raises ModelctlError if none is
    reachable.
    """
    if live:
        _require_cluster()
    broken = freeze_rules.broken_freeze(branch)
    versions = _Versions(branch, now, live, broken)
    violations = [
        *branch_rules.outdated_violations(branch),
        *([] if broken else branch_rules.mixed_violations(branch)),
        *charts.release_violations(
            branch.changed,
            branch.text_before(charts.DEFINITION),
            branch.text_after(charts.DEFINITION),
        ),
        *freeze_rules.violations(branch, now, broken),
        *versions.violations(),
        *Variants(branch, now).violations(),
    ]
    return Verdict(list(dict.fromkeys(violations)), versions.evidence)


def _require_cluster() -> None:
    try:
        kube.application("any")
    except kube.UnreachableError as error:
        raise ModelctlError(
            "--live: no cluster reachable",
            expected="a cluster that knows the health of promoted versions",
            found=error.reason,
            fix="check `kubectl config current-context`, or leave out --live: soak time then "
            "goes by git, health is not checked",
        ) from error


@dataclass(frozen=True)
class _Versions:
    """The version files that a branch changes."""

    branch: Branch
    now: datetime
    live: bool
    broken: freeze_rules.BrokenFreeze | None
    evidence: list[str] = field(default_factory=list)
    _versions: dict[Entry, Version | None] = field(default_factory=dict)
    _statuses: commit_statuses.Statuses = field(default_factory=commit_statuses.Statuses)

    def violations(self) -> Iterator[str]:
        """Why they may not be merged."""
        environments = {e.name: e for e in self._judge.environments}
        self.branch.preload(run.entry for log in self._runs.values() for run in log)
        self.branch.preload(entry for path in self._paths if (entry := self.branch.after(path)))
        for path in self._paths:
            match = VERSION_FILE.fullmatch(path)
            assert match is not None  # noqa: S101 - it is how they were chosen
            environment = environments.get(match[1])
            if environment is not None:
                violations = self._change_violations(path, environment, match[2])
                yield from (f"{path}: {violation}" for violation in violations)
        yield from self._passing_violations(environments)

    @cached_property
    def _judge(self) -> Repository:
        return self.branch.judge

    @cached_property
    def _paths(self) -> list[str]:
        return sorted(filter(VERSION_FILE.fullmatch, self.branch.changed))

    @cached_property
    def _passing(self) -> list[tuple[str, str, Entry]]:
        """Every version that a commit of the branch has, in the end or only for a while."""
        pathspecs = [runs.VERSION_FILES]
        log = trees.log_between(self.branch.root, self.branch.target, self.branch.head, pathspecs)
        return [(commit, path, entry) for commit, path, entry in log if entry is not None]

    @cached_property
    def _runs(self) -> dict[str, list[runs.Run]]:
        """What ran in the environments of the changed files, and in all others: an override may
        take a version from any."""
        paths = {*self._paths, *(path for _, path, _ in self._passing)}
        matches = [match for path in paths if (match := VERSION_FILE.fullmatch(path))]
        sources = {_version_file(e, m[2]) for m in matches for e in self._judge.environments}
        return runs.read(self.branch.root, self.branch.target, sorted({*paths, *sources}))

    @cached_property
    def _previous(self) -> dict[str, tuple[Environment, ...]]:
        return {e.name: self._judge.previous(e) for e in self._judge.environments}

    def _sources(
        self, path: str, override: overrides.Override | None = None
    ) -> list[tuple[Environment, str]]:
        """The environments that a version comes from, each with its version file of the model: the
        previous ones, or the one that an override of the order names."""
        match = VERSION_FILE.fullmatch(path)
        if match is None:
            return []
        previous = self._previous.get(match[1], ())
        if override and override.source and "order" in override.rules:
            previous = (self._judge.environment(override.source),)
        return [(source, _version_file(source, match[2])) for source in previous]

    def _change_violations(self, path: str, environment: Environment, model: str) -> Iterator[str]:
        entry = self.branch.after(path)
        if entry is None:
            later = [
                other
                for other in self._judge.after(environment)
                if self.branch.after(_version_file(other, model)) is not None
            ]
            yield from rules.retirement_violations(model, environment, later)
            return
        ran = self._ran(path, entry)
        if self.broken and not ran:
            yield "only a rollback to a version that ran here may end a freeze in the same change"
        elif self.broken and not self.broken.reason:
            yield (
                "this ends a freeze, and no commit says why; use `modelctl rollback --break-freeze "
                f"--reason ...`, or begin the message of the commit with `Roll back {model} to "
                f"VERSION in {environment.name}: REASON`"
            )
        version = self._version(entry)
        if ran and version is not None:
            yield from self._return_violations(environment, model, version)
        if ran:
            return
        if version is None:
            yield "not a version; use `modelctl promote` or `modelctl rollback`"
            return
        is_winner = Variants(self.branch, self.now).is_winner(path, version)
        if environment.promotion == "auto" or is_winner:
            yield from rules.window_violations(model, environment, self.now)
            return
        override = self._override(environment, model, version)
        # A freeze covers more files than this one; `freeze_rules` looks at all of them.
        yield from self._entry_violations(path, environment, entry, version, override, {"freeze"})

    def _return_violations(
        self, environment: Environment, model: str, version: Version
    ) -> Iterator[str]:
        """Why a version that ran here may not come back: only a decision on record brings back what
        was aborted. The first environment is where one tries."""
        if environment.promotion == "auto":
            return
        override = self._override(environment, model, version)
        if override is None or "abort" not in override.rules:
            yield from rules.abort_violations(
                model, version, self._aborts([environment], model, version)
            )

    def _aborts(
        self, environments: Sequence[Environment], model: str, version: Version
    ) -> list[Abort]:
        """In which of these environments the version was aborted, as the target branch knows."""
        found = []
        for each in environments:
            runs_ = [
                (run.commit, run.when, self._version(run.entry) if run.entry else None)
                for run in self._runs.get(_version_file(each, model), ())
            ]
            found.append(aborts.find(self.branch.root, each, runs_, version))
        return [each for each in found if each]

    def _entry_violations(
        self,
        path: str,
        environment: Environment,
        entry: Entry,
        version: Version,
        override: overrides.Override | None,
        seen_to: set[str],
    ) -> Iterator[str]:
        """Why a version may not enter by promotion, but for rules that are `seen_to` elsewhere."""
        model = path.split("/")[2]
        overridden = override.rules if override else []
        yield from rules.override_violations(environment, overridden)
        sources = self._sources(path, override)
        if not self._is_promoted(entry, sources):
            yield from rules.change_violations(environment, version, None, [])
            return
        known = [self._known(source, model, version) for source in sources]
        self.evidence.extend(gates.describe(each, version, self.now) for each in known)
        if before := self.branch.before.get(path):
            self.evidence.extend(gates.chart_notes(version, self._version(before)))
        way = self._aborts(self._judge.way_to(environment), model, version)
        found = gates.violations(model, environment, version, known, self.now, way)
        yield from rules.remaining(found, [*overridden, *seen_to])

    def _passing_violations(self, environments: dict[str, Environment]) -> Iterator[str]:
        """A merge may keep the commits of the branch, so that each of their versions would count as
        one that ran."""
        for commit, path, entry in self._passing:
            match = VERSION_FILE.fullmatch(path)
            environment = environments.get(match[1]) if match else None
            if environment is None or environment.promotion == "auto":
                continue
            version = self._version(entry)
            if entry == self.branch.after(path) or version is None or self._ran(path, entry):
                continue
            override = self._override(environment, path.split("/")[2], version)
            violations = self._entry_violations(path, environment, entry, version, override, set())
            if reason := next(violations, ""):
                yield (
                    f"{path}: commit {commit} has a version that the promotion rules refuse, even "
                    "if a later commit replaces it; leave that commit out, with `git rebase "
                    f"--interactive`: {reason}"
                )

    def _ran(self, path: str, entry: Entry) -> bool:
        """Whether the target branch once had this version here."""
        return any(self._same(entry, run.entry) for run in self._runs.get(path, ()))

    def _is_promoted(self, entry: Entry, sources: list[tuple[Environment, str]]) -> bool:
        """Whether every source has this version in the target branch: one that the same change adds
        there has not run yet."""
        return bool(sources) and all(
            self._same(entry, self.branch.before.get(source)) for _, source in sources
        )

    def _same(self, one: Entry, other: Entry | None) -> bool:
        """Whether two files have the same version, whatever their comments."""
        if other is None:
            return False
        if one.oid and one.oid == other.oid:
            return True
        version = self._version(one)
        return version is not None and version == self._version(other)

    def _version(self, entry: Entry) -> Version | None:
        """The version in a file; None if there is none that could run."""
        if entry not in self._versions:
            text, file = self.branch.text(entry), Path("version.yaml")
            try:
                version = yamlfile.validate_strict(Version, file, text or "")
            except ModelctlError:
                version = None
            self._versions[entry] = version
        return self._versions[entry]

    def _override(
        self, environment: Environment, model: str, version: Version
    ) -> overrides.Override | None:
        """The record beside the version file, if it is one for this version."""
        file = Path(f"environments/{environment.name}/{model}/{OVERRIDE_FILE}")
        text = self.branch.text_after(str(file))
        if text is None:
            return None
        override = yamlfile.validate_strict(overrides.Override, file, text)
        return override if override.version == version else None

    def _known(self, source: tuple[Environment, str], model: str, version: Version) -> gates.Source:
        """What is known of a version in an environment that it is promoted from."""
        before, path = source
        if self.live:
            known = evidence.from_cluster(self._judge, before, model, version)
            if known.note:
                raise ModelctlError(f"--live: {known.note}", fix="leave out --live")
        else:
            known = self._evidence_from_git(path)
            if self._judge.health_reporter:
                known = commit_statuses.refine(
                    known, self._statuses, self._judge, before, model, self.branch.target
                )
        checks: tuple[str, ...] = ()
        if before.verification:
            checks = verifications.passed(self.branch.root, before, model, version)
        return gates.Source(before, known, checks)

    def _evidence_from_git(self, path: str) -> Evidence:
        """Since which commit the source's version has been there without interruption."""
        since, commit = None, ""
        current = self.branch.before[path]
        for run in self._runs.get(path, ()):
            if not self._same(current, run.entry):
                break
            since, commit = evidence.committed(run.when), run.commit
        return evidence.Evidence(
            since, "since its commit", note="health not checked", commit=commit
        )


def _version_file(environment: Environment, model: str) -> str:
    return f"environments/{environment.name}/{model}/version.yaml"
