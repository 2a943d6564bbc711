"""What /metrics offers: every family with its type, labels and meaning, and nothing that counts.

The only list of our metrics: the exposition and docs/reference/metrics.md are both made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# From 100 µs: a linear model answers below a millisecond, which default buckets cannot see.
SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0,
)  # fmt: skip
ROWS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


# What becomes of a sampled row.
CAPTURE_RESULTS = ("written", "no_memory", "no_disk")
# Where a prediction was found, and what may go wrong instead (docs/how-to/cache.md).
CACHE_LEVELS = ("memory", "redis", "flight")
CACHE_REASONS = ("timeout", "connection", "refused", "dropped", "invalid", "unstorable")


@dataclass(frozen=True)
class Family:
    """One metric. `over_workers`: how the numbers of several workers become one.

    `live`: it says how things are, so a worker takes its part with it when it ends. `at_scrape`: no
    worker keeps it, whoever is asked finds it out. `outlives_master`: it goes on counting when a
    new master starts in the same pod. `has_exemplars`: its buckets may name a traced request.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()
    over_workers: Literal["sum", "max"] = "sum"
    live: bool = False
    at_scrape: bool = False
    outlives_master: bool = False
    has_exemplars: bool = False

    @property
    def has_created(self) -> bool:
        """Whether the start of the master is when it began to count."""
        return self.kind in ("counter", "histogram") and not self.outlives_master


