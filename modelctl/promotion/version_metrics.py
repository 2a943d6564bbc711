"""The metrics of a version, from a local or served manifest; git records only its digest.

A manifest is used only if its digest is the version's. Without one, the commit in the image tag
tells at least which metric baseline the build passed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.model.bundle import digest_of
from modelctl import proc
from modelctl.cluster import kube
from modelctl.quality import metric_baselines
from modelctl.repository import gitrepo, yamlfile
from modelctl.repository.versions import short
from modelctl.supply.builds import BUNDLES, MODELS, SHORT_COMMIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelctl.quality.metric_baselines import MetricBaselines
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.versions import Version

# `<version>-<commit>`, as the image workflow and the pipeline tag what they build.
COMMIT = re.compile(rf"-(?P<commit>[0-9a-f]{{{SHORT_COMMIT}}})$")


@dataclass(frozen=True)
class VersionMetrics:
    """The known metrics of one version: `values` if its manifest was read, else, if known,
    `baselines` of the commit that it was built from. `source` names the source, or what is missing.
    """

    source: str
    values: Mapping[str, Any] | None = None
    baselines: Mapping[str, metric_baselines.MetricBaseline] = field(default_factory=dict)

    def cell(self, name: str) -> str:
        """One metric for display: its value, a bound, or `?`."""
        if self.values is not None:
            value = self.values.get(name)
            return f"{value:g}" if isinstance(value, int | float) else "none"
        if name in self.baselines:
            baseline = self.baselines[name]
            return f"{'≥' if baseline.better == 'higher' else '≤'} {baseline.limit:g}"
        return "?"


def committed_baselines(repository: Repository, model: str) -> MetricBaselines | None:
    """The metric baseline in the checkout; None if the model has none."""
    path = repository.root / MODELS / model / metric_baselines.FILE
    return metric_baselines.read(path, model) if path.is_file() else None


def of_version(
    repository: Repository, environment: Environment, model: str, version: Version, *, live: bool
) -> VersionMetrics:
    """The metrics of a version that is released in an environment.

    From `build/bundles`, else (`live`) from the running service, else from its build's baseline.
    """
    digest = version.model.digest
    manifest = repository.root / BUNDLES / model / "manifest.json"
    if manifest.is_file():
        raw = manifest.read_bytes()
        if digest_of(raw) == digest:
            return VersionMetrics(f"bundle in {BUNDLES / model}", _metrics(json.loads(raw)))
    if live:
        try:
            info = kube.model_info(environment.namespace, model)
        except kube.UnreachableError:
            info = {}
        if info.get("digest") == digest:
            return VersionMetrics(f"service in {environment.name}", _metrics(info))
    return _from_build(repository, model, version)


def _metrics(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    metrics: Mapping[str, Any] = manifest.get("metrics") or {}
    return metrics


def _from_build(repository: Repository, model: str, version: Version) -> VersionMetrics:
    unknown = (
        f"unknown: the manifest of bundle {short(version.model.digest)} is not available locally"
    )
    tagged = COMMIT.search(version.image.tag)
    if tagged is None:
        return VersionMetrics(unknown)
    commit = tagged["commit"]
    path = repository.root / MODELS / model / metric_baselines.FILE
    try:
        text = gitrepo.text_at(repository.root, commit, path)
    except proc.CommandError:  # of another repository, or a clone without history
        text = None
    if not text:
        return VersionMetrics(f"{unknown}, nor is the metric baseline of its build commit {commit}")
    committed = yamlfile.validate(
        metric_baselines.MetricBaselines, path, yamlfile.parse(text, path)
    )
    source = f"{unknown}; bounds from the metric baseline of its build commit {commit}"
    return VersionMetrics(source, baselines=committed.metrics)
