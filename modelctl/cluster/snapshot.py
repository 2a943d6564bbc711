"""One look at the cluster and at git for many releases.

A list per kind and namespace, not a request per release.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from modelctl.cluster import analysis, argocd, kube, live, workload
from modelctl.repository import followed, variants

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta
    from typing import Any

    from modelctl.cluster.analysis import Check
    from modelctl.cluster.argocd import Report
    from modelctl.cluster.live import Live
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.followed import Branch
    from modelctl.repository.versions import Version

    Releases = Sequence[tuple[Environment, str]]
    Workloads = dict[str, dict[str, Any]]

MAX_PARALLEL = 8


@dataclass(frozen=True)
class Snapshot:
    """What Argo CD, the Deployments or Rollouts and git said at `now`.

    `workloads` by namespace and release; None for a namespace that may not be read.
    """

    repository: Repository
    now: datetime
    reports: dict[str, Report]
    workloads: dict[str, Workloads | None]
    branch: Branch
    max_age: timedelta | None = None
    refusals: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    checks: dict[tuple[str, str], tuple[Check, ...]] = field(default_factory=dict)

    def live(self, environment: Environment, model: str, version: Version) -> Live:
        """The state of a release."""
        name = f"{environment.name}-{model}"
        report = self.reports.get(name)
        if report is None:
            return live.NO_APPLICATION
        listed = self.workloads.get(environment.namespace)
        found = listed.get(model) if listed is not None else None
        state = live.judge(
            version,
            report,
            workload.read(found, name) if found else None,
            now=self.now,
            max_age=self.max_age,
            branch=self.branch,
            inputs=followed.release_inputs(self.repository, environment, model),
            can_read_pods=listed is not None,
        )
        if listed is not None and report.is_local:
            state = replace(state, problems=state.problems + self._variants(environment, model))
        key = (environment.namespace, model)
        return replace(state, refusals=self.refusals.get(key, ()), checks=self.checks.get(key, ()))

    def _variants(self, environment: Environment, model: str) -> tuple[str, ...]:
        """What differs from git in the variants of a release whose namespace may be read."""
        listed = self.workloads[environment.namespace] or {}
        problems: list[str] = []
        for name, variant in _variants(self.repository, environment, model).items():
            found = listed.get(f"{model}-{name}")
            pods = workload.read(found, f"{environment.name}-{model}") if found else None
            problems += live.variant_problems(variant, pods)
        return tuple(problems)

    def notes(self) -> list[str]:
        """What concerns no single release: baselines, and what this clone does not know."""
        notes = []
        for environment in self.repository.environments:
            report = self.reports.get(f"{environment.name}-baseline")
            inputs = followed.baseline_inputs(environment)
            problems = live.baseline_problems(report, self.branch, inputs, self.now, self.max_age)
            if problems:
                notes.append(f"{environment.name}-baseline: {'; '.join(problems)}")
        commits = {report.revision for report in self.reports.values() if report.revision}
        strange = sorted(commit for commit in commits if not self.branch.knows(commit))
        if strange and self.branch.ref != followed.HEAD:
            shown = ", ".join(commit[: followed.SHORT_COMMIT] for commit in strange[:3])
            notes.append(
                f"Argo CD is at {shown}{' and others' if len(strange) > 3 else ''}, which "
                f"{self.branch.ref} of this clone lacks; run `git fetch`"
            )
        return notes


def read(repository: Repository, releases: Releases, now: datetime) -> Snapshot:
    """Look once. Raises UnreachableError if Applications cannot be read."""
    narrow = len(releases) == 1
    with ThreadPoolExecutor(MAX_PARALLEL) as pool:
        namespaces = {environment.namespace for environment, _ in releases}
        names = _own_names(repository, *releases[0]) if narrow else ()
        lists = {name: pool.submit(_workloads, name, names) for name in namespaces}
        reports = _reports(releases, narrow=narrow)
        applications = [f"{environment.name}-{name}" for environment, name in releases]
        ours = [reports[name] for name in applications if name in reports]
        age = pool.submit(argocd.read_max_age, ours[0].namespace) if ours else None
        branch = read_branch(repository, ours, reports.values())
        workloads = {name: listed.result() for name, listed in lists.items()}
        max_age = age.result() if age else None
    return Snapshot(repository, now, reports, workloads, branch, max_age)


def read_branch(
    repository: Repository, ours: Sequence[Report] = (), reports: Iterable[Report] = ()
) -> Branch:
    """The branch that our Applications follow, the default branch if there are none.

    It knows what the commits of all reports lack.
    """
    follows, url = (ours[0].follows, ours[0].url) if ours else (followed.HEAD, "")
    ref = followed.find(repository.root, follows, url)
    return followed.read(repository.root, ref, (report.revision for report in reports))


def with_refusals(snapshot: Snapshot, releases: Iterable[tuple[Environment, str]]) -> Snapshot:
    """The same with why pods of these releases refused their bundles."""
    models: dict[str, list[str]] = {}
    for environment, model in releases:
        if snapshot.workloads.get(environment.namespace) is not None:
            models.setdefault(environment.namespace, []).append(model)
    refusals = {}
    for namespace, names in models.items():
        for model, lines in _refusals(namespace, names).items():
            refusals[namespace, model] = tuple(
                f"{line['what']}: expected {line['expected']}, found {line['found']}; {line['fix']}"
                for line in lines
            )
    return replace(snapshot, refusals=refusals)


def with_checks(snapshot: Snapshot, releases: Iterable[tuple[Environment, str]]) -> Snapshot:
    """The same with what the analyses have found of those of these releases that are not promoted.

    Whoever may not read them sees the rest.
    """
    wanted: dict[str, dict[str, tuple[str, ...]]] = {}
    for environment, model in releases:
        listed = snapshot.workloads.get(environment.namespace) or {}
        found = listed.get(model)
        pods = workload.read(found, f"{environment.name}-{model}") if found else None
        state = pods.transition if pods else None
        if state and state.runs and not state.is_promoted:
            wanted.setdefault(environment.namespace, {})[model] = state.runs
    checks = {}
    for namespace, names in wanted.items():
        with suppress(kube.UnreachableError):
            runs = kube.analysis_runs(namespace)
            for model, own in names.items():
                checks[namespace, model] = analysis.read(runs[name] for name in own if name in runs)
    return replace(snapshot, checks=checks)


def _reports(releases: Releases, *, narrow: bool) -> dict[str, Report]:
    if not narrow:
        return {name: argocd.read(item) for name, item in kube.applications().items()}
    environment, model = releases[0]
    wanted = (f"{environment.name}-{model}", f"{environment.name}-baseline")
    found = (kube.application(name) for name in wanted)
    return {item["metadata"]["name"]: argocd.read(item) for item in found if item}


def _own_names(repository: Repository, environment: Environment, model: str) -> tuple[str, ...]:
    """The names of a release and of its variants."""
    return (model, *(f"{model}-{name}" for name in _variants(repository, environment, model)))


def _variants(
    repository: Repository, environment: Environment, model: str
) -> dict[str, variants.Variant]:
    return variants.read(repository.folder(environment, model))


def _workloads(namespace: str, names: Sequence[str]) -> Workloads | None:
    try:
        return kube.workloads(namespace, *names)
    except kube.UnreachableError:
        return None


def _refusals(namespace: str, models: list[str]) -> dict[str, list[dict[str, str]]]:
    try:
        return kube.refusals(namespace, models)
    except kube.UnreachableError:
        return {}
