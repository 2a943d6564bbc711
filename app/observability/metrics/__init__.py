"""Outcome -> Prometheus, exact across worker processes.

`Metrics` is made in the master, where the bundle is known, and told of each request in a worker.
`families` says what there is, `layout` where it is kept, `shared_counters` how the workers' numbers
come together, `bins` and `tally` what a prediction adds, `exposition` how all of it reads.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from app.model.background import KEY as EXPLAIN
from app.observability.metrics import bins, families, processes
from app.observability.metrics.cached import CacheSlots
from app.observability.metrics.exposition import Exposition
from app.observability.metrics.families import SECONDS
from app.observability.metrics.layout import SlotLayout
from app.observability.metrics.shared_counters import SharedCounters, refusals
from app.observability.metrics.shared_exemplars import SharedExemplars, write
from app.observability.metrics.tally import FeatureTally, Tally
from app.urls import EVERY_URL, OF_UNMATCHED, UNMATCHED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from app.errors import FieldError
    from app.model.contract import Contract
    from app.observability.metrics.cached import CacheState
    from app.observability.metrics.exposition import Source
    from app.observability.outcome import Outcome

__all__ = ["Metrics", "ModelFacts"]

OTHER = "other"
# So many predictions, or values of their features, are added to the numbers together: enough for
# numpy to pay, few enough to take a fraction of a millisecond.
MAX_WAITING = 64
MAX_VALUES = 4096
# The kinds of RequestErrors and the words for them; 4xx only, what else fails has its own counters.
REASONS = {
    "not-json": "not_json",
    "not-csv": "not_csv",
    "malformed-compression": "malformed_compression",
    "media-type": "wrong_type",
    "too-large": "too_large",
    "slow-body": "slow_body",
    "header": "header",
    "contract": "contract",
    "too-many-rows": "too_many_rows",
    "malformed-tensor": "malformed_tensor",
    "unknown-model": "unknown_model",
    "unknown-version": "unknown_model",
    "no-finite-answer": "no_finite_answer",
    "model-refused": "model_refused",
}


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model before its first request."""

    manifest: dict[str, Any]
    digest: str
    engine: str
    contract: Contract
    workers: int = 1
    max_in_flight: int = 1
    max_features: int = 0
    # None: there is no cache, and no series of it.
    cache_bytes: int | None = None


