"""The metrics of a version, from wherever its manifest is at hand; git holds its digest alone.

A manifest is believed when its digest is the version's. Without one, the commit in the image's
tag says at least which baseline the build was held to.
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
from modelctl.repository.environments import short
from modelctl.supply.builds import BUNDLES, MODELS, SHORT_COMMIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelctl.quality.metric_baselines import Baseline
    from modelctl.repository.environments import Environment, Repository, Version

# `<version>-<commit>`, as the image workflow and the pipeline tag what they build.
COMMIT = re.compile(rf"-(?P<commit>[0-9a-f]{{{SHORT_COMMIT}}})$")


@dataclass(frozen=True)
class Measured:
    """What is known of one version: `found` when its manifest was read, else perhaps `held`, the
    baseline of the commit that it was built from. `source` says where from, or why not.
    """

    source: str
    found: Mapping[str, Any] | None = None
    held: Mapping[str, metric_baselines.Metric] = field(default_factory=dict)

    def cell(self, name: str) -> str:
        """One metric for people: its value, a bound, or `?`."""
        if self.found is not None:
            value = self.found.get(name)
            return f"{value:g}" if isinstance(value, int | float) else "none"
        if name in self.held:
            metric = self.held[name]
            return f"at {'least' if metric.better == 'higher' else 'most'} {metric.limit:g}"
        return "?"


def baseline(repository: Repository, model: str) -> Baseline | None:
    """The committed baseline of the checkout; None for a model that has none here."""
    path = repository.root / MODELS / model / metric_baselines.FILE
    return metric_baselines.read(path, model) if path.is_file() else None


def of_version(
    repository: Repository, environment: Environment, model: str, version: Version, *, live: bool
) -> Measured:
    """The metrics of a version that git says serves in an environment.

    From `build/bundles`, else (`live`) from what serves there, else by the baseline of its build.
    """
    digest = version.model.digest
    manifest = repository.root / BUNDLES / model / "manifest.json"
    if manifest.is_file():
        raw = manifest.read_bytes()
        if digest_of(raw) == digest:
            return Measured(f"from its bundle in {BUNDLES / model}", _metrics(json.loads(raw)))
    if live:
        try:
            info = kube.model_info(environment.namespace, model)
        except kube.UnreachableError:
            info = {}
        if info.get("digest") == digest:
            return Measured(f"as what serves in {environment.name} says", _metrics(info))
    return _by_build(repository, model, version)


def _metrics(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    metrics: Mapping[str, Any] = manifest.get("metrics") or {}
    return metrics


def _by_build(repository: Repository, model: str, version: Version) -> Measured:
    unknown = (
        f"not known here: git holds the digest, and the metrics are in the manifest of bundle "
        f"{short(version.model.digest)}"
    )
    tagged = COMMIT.search(version.image.tag)
    if tagged is None:
        return Measured(unknown)
    commit = tagged["commit"]
    path = repository.root / MODELS / model / metric_baselines.FILE
    try:
        text = gitrepo.text_at(repository.root, commit, path)
    except proc.CommandError:  # of another repository, or a clone without history
        text = None
    if not text:
        return Measured(f"{unknown}; nor is the baseline of commit {commit}, which its tag names")
    held = yamlfile.validate(metric_baselines.Baseline, path, yamlfile.parse(text, path))
    words = f"its tag says it was built from {commit}, where `modelctl gate` asks for this"
    return Measured(f"{unknown}; {words}", held=held.metrics)
