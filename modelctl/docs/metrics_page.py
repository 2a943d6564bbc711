"""The page docs/reference/metrics.md, from the list of families and what counts them.

Nothing in the service reads it while it runs.
"""

from __future__ import annotations

from app.model.contract import Contract, Output
from app.observability.metrics import MAX_WAITING, REASONS, Metrics, ModelFacts, bins, families
from app.observability.metrics.exposition import OPENMETRICS
from app.observability.metrics.families import Family
from app.settings import Settings
from app.urls import UNMATCHED, URLS

PAGE = "docs/reference/metrics.md"
# Of each sample model, in format 0.0.4 and in OpenMetrics; a test compares with what its service
# exports.
SAMPLES = {"diabetes": (617, 898), "iris": (474, 677), "penguins": (494, 707)}
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
    reasons = ", ".join(f"`{reason}`" for reason in [*dict.fromkeys(REASONS.values()), "other"])
    paths = ", ".join(f"`{url.path}`" for url in URLS if url.predicts)
    lines = [
        "# Metrics",
        "",
        "What `/metrics` offers; `make generate` writes this page from",
        "`app/observability/metrics/families.py`. Every series is there from the start, at 0, and",
        "whichever worker is asked answers for all workers of its pod. Rules and dashboards made",
        "of these: [observe](../how-to/observe.md). Why we count as we do:",
        "[decision](../decisions/0002-metrics.md).",
        "",
        "| metric | type | unit | labels | over workers | meaning |",
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
        "## Values of labels",
        "- No label differs between pods of a release; Prometheus adds namespace, pod and job.",
        f"- `route` of `ml_requests_total`: the patterns of `app/urls.py`, and `{UNMATCHED}` for",
        "  what no URL answers; each with the statuses it may answer with. A status that is not",
        f"  listed there counts under `{UNMATCHED}` as `3xx`, `4xx` or `5xx`.",
        f"- `route` of `ml_request_duration_seconds`: {paths}, and `other` for the rest.",
        f"- `reason`: {reasons}.",
        "- `bin` of a number: `0` to `n-1`, the ranges of the sample (a range has its lower edge,",
        "  the last one both), `below`, `above`, `missing`. Of a category: its text, `missing`,",
        "  `unseen`. Of a boolean: `false`, `true`, `missing`, `unseen`. Of free text, and of a",
        "  feature that had no value in the sample: `0` for any value, `missing`.",
        "- `prediction`: the class; of a number the range of the model's own predictions on the",
        "  sample, `below`, `above`; `0` where the bundle has no reference of them.",
        f"- At most {bins.MAX_CATEGORIES} categories of a feature, the most frequent in the",
        f"  sample, and {bins.MAX_CATEGORIES} classes have a label of their own; the rest is",
        f"  `other`. A text is cut after {bins.MAX_LABEL} characters, an empty one is `(empty)`,",
        "  and one that is taken already gets `~2`.",
        "",
        "## What is counted, and when",
        "- A request is counted before its client has the answer. What a prediction adds to",
        "  histograms, classes and bins is added for several requests together: at once for the",
        "  worker that is asked for `/metrics`, for the others within a second or after",
        f"  {MAX_WAITING} requests.",
        "- Workers that end, are replaced or reloaded take nothing with them. After SIGKILL what",
        "  the killed worker had not added yet is missing: at most that second. The number of",
        "  requests is complete even then.",
        "- Bins count the rows of answered requests. The contract refuses a category that the",
        "  model has not seen, and a null where none may be, with 422; such values count as",
        "  `unseen` and `missing` all the same, because that is how a change upstream shows.",
        "- gunicorn answers what it cannot read as HTTP by itself; that is not counted.",
        "- `DRIFT_MAX_FEATURES` limits the features that are counted, the first of the contract; 0",
        "  switches bins of features off.",
        "",
        "## Series of a pod",
        f"Every pod has {_bare('')} series, a classifier with probabilities "
        f"{len(families.SHARES) + 3} more. Each class",
        "or range of predictions and each bin of a feature adds 2, one that counts and one for the",
        "reference: a number of ten ranges has 13 bins, a category 2 more than it has values. With",
        f"the default of {_default_features()} features these are at most "
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


def _without_created(listed: list[Family]) -> str:
    counting = [family for family in listed if family.kind in ("counter", "histogram")]
    return ", ".join(f"`{family.name}`" for family in counting if not family.has_created)


def _with_exemplars(listed: list[Family]) -> str:
    return ", ".join(f"`{family.name}`" for family in listed if family.has_exemplars)


def _row(family: Family) -> str:
    over = "" if family.at_scrape else "largest" if family.over_workers == "max" else "sum"
    labels = ", ".join(f"`{label}`" for label in family.labels)
    text = family.help
    if family.buckets:
        text += f" Buckets from {family.buckets[0]:g} to {family.buckets[-1]:g}."
    return f"| `{family.name}` | {family.kind} | {family.unit} | {labels} | {over} | {text} |"


def _bare(accept: str) -> int:
    """Series in the format for this header, without those of its one prediction."""
    metrics = Metrics(BARE)
    metrics.start(metrics.take(), 0.0)
    text, _ = metrics.exposition(accept)
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return len([line for line in lines if not line.startswith("ml_predictions_")])


def _default_features() -> int:
    return Settings().drift_max_features
