"""One loaded model with everything a request needs: the core that every route calls.

Bytes in, replies out; knows no web framework. Built once in the master; `start_worker` completes it
in each worker, because metrics and predictions must not precede the fork.
"""

from __future__ import annotations

import hashlib
import math
import time
from typing import TYPE_CHECKING, Any

import orjson

from app.admission import Deadline, InFlight
from app.cache import cache as caches
from app.estimates import INLINE_SECONDS, Estimate
from app.model import engine as engines
from app.model import manifest as manifests
from app.model.background import read_background
from app.model.bundle import Bundle, verify
from app.model.examples import example_row, without_example
from app.model.explainer import Explainer
from app.model.validation import Validator
from app.observability import capture, tracing
from app.observability.logs import MAX_VALUES, RequestLog
from app.observability.metrics import Metrics, ModelFacts
from app.openapi import document as openapi
from app.openapi import page as docs_page
from app.openapi.examples import example_bodies, small_examples
from app.protocols.explanations import Explanations
from app.protocols.grpc.inference import Inference
from app.protocols.invocations import Invocations
from app.protocols.native import Native
from app.protocols.rows import RowReader
from app.protocols.v1 import V1
from app.protocols.v2 import V2

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.observability.outcome import Outcome
    from app.protocols.call import Call
    from app.responses import Reply
    from app.settings import Settings

# A prediction slower than this is timed only once at start-up.
SLOW_SECONDS = 0.05
# Keys of the manifest in /model/info: what a caller needs, without the hashes of files.
PUBLIC = ("name", "version", "description", "created", "engine", "inputs", "output", "metrics",
          "training", "parity", "environment")  # fmt: skip


