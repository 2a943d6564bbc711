"""Generates docs/reference/metrics.md from the metric families; not used at runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.model.contract import MAX_PARTS, Contract, Output
from app.observability.metrics import MAX_WAITING, REASONS, Metrics, ModelFacts, bins, families
from app.observability.metrics.exposition import OPENMETRICS
from app.observability.metrics.families import Family
from app.settings import Settings
from app.urls import EVERY_URL, UNMATCHED

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = "docs/reference/metrics.md"
# Of each sample model, in format 0.0.4 and in OpenMetrics; a test compares with what its service
# exports.
SAMPLES = {"diabetes": (746, 1120), "iris": (641, 939), "penguins": (623, 929)}
# A model without a feature or a class: what every pod has.
BARE = ModelFacts(
    manifest={"name": "bare", "version": "0", "created": "2000-01-01T00:00:00Z"},
    digest="",
    engine="onnx",
    contract=Contract((), Output("regressor", "y", None, probabilities=False)),
)


def page() -> str:
    """The whole page."""
    listed = [value for value in vars(families).values() if isinstance(value, Family)]
    reasons = _words([*dict.fromkeys(REASONS.values()), "other"])
    paths = ", ".join(f"`{url.path}`" for url in EVERY_URL if url.predicts)
    lines = [
        "# Metrics",
        "",
        "The metrics of `/metrics`; `make generate` writes this page from",
        "`app/observability/metrics/families.py`.",
        "Every series exists from the start, at 0, and every worker reports the values of all",
        "workers of its pod. Alert rules and dashboards: [observe](../how-to/observe.md). Design:",
        "[decision 0002](../decisions/0002-metrics.md).",
        "",
        "| metric | type | unit | labels | across workers | meaning |",
        "|---|---|---|---|---|---|",
        *(_row(family) for family in listed),
        "",
        "## Formats",
        "The request's `Accept` header chooses; names, labels and values are the same in both.",
        "",
        "| | Prometheus text 0.0.4 | OpenMetrics 1.0 |",
        "|---|---|---|",
        "| who gets it | everyone who does not ask for OpenMetrics, such as `curl` | Prometheus |",
        "| `# UNIT` | | where the name ends with the unit |",
        "| `_created`: start of the master, which no new worker moves | | each counter and "
        f"histogram but {_without_created(listed)}, which outlives the master |",
        "| exemplars: latest `trace_id` of a bucket | | with [tracing](../how-to/trace.md): "
        f"{_with_exemplars(listed)} |",
        "",
        "## Label values",
        "- All pods of a release have the same labels; Prometheus adds namespace, pod and job.",
        f"- `route` of `ml_requests_total`: the patterns of `app/urls.py`, and `{UNMATCHED}` for",
        "  any other URL; each with its possible statuses. Other statuses are counted under",
        f"  `{UNMATCHED}` as `3xx`, `4xx` or `5xx`.",
        f"- `route` of `ml_request_duration_seconds`: {paths}, and `other` for the rest.",
        f"- `reason` of `ml_input_rejections_total`: {reasons}.",
        f"- `level` of `ml_cache_hits_total`: {_words(families.CACHE_LEVELS)}. `reason` of",
        f"  `ml_cache_errors_total`: {_words(families.CACHE_REASONS)}; what each means and what to",
        "  do: [cache](../how-to/cache.md#metrics). All `ml_cache_...` are there only with",
        "  `CACHE_BYTES` or `CACHE_URL`.",
        "- `bin` of a number: `0` to `n-1`, the ranges of the sample (a range includes its lower",
        "  edge, the last one both), `below`, `above`, `missing`. Of a closed list: its texts,",
        "  `missing`, `unseen`. Of categories beside which any text is answered, and of sensitive",
        "  ones: `category 0` and so on, which tell nothing of the training data. Of a boolean:",
        "  `false`, `true`, `missing`, `unseen`. Of free text, and of a feature without values in",
        "  the sample: `0` for any value, `missing`.",
        "- `prediction`: the class; for a regressor the range of the model's predictions on the",
        "  sample, `below`, `above`; `0` if the bundle has no prediction reference. Of several",
        "  targets `<target>=<class or range>`, of a vector `<position>=<range>`: each row counts",
        f"  once for each, of at most the first {MAX_PARTS}. Their drift is then the mean of",
        "  the targets'; `modelctl drift report` tells them apart.",
        f"- The {bins.MAX_CATEGORIES} most frequent categories of a feature in the sample, and",
        f"  {bins.MAX_CATEGORIES} classes, have labels of their own; the rest is `other`. A text",
        f"  is truncated to {bins.MAX_LABEL} characters, an empty one is `(empty)`, and duplicates",
        "  get the suffix `~2`.",
        "",
        "## What is counted, and when",
        "- A request is counted before its client has the response. Histograms, classes and bins",
        "  are updated in batches: immediately in the worker that serves `/metrics`, in the others",
        f"  within a second or after {MAX_WAITING} requests.",
        "- Counts of workers that exit, are replaced or reloaded are kept. After SIGKILL the",
        "  worker's last batch is lost, at most one second; the number of requests is complete.",
        "- Bins count the rows of answered requests. A value that a closed list does not have,",
        "  and a null where values are required, get 422; they are counted as `unseen` and",
        "  `missing` nevertheless, because they indicate a change upstream.",
        "- Requests that gunicorn rejects as invalid HTTP are not counted.",
        "- `DRIFT_MAX_FEATURES` limits the counted features to the first of the contract; 0",
        "  disables bins of features.",
        "",
        "## Series per pod",
        f"Every pod has {_bare('')} series, a classifier with probabilities "
        f"{len(families.SHARES) + 3} more. Each class",
        "or range of predictions and each bin of a feature adds 2, a counter and a reference:",
        "a number with ten ranges has 13 bins, a category 2 more than it has values. With the",
        f"default of {_default_features()} features these are at most "
        f"{2 * _default_features() * (bins.MAX_CATEGORIES + 3):,} more; 100 numbers have 2,600.",
        f"OpenMetrics adds {_bare(OPENMETRICS) - _bare('')} of `_created` to every pod, one for "
        "probabilities, and one for each class,",
        "range and bin; [observe](../how-to/observe.md#openmetrics-and-exemplars) says how to",
        "leave them out.",
        "",
        "| sample model | series in 0.0.4 | in OpenMetrics |",
        "|---|--:|--:|",
        *(f"| {name} | {plain} | {more} |" for name, (plain, more) in SAMPLES.items()),
    ]
    return "\n".join(lines) + "\n"


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _without_created(listed: list[Family]) -> str:
    counting = [family for family in listed if family.kind in ("counter", "histogram")]
    return ", ".join(f"`{family.name}`" for family in counting if not family.has_created)


def _with_exemplars(listed: list[Family]) -> str:
    return ", ".join(f"`{family.name}`" for family in listed if family.has_exemplars)


def _row(family: Family) -> str:
    across = "" if family.at_scrape else "max" if family.over_workers == "max" else "sum"
    labels = ", ".join(f"`{label}`" for label in family.labels)
    text = family.help
    if family.buckets:
        text += f" Buckets from {family.buckets[0]:g} to {family.buckets[-1]:g}."
    return f"| `{family.name}` | {family.kind} | {family.unit} | {labels} | {across} | {text} |"


def _bare(accept: str) -> int:
    """Series in the format for this header, without those of its one prediction."""
    metrics = Metrics(BARE)
    metrics.start(metrics.take(), 0.0)
    text, _ = metrics.exposition(accept)
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return len([line for line in lines if not line.startswith("ml_predictions_")])


def _default_features() -> int:
    return Settings().drift_max_features