class Metrics:
    """The metrics of one model: all of them in the master, one worker's part after `start`."""

    def __init__(
        self, facts: ModelFacts, folder: Path | None = None, *, traced: bool = False
    ) -> None:
        """`folder` is where the workers' numbers meet; None for a single process.

        `traced`: some requests are, and `add_exemplars` will be told of them.
        """
        self.layout = SlotLayout()
        self._folder = folder
        self._facts = facts
        # What each worker says of itself once: slot -> value.
        self._constants: dict[int, float] = {}
        self._add_requests()
        self._add_model()
        self._tally = self._add_predictions()
        self._features = self._add_features()
        self._cache = self._add_cache()
        self._pid = self.layout.add_hidden()
        self._add_processes()
        self.counters = SharedCounters(folder, self.layout.size)
        self._exemplars = SharedExemplars(folder, self.layout.size) if traced else None
        self._traced_values = memoryview(b"")
        # One at a time a memoryview is faster, all at once numpy: the same memory.
        self._numbers: memoryview[float] = memoryview(b"").cast("d")
        self._array = np.asarray(self._numbers)
        self._max_rows = MAX_VALUES // max(1, self._features.width)
        self._master = os.getpid()
        # The counters are not much younger; of all workers, however late, it is the same.
        self._began = processes.start_time(self._master)
        lookup = None if self._exemplars is None else self._exemplars.latest
        self._exposition = Exposition(self.layout, self._began, lookup)

    @property
    def worker_bytes(self) -> int:
        """What the numbers of a worker take in the folder."""
        more = 0 if self._exemplars is None else self._exemplars.worker_bytes
        return self.counters.worker_bytes + more

    def take(self) -> int:
        """The index of a new worker; for the master, before the fork."""
        return self.counters.take()

    def release(self, worker: int) -> None:
        """The worker of that index has ended; for the master."""
        self.counters.release(worker, self.layout.live)

    def start(self, worker: int, load_seconds: float) -> None:
        """This process is the worker of that index now, and ready after so long."""
        self._numbers = self.counters.numbers(worker)
        self._array = np.asarray(self._numbers)
        if self._exemplars is not None:
            self._traced_values = self._exemplars.records(worker)
        for slot, value in self._constants.items():
            self._numbers[slot] = value
        self._numbers[self._load] = load_seconds
        self._numbers[self._pid] = os.getpid()
        self._numbers[self._starts] += 1

    def in_flight(self, count: float) -> None:
        """So many requests are held now."""
        self._numbers[self._in_flight] = count

    def look_up(self, outcome: Outcome) -> None:
        """Find the bins of many rows right where they were predicted, which may be a thread."""
        if outcome.rows > self._max_rows and outcome.batch is not None:
            slots = self._features.slots([outcome.batch])
            outcome.bins = np.bincount(slots, minlength=self.layout.size)
            outcome.batch = None

    def record(self, outcome: Outcome, *, predicted: bool) -> None:
        """Count one finished request; in the worker's event loop only."""
        numbers, status = self._numbers, outcome.status
        slot = self._requests.get((outcome.route, status))
        if slot is None:
            slot = self._unforeseen[min(5, max(3, status // 100))]
        numbers[slot] += 1
        if predicted and outcome.kind == "ok" and not outcome.explained:
            tally = self._tally
            tally.add(outcome, self._durations[outcome.route])
            if len(tally) >= MAX_WAITING or tally.row_count >= self._max_rows:
                self.flush()
            return
        self._observe(self._durations.get(outcome.route, self._other_duration), outcome.seconds)
        if not predicted:
            return
        if status == 503:
            numbers[self._shed] += 1
        elif status == 504:
            numbers[self._deadline] += 1
        if outcome.explained:
            # A row that is explained is no traffic: what follows describes the model's own.
            return
        self._observe(self._queue_wait, outcome.waited)
        if status < 500:
            reason = REASONS.get(outcome.reason or outcome.kind, OTHER)
            numbers[self._rejections[reason]] += 1
            self._add_refused(outcome.errors)

    def captured(self, rows: Mapping[str, int]) -> None:
        """Count what became of sampled rows; in the worker's event loop only."""
        for result, count in rows.items():
            self._numbers[self._captured[result]] += count

    def cached(self, state: CacheState) -> None:
        """Count what the cache did, and how it is; in the worker's event loop only."""
        if self._cache is not None:
            self._cache.apply(self._numbers, state)

    def add_exemplars(self, outcome: Outcome) -> None:
        """Let its trace stand for the buckets a request was counted in; in the event loop only."""
        if outcome.trace is None:
            return
        trace_id, now = bytes.fromhex(outcome.trace.trace_id), time.time()
        route = self._durations.get(outcome.route, self._other_duration)
        observed = [(route, outcome.seconds)]
        if outcome.kind == "ok" and not outcome.explained:
            observed += zip(self._phases, (outcome.waited, *outcome.phases), strict=True)
        elif not outcome.explained:
            observed.append((self._queue_wait, outcome.waited))
        for first, seconds in observed:
            slot = first + bisect_left(SECONDS, seconds)
            write(self._traced_values, slot, trace_id, seconds, now)

    def flush(self) -> None:
        """Add what waits to the numbers."""
        if len(self._tally):
            self._tally.flush(self._array, self._features)

    def add(self, source: Source) -> None:
        """Let a scrape have the metrics of another part of this process; for a single process."""
        self._exposition.others.append(source)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All of it, over all workers, and its content type, by the request's header `Accept`."""
        self.flush()
        workers = self.counters.read()
        total = self.layout.aggregate(workers)
        pids = [int(numbers[self._pid]) for numbers in workers if numbers[self._pid]]
        everyone = sorted({self._master, *pids})
        total[self._refusals] = refusals(self._folder)
        total[self._cpu] = processes.cpu_seconds(
            self._master, [pid for pid in pids if pid != self._master]
        )
        total[self._memory] = processes.memory_bytes(everyone)
        total[self._started] = self._began
        total[self._files] = processes.open_files(everyone)
        total[self._max_files] = processes.max_files()
        return self._exposition.render(accept, total.tolist())

    def _observe(self, first: int, seconds: float) -> None:
        self._numbers[first + bisect_left(SECONDS, seconds)] += 1
        self._numbers[first + len(SECONDS) + 1] += seconds

    def _add_refused(self, errors: Iterable[FieldError]) -> None:
        for error in errors:
            slot = self._unusable.get(error.unusable) if error.unusable else None
            if slot is not None:
                self._numbers[slot] += 1

    def _add_requests(self) -> None:
        add, manifest = self.layout.add, self._facts.manifest
        model = (str(manifest["name"]), str(manifest["version"]))
        statuses = {url.path: url.statuses for url in EVERY_URL} | {UNMATCHED: OF_UNMATCHED}
        self._requests = {
            (path, status): add(families.REQUESTS, path, str(status), *model)
            for path, listed in statuses.items()
            for status in listed
        }
        self._unforeseen = {
            hundred: add(families.REQUESTS, UNMATCHED, f"{hundred}xx", *model)
            for hundred in (3, 4, 5)
        }
        # A model that is not explained only refuses: no histogram of its own for that.
        is_explained = manifest.get(EXPLAIN) is not None
        predicting = [
            url.path for url in EVERY_URL if url.predicts and url.explains <= is_explained
        ]
        self._durations = {path: add(families.DURATION, path) for path in predicting}
        self._other_duration = add(families.DURATION, OTHER)
        self._queue_wait = add(families.QUEUE_WAIT)
        self._in_flight = add(families.IN_FLIGHT)
        self._constants[add(families.IN_FLIGHT_LIMIT)] = self._facts.max_in_flight
        self._shed = add(families.SHED)
        self._deadline = add(families.DEADLINE)
        reasons = sorted({*REASONS.values(), OTHER})
        self._rejections = {reason: add(families.REJECTIONS, reason) for reason in reasons}
        self._captured = {
            result: add(families.CAPTURED, result) for result in families.CAPTURE_RESULTS
        }

    def _add_model(self) -> None:
        add, facts = self.layout.add, self._facts
        name, version = str(facts.manifest["name"]), str(facts.manifest["version"])
        self._constants[add(families.INFO, name, version, facts.digest, facts.engine)] = 1
        if created := facts.manifest.get("created"):
            self._constants[add(families.CREATED)] = datetime.fromisoformat(created).timestamp()
        self._load = add(families.LOAD)
        self._refusals = add(families.REFUSALS)

    def _add_predictions(self) -> Tally:
        add, contract, manifest = self.layout.add, self._facts.contract, self._facts.manifest
        self._phases = (
            self._queue_wait,
            add(families.PREPROCESS),
            add(families.INFERENCE),
            add(families.POSTPROCESS),
        )
        rows = add(families.BATCH_ROWS)
        confidence = add(families.CONFIDENCE) if contract.output.probabilities else None
        parts = bins.of_predictions(contract.output, manifest.get("prediction_reference"))
        counted = []
        for part in parts:
            counted.append((part, self.layout.size))
            for label in part.series:
                add(families.PREDICTIONS, label)
        for part in parts:
            for label, ratio in zip(part.series, part.bins.ratios or (), strict=False):
                # Of all counted values, so that the ratios add up to 1 as the counts' shares do.
                slot = add(families.PREDICTION_REFERENCE, label)
                self._constants[slot] = ratio / len(parts)
        return Tally(self._phases, rows, confidence, counted, contract.output.class_slices)

    def _add_features(self) -> FeatureTally:
        add, facts = self.layout.add, self._facts
        self._unusable: dict[tuple[str, str], int] = {}
        entries = {entry["name"]: entry for entry in facts.manifest.get("reference") or ()}
        listed = facts.contract.inputs[: facts.max_features]
        names = bins.distinct([feature.name for feature in listed], ())
        counted = []
        for column, feature in enumerate(listed):
            if feature.name not in entries:
                continue
            own = bins.of_feature(entries[feature.name])
            counted.append((column, own, self.layout.size))
            for label in own.labels:
                self._unusable[feature.name, label] = add(
                    families.FEATURE_BINS, names[column], label
                )
        for column, own, _ in counted:
            for label, ratio in zip(own.labels, own.ratios or (), strict=False):
                self._constants[add(families.FEATURE_REFERENCE, names[column], label)] = ratio
        return FeatureTally(counted)

    def _add_cache(self) -> CacheSlots | None:
        if self._facts.cache_bytes is None:
            return None
        slots = CacheSlots(self.layout.add)
        self._constants[slots.limit] = self._facts.cache_bytes
        return slots

    def _add_processes(self) -> None:
        add = self.layout.add
        self._starts = add(families.STARTS)
        self._constants[add(families.WORKERS)] = self._facts.workers
        self._cpu = add(families.CPU)
        self._memory = add(families.MEMORY)
        self._started = add(families.STARTED)
        self._files = add(families.OPEN_FILES)
        self._max_files = add(families.MAX_FILES)