class Service:
    """A verified bundle, its engine and the state of this worker."""

    def __init__(self, settings: Settings, bundle: Bundle, started: float) -> None:
        """Load the engine. `started`: time.perf_counter() when the process began.

        Raises BundleRefusedError, or SettingRefusedError for a setting invalid for the model.
        """
        self.settings = settings
        self.bundle = bundle
        described, self.contract = manifests.verify(bundle.manifest)
        self.engine = engines.load(bundle, self.contract)
        self.cache = caches.from_settings(settings, bundle, self.contract, self.engine)
        background = read_background(bundle, self.contract)
        explainer = None
        if background is not None:
            explainer = Explainer(self.engine, self.contract, background)
        self.explanations = Explanations(explainer, self.contract.output, settings.max_batch_rows)
        self.in_flight = InFlight(settings.max_in_flight)
        self.is_ready = False
        self.is_draining = False
        self.name, self.version = described.name, described.version
        self.description = described.description or ""
        validator = Validator(self.contract)
        common = (self.contract, validator, settings.max_batch_rows)
        rows = RowReader(*common)
        self.native = Native(self.version, rows, self.contract.output)
        self.invocations = Invocations(self.version, rows, *common)
        self.v1 = V1(self.name, self.version, *common)
        self.v2 = V2(self.name, self.version, *common)
        self.grpc = Inference(self.v2)
        row = example_row(self.contract)
        tensors = self.v2.describe_tensors()
        bodies = example_bodies(self.contract, row, tensors["inputs"])
        # A refusal shows a body that is right, or none.
        self.examples = {} if without_example(self.contract) else small_examples(bodies)
        self.openapi = self._describe(row, tensors)
        self.docs = docs_page.load() if settings.docs_enabled else None
        identity = {"model": self.name, "version": self.version, "digest": bundle.digest}
        self._capture = capture.from_settings(settings, self.contract, identity)
        self.tracing = tracing.from_settings(settings, self.name, self.version, bundle.digest)
        self.metrics = self._count()
        self.in_flight.observe = self.metrics.in_flight
        self._started = started
        self._to_answer = self._to_read = Estimate()
        self._row_bytes = 1
        # A transformed row is too close to the input, which is never logged.
        is_vector = self.contract.output.kind == "transformer"
        self._log = RequestLog(
            sample_ratio=settings.log_sample_ratio,
            version=self.version,
            digest=bundle.digest,
            max_values=0 if is_vector else MAX_VALUES,
        )

    def start_worker(self, index: int | None = None, since: float | None = None) -> None:
        """Warm up and become ready; call it once in every worker. Raises BundleRefusedError.

        `index` is what `metrics.take` gave the master for this worker; None: there is no master.
        `since`: time.perf_counter() at the fork of a worker that replaces another.
        """
        self._log.start_worker()
        if self.tracing is not None:
            self.tracing.start_worker()
        if self._capture is not None:
            self._capture.start_worker()
        if self.cache is not None:
            self.cache.start_worker()
        engines.self_test(self.bundle, self.contract, self.engine)
        self._calibrate()
        self.is_ready = True
        seconds = time.perf_counter() - (self._started if since is None else since)
        self.metrics.start(self.metrics.take() if index is None else index, seconds)
        self._log.model_loaded(name=self.name, engine=self.engine.name, seconds=seconds)

    def answer(
        self, body: bytes, deadline: Deadline, outcome: Outcome, read: Callable[[bytes], Call]
    ) -> Reply:
        """Answer a body; `read` parses it by its protocol. Raises RequestError."""
        deadline.raise_if_passed()
        started = time.perf_counter()
        outcome.input_sha256 = hashlib.sha256(body).hexdigest()
        call = read(body)
        validated = time.perf_counter()
        if self.cache is None or outcome.explained:
            prediction = self.engine.predict(call.batch)
        else:
            prediction = self.cache.predict(call.batch, deadline, stored_only=outcome.stored_only)
        if outcome.explained:
            self.explanations.add(call.batch, prediction, deadline)
        predicted = time.perf_counter()
        deadline.raise_if_passed()
        outcome.rows = len(call.batch)
        outcome.values = prediction.values
        if self._capture is not None and not outcome.explained:
            self._capture.sample(call.batch, prediction.values, outcome.request_id)
        reply = call.write(prediction, outcome.request_id)
        written = time.perf_counter()
        outcome.begun = started
        outcome.phases = (validated - started, predicted - validated, written - predicted)
        if not outcome.explained:
            outcome.batch, outcome.probabilities = call.batch, prediction.probabilities
            self.metrics.look_up(outcome)
        return reply

    def expected_seconds(self, body_bytes: int, *, explains: bool = False) -> float:
        """Estimated time to answer a body of this size, from the measurements at warm-up."""
        seconds = self._to_answer.seconds(body_bytes)
        if explains:
            seconds += self.explanations.expected_seconds(body_bytes // self._row_bytes)
        return seconds

    def is_quick(self, body_bytes: int, *, explains: bool = False) -> bool:
        """Whether an event loop may answer by itself, without a thread."""
        if self.cache is not None and self.cache.is_shared and not explains:
            # It may wait for another server, however fast the model is.
            return False
        return self.expected_seconds(body_bytes, explains=explains) <= INLINE_SECONDS

    def stored_seconds(self, body_bytes: int, *, explains: bool = False) -> float:
        """Estimated time to find a prediction in memory; infinite where there cannot be one."""
        if explains or not self.settings.cache_bytes:
            return math.inf
        return self._to_read.seconds(body_bytes)

    def _calibrate(self) -> None:
        """Measure one row and the largest allowed batch of the sample, for `expected_seconds`."""
        sample = orjson.loads(self.bundle.read(engines.SAMPLE))["rows"]
        rows = sample[: self.settings.max_batch_rows]
        bodies = [orjson.dumps({"instances": batch}) for batch in (rows[:1], rows)]
        (read, answered), (read_all, answered_all) = map(self._measure, bodies)
        short, long = map(len, bodies)
        self._to_answer = Estimate.through((short, answered), (long, answered_all))
        self._to_read = Estimate.through((short, read), (long, read_all))
        self._row_bytes = len(bodies[0])
        self.explanations.prepare(engines.first_row(self.bundle, self.contract))

    def _measure(self, body: bytes) -> tuple[float, float]:
        """Seconds to read and to answer a body: the best of three, or of one if it is slow."""
        best_read = best = math.inf
        for _ in range(3):
            started = time.perf_counter()
            call = self.native.read(body)
            best_read = min(best_read, time.perf_counter() - started)
            call.write(self.engine.predict(call.batch), "")
            best = min(best, time.perf_counter() - started)
            if best > SLOW_SECONDS:
                break
        return best_read, best

    @property
    def is_accepting(self) -> bool:
        """Whether this worker should receive new requests."""
        return self.is_ready and not self.is_draining

    def finish(self, outcome: Outcome, *, predicted: bool) -> None:
        """Count a finished request; log it if it was for a prediction, was refused, or failed.

        Lines about predictions are buffered until `flush`.
        """
        self.metrics.record(outcome, predicted=predicted)
        if outcome.traced and self.tracing is not None:
            self.metrics.add_exemplars(outcome)
            self.tracing.end(outcome)
        if outcome.failure is not None:
            self._log.failed(outcome)
        elif predicted or outcome.kind != "ok":
            self._log.completed(outcome)

    def flush(self) -> None:
        """Write the buffered log lines."""
        self._log.flush()

    def end_worker(self) -> None:
        """Write out whatever this worker has buffered; call it on a graceful shutdown."""
        if self._capture is not None:
            self._capture.close()
        if self.cache is not None:
            self.cache.close()
        self.flush_metrics()
        if self.tracing is not None:
            self.tracing.stop()

    def flush_metrics(self) -> None:
        """Let the metrics of all workers have what was counted here; now and then.

        What asks for /metrics has it at once; this is for when another worker is asked.
        """
        if self._capture is not None:
            self.metrics.captured(self._capture.results())
        if self.cache is not None:
            self.metrics.cached(self.cache.state())
        self.metrics.flush()

    def _count(self) -> Metrics:
        facts = ModelFacts(
            manifest=self.bundle.manifest,
            digest=self.bundle.digest,
            engine=self.engine.name,
            contract=self.contract,
            workers=self.settings.worker_count,
            max_in_flight=self.settings.max_in_flight,
            max_features=self.settings.drift_max_features,
            cache_bytes=None if self.cache is None else self.settings.cache_bytes,
        )
        traced = self.tracing is not None
        return Metrics(facts, self.settings.metrics_folder, traced=traced)

    def _describe(self, row: list[Any], tensors: dict[str, list[dict[str, Any]]]) -> bytes:
        """Build the OpenAPI document around one example row."""
        info = openapi.ServiceInfo(
            name=self.name,
            version=self.version,
            description=self.description,
            digest=self.bundle.digest,
            max_rows=self.settings.max_batch_rows,
            has_metrics=self.settings.metrics_port is None,
            has_docs=self.settings.docs_enabled,
            explain=self.explanations.describe(),
        )
        described = openapi.document(
            info,
            self.contract,
            row,
            self.v1.signatures,
            tensors,
        )
        return orjson.dumps(described)

    def info(self) -> dict[str, Any]:
        """The public part of the manifest, and the digest."""
        manifest = self.bundle.manifest
        public = {key: manifest[key] for key in PUBLIC if key in manifest}
        public["inputs"] = [feature.as_public() for feature in self.contract.inputs]
        public["explain"] = self.explanations.describe()
        return {**public, "digest": self.bundle.digest}


def load_service(settings: Settings, started: float) -> Service:
    """Verify the bundle, load it and self-test it in a child process.

    Raises BundleRefusedError.
    """
    bundle = verify(settings.model_dir, settings.model_digest)
    service = Service(settings, bundle, started)
    engines.self_test_in_child(bundle, service.contract, service.engine)
    return service
