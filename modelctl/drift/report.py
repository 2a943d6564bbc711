"""Build a drift report from a bundle and its live rows, with the measures of each source."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.model.contract import Contract
from modelctl.drift import captured, distributions, measures, outliers, performance
from modelctl.drift.findings import DriftFinding, Report, Thresholds, judge
from modelctl.errors import ModelctlError
from modelctl.packaging.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from app.model.bundle import Bundle
    from modelctl.drift.captured import Captured
    from modelctl.drift.distributions import Reference
    from modelctl.drift.measures import Test
    from modelctl.drift.prometheus import Prometheus

    Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """A bundle and the reference distributions of its sample."""

    bundle: Bundle
    contract: Contract
    features: dict[str, Reference]
    # One for each part of an answer: several targets, the numbers of a vector.
    predictions: list[Reference]
    # Number of rows of the sample.
    rows: int

    @classmethod
    def of(cls, bundle: Bundle, model: str) -> Subject:
        """Raises ModelctlError for a bundle of another model, or without a reference."""
        manifest = bundle.manifest
        if manifest.get("name") != model:
            raise ModelctlError(
                f"bundle {bundle.path} belongs to another model",
                expected=model,
                found=str(manifest.get("name")),
            )
        contract = Contract.from_manifest(manifest)
        return cls(
            bundle,
            contract,
            distributions.of_features(manifest),
            distributions.of_predictions(manifest, contract),
            int(manifest.get("training", {}).get("rows", 0)),
        )

    def report(self, source: str, rows: float, thresholds: Thresholds, **more: Any) -> Report:
        """A report on this bundle."""
        manifest = self.bundle.manifest
        return Report(
            str(manifest["name"]),
            str(manifest["version"]),
            self.bundle.digest,
            source,
            rows,
            thresholds,
            **more,
        )


def from_prometheus(
    subject: Subject,
    prometheus: Prometheus,
    thresholds: Thresholds,
    *,
    namespace: str,
    release: str = "",
    window: str = "1h",
) -> Report:
    """A report from the counters of a release's pods. Raises ModelctlError."""
    model, digest = str(subject.bundle.manifest["name"]), subject.bundle.digest
    counts = prometheus.counts(model, digest, namespace, release, window)
    others = [other for other in counts.digests if other != digest]
    if digest not in counts.digests:
        raise ModelctlError(
            f"no pod of '{counts.release}' served this bundle in the last {window}",
            expected=digest,
            found=", ".join(others) or "no digest",
            fix="pass the --bundle that is served (`modelctl status` shows its digest)",
        )
    notes = [f"excluded rows of another bundle: {other}" for other in others]
    notes += _exclusions(
        subject, counts.features, "features not counted by the service (DRIFT_MAX_FEATURES)"
    )
    features = [
        judge(reference, reference.count(counts.features[name]), subject.rows, thresholds)
        for name, reference in subject.features.items()
        if name in counts.features
    ]
    predictions = [
        judge(reference, reference.count(counts.predictions), subject.rows, thresholds)
        for reference in subject.predictions
        if counts.predictions
    ]
    judged = [*features, *predictions]
    rows = max((one.rows for one in judged), default=0.0)
    source = f"{counts.release} in {namespace}, the last {window} in Prometheus"
    return subject.report(
        source, rows, thresholds, features=features, predictions=predictions, notes=notes
    )


def from_rows(
    subject: Subject,
    paths: Sequence[Path],
    thresholds: Thresholds,
    *,
    sample: Path | None = None,
    labels: Path | None = None,
) -> Report:
    """A report from captured rows; `sample` is the file that the bundle was packaged with.

    Raises ModelctlError.
    """
    rows = captured.read(paths, subject.contract, subject.bundle.digest)
    live = captured.encode(subject.contract, rows.features)
    known, notes = _sample(subject, sample) if sample else ({}, [])
    notes += [f"excluded rows of other bundles: {rows.others}"] if rows.others else []
    notes += [f"excluded truncated lines: {rows.truncated}"] if rows.truncated else []
    notes += _exclusions(subject, live, "features not captured (CAPTURE_EXCLUDE)")
    features = [
        _compared(subject, reference, live[name], known.get(name), thresholds)
        for name, reference in subject.features.items()
        if name in live
    ]
    outlier_share = None
    if known:
        outlier_share = outliers.find(list(subject.contract.inputs), live, known)
    else:
        notes.append(
            "without --reference, outliers are not computed, and Kolmogorov-Smirnov distances are "
            "approximated at the bin edges"
        )
    scores = _performance(subject, rows, labels, notes) if labels else []
    first, last = (moment[:16].replace("T", " ") for moment in (min(rows.times), max(rows.times)))
    return subject.report(
        f"captured rows from {first} to {last} UTC",
        len(rows),
        thresholds,
        features=features,
        predictions=_predictions(subject, rows, thresholds),
        outliers=outlier_share,
        performance=scores,
        notes=notes,
    )


