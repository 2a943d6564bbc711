"""A bundle and live rows of it -> a report: which measures there are for which source."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.model.contract import Contract
from modelctl.drift import captured, distributions, measures, outliers, performance
from modelctl.drift.findings import Finding, Report, Thresholds, judge
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
    """A bundle, and what it remembers of its sample."""

    bundle: Bundle
    contract: Contract
    features: dict[str, Reference]
    predictions: Reference | None
    # How many rows the sample had.
    rows: int

    @classmethod
    def of(cls, bundle: Bundle, model: str) -> Subject:
        """Raises ModelctlError for the bundle of another model, or without a reference."""
        manifest = bundle.manifest
        if manifest.get("name") != model:
            raise ModelctlError(
                f"{bundle.path} is not a bundle of '{model}'", found=str(manifest.get("name"))
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
        """A report of this bundle."""
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
    """From the counters of a release's pods. Raises ModelctlError."""
    model, digest = str(subject.bundle.manifest["name"]), subject.bundle.digest
    counts = prometheus.counts(model, digest, namespace, release, window)
    others = [other for other in counts.digests if other != digest]
    if digest not in counts.digests:
        raise ModelctlError(
            f"no pod of '{counts.release}' served this bundle in the last {window}",
            expected=digest,
            found=", ".join(others) or "no digest",
            fix="pass the --bundle that serves (modelctl status shows its digest)",
        )
    notes = [f"rows of another bundle are left out: {other}" for other in others]
    notes += _left_out(subject, counts.features, "not counted by the service (DRIFT_MAX_FEATURES)")
    found = [
        judge(reference, reference.count(counts.features[name]), subject.rows, thresholds)
        for name, reference in subject.features.items()
        if name in counts.features
    ]
    predictions = None
    if subject.predictions is not None and counts.predictions:
        live = subject.predictions.count(counts.predictions)
        predictions = judge(subject.predictions, live, subject.rows, thresholds)
    rows = max((one.rows for one in [*found, *([predictions] if predictions else [])]), default=0.0)
    source = f"{counts.release} in {namespace}, the last {window} in Prometheus"
    return subject.report(
        source, rows, thresholds, features=found, predictions=predictions, notes=notes
    )


def from_rows(
    subject: Subject,
    paths: Sequence[Path],
    thresholds: Thresholds,
    *,
    sample: Path | None = None,
    labels: Path | None = None,
) -> Report:
    """From captured rows; `sample` is the file that the bundle was packaged with.

    Raises ModelctlError.
    """
    rows = captured.read(paths, subject.contract, subject.bundle.digest)
    live = captured.encode(subject.contract, rows.features)
    known, notes = _sample(subject, sample) if sample else ({}, [])
    notes += [f"{rows.others} rows of other bundles are left out"] if rows.others else []
    notes += [f"{rows.torn} lines end too early and are left out"] if rows.torn else []
    notes += _left_out(subject, live, "not captured (CAPTURE_EXCLUDE)")
    found = [
        _compared(subject, reference, live[name], known.get(name), thresholds)
        for name, reference in subject.features.items()
        if name in live
    ]
    strange = None
    if known:
        strange = outliers.find(list(subject.contract.inputs), live, known)
    else:
        notes.append(
            "outliers need the sample's rows: pass --reference; without it the "
            "Kolmogorov-Smirnov distance is the one at the edges of bins"
        )
    scores = _performance(subject, rows, labels, notes) if labels else []
    first, last = (moment[:16].replace("T", " ") for moment in (min(rows.times), max(rows.times)))
    return subject.report(
        f"captured rows from {first} to {last} UTC",
        len(rows),
        thresholds,
        features=found,
        predictions=_predictions(subject, rows, thresholds),
        outliers=strange,
        performance=scores,
        notes=notes,
    )


def _predictions(subject: Subject, rows: Captured, thresholds: Thresholds) -> Finding | None:
    if subject.predictions is None:
        return None
    classes = subject.contract.output.classes
    counts = distributions.count_predictions(subject.predictions, rows.predictions, classes)
    ks = None
    if classes is None:
        ks = _at_edges(subject, subject.predictions, np.asarray(rows.predictions, np.float64))
    return judge(subject.predictions, counts, subject.rows, thresholds, ks)


def _compared(
    subject: Subject,
    reference: Reference,
    live: Numbers,
    known: Numbers | None,
    thresholds: Thresholds,
) -> Finding:
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
    # The last bin has its upper edge as well, so all of the sample is below what comes next.
    points = np.array([*edges[: len(ratios)], math.nextafter(edges[-1], math.inf)])
    below = np.concatenate([[0.0], np.cumsum(ratios) / present])
    return measures.kolmogorov_smirnov_at_edges(live, below, points, subject.rows * present)


def _sample(subject: Subject, path: Path) -> tuple[dict[str, Numbers], list[str]]:
    """The sample's columns as numbers, and a note if the file is another one."""
    training = subject.bundle.manifest.get("training", {})
    rows = read_rows(path, subject.bundle.manifest["inputs"])
    columns = {name: [row[name] for row in rows] for name in subject.contract.names}
    same = hashlib.sha256(path.read_bytes()).hexdigest() == training.get("data_sha256")
    notes = [] if same else [f"{path.name} is not the file that the bundle was packaged with"]
    return captured.encode(subject.contract, columns), notes


def _left_out(subject: Subject, there: Any, why: str) -> list[str]:
    missing = [name for name in subject.features if name not in there]
    return [f"{why}: {', '.join(missing)}"] if missing else []


def _performance(
    subject: Subject, rows: Captured, path: Path, notes: list[str]
) -> list[performance.Metric]:
    labels = captured.read_labels(path)
    known = [at for at, key in enumerate(rows.keys) if key in labels]
    true = performance.as_output([labels[rows.keys[at]] for at in known], subject.contract.output)
    answers = [rows.predictions[at] for at in known]
    before = subject.bundle.manifest.get("metrics", {})
    found = performance.compare(before, true, answers)
    notes.append(f"{len(known):,} of {len(rows):,} rows have a label")
    others = sorted(set(before) - {metric.name for metric in found})
    if others:
        notes.append(f"metrics of the manifest that cannot be computed here: {', '.join(others)}")
    return found