REQUESTS = Family(
    "ml_requests_total", "counter", "Finished requests by URL pattern and status.",
    ("route", "code", "model", "version"),
)  # fmt: skip
DURATION = Family(
    "ml_request_duration_seconds", "histogram",
    "Time from the whole request to its answer; `other`: all URLs that do not predict or explain.",
    ("route",), "seconds", SECONDS, has_exemplars=True,
)  # fmt: skip
QUEUE_WAIT = Family(
    "ml_queue_wait_seconds", "histogram",
    "Time from the whole request until work on it began, of requests for a prediction.",
    (), "seconds", SECONDS, has_exemplars=True,
)  # fmt: skip
PREPROCESS = Family(
    "ml_preprocess_seconds", "histogram",
    "Reading, checking and encoding the rows of an answered prediction.",
    (), "seconds", SECONDS, has_exemplars=True,
)  # fmt: skip
INFERENCE = Family(
    "ml_inference_seconds", "histogram", "The engine's part of an answered prediction.",
    (), "seconds", SECONDS, has_exemplars=True,
)  # fmt: skip
POSTPROCESS = Family(
    "ml_postprocess_seconds", "histogram", "Writing the answer of a prediction.",
    (), "seconds", SECONDS, has_exemplars=True,
)  # fmt: skip
BATCH_ROWS = Family(
    "ml_batch_rows", "histogram", "Rows of an answered prediction; its sum is all rows predicted.",
    (), "rows", ROWS,
)  # fmt: skip
CONFIDENCE = Family(
    "ml_confidence", "histogram", "Highest class probability of each predicted row and target.",
    (), "ratio", SHARES,
)  # fmt: skip
PREDICTIONS = Family(
    "ml_predictions_total", "counter",
    "Predicted rows by class, or by the reference's range of a number; of several targets, and of "
    "a vector's numbers, one for each.", ("prediction",), "rows",
)  # fmt: skip
PREDICTION_REFERENCE = Family(
    "ml_prediction_reference_ratio", "gauge",
    "Share of the same prediction in the sample the model was packaged with; all add up to 1.",
    ("prediction",), "ratio", over_workers="max",
)  # fmt: skip
FEATURE_BINS = Family(
    "ml_feature_bin_total", "counter",
    "Values of each feature by the reference's bins; `missing` and `unseen` also in refused rows.",
    ("feature", "bin"), "values",
)  # fmt: skip
FEATURE_REFERENCE = Family(
    "ml_feature_reference_ratio", "gauge",
    "Share of the same bin in the sample the model was packaged with.",
    ("feature", "bin"), "ratio", over_workers="max",
)  # fmt: skip
IN_FLIGHT = Family(
    "ml_requests_in_flight", "gauge",
    "Requests in flight, running or queued; predictions answered inline are not counted.",
    (), "requests", live=True,
)  # fmt: skip
IN_FLIGHT_LIMIT = Family(
    "ml_requests_in_flight_limit", "gauge",
    "Limit of requests in flight over the running workers.", (), "requests", live=True,
)  # fmt: skip
SHED = Family(
    "ml_requests_shed_total", "counter", "Requests refused with 503 because too many are in flight."
)
DEADLINE = Family(
    "ml_deadline_exceeded_total", "counter", "Requests that ended with 504, past their deadline."
)
REJECTIONS = Family(
    "ml_input_rejections_total", "counter",
    "Requests for a prediction refused with 4xx, by reason.", ("reason",),
)  # fmt: skip
CAPTURED = Family(
    "ml_capture_rows_total", "counter",
    "Rows sampled by CAPTURE_RATIO: written, or dropped for want of memory or disk.",
    ("result",), "rows",
)  # fmt: skip
CACHE_HITS = Family(
    "ml_cache_hits_total", "counter",
    "Predictions not computed: from memory, from Redis, or of an equal request at the same time.",
    ("level",),
)  # fmt: skip
CACHE_MISSES = Family(
    "ml_cache_misses_total", "counter", "Predictions that the engine computed beside the cache."
)
CACHE_ERRORS = Family(
    "ml_cache_errors_total", "counter",
    "What went wrong with the cache, by reason; every such request was answered by the engine.",
    ("reason",),
)  # fmt: skip
CACHE_EVICTIONS = Family(
    "ml_cache_evictions_total", "counter", "Predictions that left the memory for newer ones."
)
CACHE_WAIT = Family(
    "ml_cache_wait_seconds_total", "counter",
    "Time that predictions waited for Redis, which they would not without a cache.", (), "seconds",
)  # fmt: skip
CACHE_BYTES = Family(
    "ml_cache_bytes", "gauge", "Memory of the cached predictions.", (), "bytes", live=True
)
CACHE_LIMIT = Family(
    "ml_cache_limit_bytes", "gauge", "Limit of that memory, over the running workers.",
    (), "bytes", live=True,
)  # fmt: skip
CACHE_CONNECTED = Family(
    "ml_cache_connected", "gauge", "Running workers whose Redis answers within the budget.",
    (), "processes", live=True,
)  # fmt: skip
INFO = Family(
    "ml_model_info", "info", "The loaded model; always 1.",
    ("name", "version", "digest", "engine"), over_workers="max",
)  # fmt: skip
CREATED = Family(
    "ml_model_created_timestamp_seconds", "gauge",
    "Commit time of the training code, from the manifest; absent if the manifest has none.",
    (), "seconds", over_workers="max",
)  # fmt: skip
LOAD = Family(
    "ml_model_load_seconds", "gauge",
    "Time to ready of the slowest running worker; a replacement counts from its fork.",
    (), "seconds", over_workers="max", live=True,
)  # fmt: skip
REFUSALS = Family(
    "ml_model_verification_failures_total", "counter",
    "Starts in this pod that refused the bundle; reset when the metrics folder is deleted.",
    at_scrape=True, outlives_master=True,
)  # fmt: skip
STARTS = Family(
    "ml_worker_starts_total", "counter", "Workers that became ready; above ml_workers: restarts."
)
WORKERS = Family(
    "ml_workers", "gauge", "Configured number of workers.", (), "processes", over_workers="max"
)
CPU = Family(
    "process_cpu_seconds_total", "counter",
    "CPU time of the master and its workers, including ended ones.", (), "seconds",
    at_scrape=True,
)  # fmt: skip
MEMORY = Family(
    "process_resident_memory_bytes", "gauge",
    "Resident memory of the master and its workers; shared pages count once if the kernel reports "
    "them.",
    (), "bytes", at_scrape=True,
)  # fmt: skip
STARTED = Family(
    "process_start_time_seconds", "gauge", "Start time of the master, since the epoch.",
    (), "seconds", at_scrape=True,
)  # fmt: skip
OPEN_FILES = Family(
    "process_open_fds", "gauge", "Open file descriptors of the process with the most.",
    (), "descriptors", at_scrape=True,
)  # fmt: skip
MAX_FILES = Family(
    "process_max_fds", "gauge", "Maximum of open file descriptors of a process.",
    (), "descriptors", at_scrape=True,
)  # fmt: skip