def _predictions(subject: Subject, rows: Captured, thresholds: Thresholds) -> list[DriftFinding]:
    known = [value for value in rows.predictions if value is not None]
    findings = []
    for reference, part in zip(subject.predictions, subject.contract.output.parts, strict=False):
        values = distributions.values_of(reference, known)
        counts = distributions.count_predictions(reference, values, part.classes)
        ks = None
        if part.classes is None and values:
            ks = _at_edges(subject, reference, np.asarray(values, np.float64))
        findings.append(judge(reference, counts, subject.rows, thresholds, ks))
    return findings


def _compared(
    subject: Subject,
    reference: Reference,
    live: Numbers,
    known: Numbers | None,
    thresholds: Thresholds,
) -> DriftFinding:
    ks = None
    if reference.edges:
        present = live[~np.isnan(live)]
        if known is not None:
            ks = measures.kolmogorov_smirnov(present, known[~np.isnan(known)])
        else:
            ks = _at_edges(subject, reference, present)
    counts = reference.count_numbers(live)
    return judge(reference, counts, subject.rows, thresholds, ks)


def _at_edges(subject: Subject, reference: Reference, live: Numbers) -> Test | None:
    edges = reference.edges
    ratios = reference.ratios[: max(1, len(edges) - 1)]
    present = float(ratios.sum())
    if present <= 0:
        return None
    # The last bin includes its upper edge, so the whole sample is below the next number.
    points = np.array([*edges[: len(ratios)], math.nextafter(edges[-1], math.inf)])
    below = np.concatenate([[0.0], np.cumsum(ratios) / present])
    return measures.kolmogorov_smirnov_at_edges(live, below, points, subject.rows * present)


def _sample(subject: Subject, path: Path) -> tuple[dict[str, Numbers], list[str]]:
    """The sample's encoded columns, and a note if the file is not the packaged one."""
    training = subject.bundle.manifest.get("training", {})
    rows = read_rows(path, subject.bundle.manifest["inputs"])
    columns = {name: [row[name] for row in rows] for name in subject.contract.names}
    is_same = hashlib.sha256(path.read_bytes()).hexdigest() == training.get("data_sha256")
    notes = [] if is_same else [f"{path.name} is not the sample that the bundle was packaged with"]
    return captured.encode(subject.contract, columns), notes


def _exclusions(subject: Subject, available: Any, reason: str) -> list[str]:
    missing = [name for name in subject.features if name not in available]
    return [f"{reason}: {', '.join(missing)}"] if missing else []


def _performance(
    subject: Subject, rows: Captured, path: Path, notes: list[str]
) -> list[performance.MetricChange]:
    output = subject.contract.output
    if len(output.parts) > 1 or output.kind == "transformer":
        raise ModelctlError(
            "--labels: no metrics of several values per row",
            expected="a model with one label or number per row",
            found=f"a {output.kind} with {len(output.parts)} values per row",
            fix="compare each target with its own labels, or leave --labels out",
        )
    labels = captured.read_labels(path)
    known = [at for at, key in enumerate(rows.keys) if key in labels]
    true = performance.as_output([labels[rows.keys[at]] for at in known], output)
    answers = [rows.predictions[at] for at in known]
    before = subject.bundle.manifest.get("metrics", {})
    changes = performance.compare(before, true, answers)
    notes.append(f"{len(known):,} of {len(rows):,} rows have a label")
    others = sorted(set(before) - {change.name for change in changes})
    if others:
        notes.append(f"metrics of the manifest that cannot be computed: {', '.join(others)}")
    return changes
