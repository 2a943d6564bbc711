"""The promotion rules for the version files that a branch changes; for variants `variant_judge`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelctl.promotion import freeze_rules, gates, rules
from modelctl.promotion.variant_judge import Variants
from modelctl.promotion.version_past import VersionPast, version_file
from modelctl.repository.branch import VERSION_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from modelctl.repository import overrides
    from modelctl.repository.branch import Branch
    from modelctl.repository.environments import Environment
    from modelctl.repository.trees import Entry
    from modelctl.repository.versions import Version


@dataclass(frozen=True)
class Versions:
    """The version files that a branch changes."""

    past: VersionPast
    now: datetime
    broken: freeze_rules.BrokenFreeze | None
    evidence: list[str] = field(default_factory=list)

    def violations(self) -> Iterator[str]:
        """Why they may not be merged."""
        environments = {e.name: e for e in self._branch.judge.environments}
        self._branch.preload(run.entry for log in self.past.histories.values() for run in log)
        self._branch.preload(
            entry for path in self.past.paths if (entry := self._branch.after(path))
        )
        for path in self.past.paths:
            match = VERSION_FILE.fullmatch(path)
            assert match is not None  # noqa: S101 - it is how they were chosen
            environment = environments.get(match[1])
            if environment is not None:
                violations = self._change_violations(path, environment, match[2])
                yield from (f"{path}: {violation}" for violation in violations)
        yield from self._passing_violations(environments)

    @property
    def _branch(self) -> Branch:
        return self.past.branch

    def _change_violations(self, path: str, environment: Environment, model: str) -> Iterator[str]:
        entry = self._branch.after(path)
        if entry is None:
            later = [
                other
                for other in self._branch.judge.after(environment)
                if self._branch.after(version_file(other, model)) is not None
            ]
            yield from rules.retirement_violations(model, environment, later)
            return
        ran = self.past.has_run(path, entry)
        if self.broken and not ran:
            yield "only a rollback to a version that ran here may end a freeze in the same change"
        elif self.broken and not self.broken.reason:
            yield (
                "this ends a freeze, and no commit says why; use `modelctl rollback --break-freeze "
                f"--reason ...`, or begin the message of the commit with `Roll back {model} to "
                f"VERSION in {environment.name}: REASON`"
            )
        version = self.past.version(entry)
        if ran and version is not None:
            yield from self._return_violations(environment, model, version)
        if ran:
            return
        if version is None:
            yield "not a version; use `modelctl promote` or `modelctl rollback`"
            return
        override = self.past.override(environment, model, version)
        is_winner = Variants(self._branch, self.now).is_winner(path, version)
        if environment.promotion == "auto" or is_winner:
            yield from rules.window_violations(model, environment, self.now)
            comparison = self.past.comparison(path, environment, model, version)
            found = {
                "abort": self._abort_violations(
                    self._branch.judge.way_to(environment), environment, model, version
                ),
                "replay": rules.replay_violations(
                    model, environment, version.model.version, comparison
                ),
            }
            yield from _remaining(environment, found, override)
            return
        # A freeze covers more files than this one; `freeze_rules` looks at all of them.
        yield from self._entry_violations(path, environment, entry, version, override, {"freeze"})

    def _return_violations(
        self, environment: Environment, model: str, version: Version
    ) -> Iterator[str]:
        """Why a version that ran here may not come back: only a decision on record brings back what
        was aborted."""
        override = self.past.override(environment, model, version)
        aborted = self._abort_violations([environment], environment, model, version)
        yield from _remaining(environment, {"abort": aborted}, override)

    def _abort_violations(
        self,
        way: Sequence[Environment],
        environment: Environment,
        model: str,
        version: Version,
    ) -> list[str]:
        """Why a version may not enter that was aborted on its way; the first environment is where
        one tries."""
        if environment.promotion == "auto":
            return []
        return rules.abort_violations(model, version, self.past.aborts_in(way, model, version))

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
        sources = self.past.sources(path, override)
        if not self.past.is_promoted(entry, sources):
            yield from rules.change_violations(environment, version, None, [])
            return
        known = [self.past.known(source, model, version) for source in sources]
        self.evidence.extend(gates.describe(each, version, self.now) for each in known)
        if before := self._branch.before.get(path):
            self.evidence.extend(gates.chart_notes(version, self.past.version(before)))
        way = self.past.aborts_in(self._branch.judge.way_to(environment), model, version)
        comparison = self.past.comparison(path, environment, model, version)
        self.evidence.extend(gates.replay_notes(environment, version, comparison))
        found = gates.violations(model, environment, version, known, self.now, way, comparison)
        yield from rules.remaining(found, [*overridden, *seen_to])

    def _passing_violations(self, environments: dict[str, Environment]) -> Iterator[str]:
        """A merge may keep the commits of the branch, so that each of their versions would count as
        one that ran."""
        for commit, path, entry in self.past.passing:
            match = VERSION_FILE.fullmatch(path)
            environment = environments.get(match[1]) if match else None
            if environment is None or environment.promotion == "auto":
                continue
            version = self.past.version(entry)
            if (
                entry == self._branch.after(path)
                or version is None
                or self.past.has_run(path, entry)
            ):
                continue
            override = self.past.override(environment, path.split("/")[2], version)
            violations = self._entry_violations(path, environment, entry, version, override, set())
            if reason := next(violations, ""):
                yield (
                    f"{path}: commit {commit} has a version that the promotion rules refuse, even "
                    "if a later commit replaces it; leave that commit out, with `git rebase "
                    f"--interactive`: {reason}"
                )


def _remaining(
    environment: Environment,
    found: Mapping[str, Sequence[str]],
    override: overrides.Override | None,
) -> Iterator[str]:
    """What a record does not override, and why it may not override the rest."""
    listed = override.rules if override else []
    needed = [rule for rule in listed if found.get(rule)]
    yield from rules.override_violations(environment, needed)
    yield from rules.remaining(found, listed)
