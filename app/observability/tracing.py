"""Spans of prediction requests, exported over OTLP; the only module that knows OpenTelemetry.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT is set; the library is not even imported then. A request's
spans are created after its response, from the timings that the metrics use too, so tracing adds no
latency; a thread of the library exports them.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from app import __version__
from app.errors import SettingRefusedError
from app.observability.trace_context import SAMPLED, TraceContext

if TYPE_CHECKING:
    from app.observability.outcome import Outcome
    from app.settings import Settings

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PHASES = ("preprocess", "inference", "postprocess")
# Returns the service's span to the client (W3C Trace Context, level 2).
RESPONSE_HEADER = "traceresponse"
# Time to export the last spans when a worker exits.
FLUSH_MS = 2000


def from_settings(settings: Settings, name: str, version: str, digest: str) -> Tracing | None:
    """The exporter of spans, or None if tracing is off. Raises SettingRefusedError."""
    if settings.otlp_endpoint is None:
        return None
    try:
        import opentelemetry.exporter.otlp.proto.http
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as error:
        expected = "an endpoint only in an image with OpenTelemetry"
        raise SettingRefusedError(
            f"environment variable {ENDPOINT} is invalid",
            expected=expected,
            found=f"{settings.otlp_endpoint[:100]!r} and no OpenTelemetry installed",
            fix=f"build the image with REQUIREMENTS=serve-otel, or unset {ENDPOINT}",
        ) from error
    attributes = {"service.name": settings.otel_service_name or name, "service.version": version}
    return Tracing(settings.trace_sample_ratio, attributes, digest)


def header(context: TraceContext) -> str:
    """The value of a `traceparent` header."""
    return f"00-{context.trace_id}-{context.span_id}-{SAMPLED if context.is_sampled else 0:02x}"


class Ids:
    """Id generator for the library: a request's ids are in its response before its span exists."""

    def __init__(self) -> None:
        self.own: TraceContext | None = None

    def generate_trace_id(self) -> int:
        """Called by the library, first for a root span."""
        return int(_random_id(128) if self.own is None else self.own.trace_id, 16)

    def generate_span_id(self) -> int:
        """Called by the library for every span; the request's own comes before its phases."""
        own, self.own = self.own, None
        return int(_random_id(64) if own is None else own.span_id, 16)

    def is_trace_id_random(self) -> bool:
        """Called by the library, for the flag of that name."""
        return True


class Tracing:
    """The spans of one worker. A thread may call `begin`, only the event loop `end`."""

    def __init__(self, sample_ratio: float, attributes: dict[str, str], digest: str) -> None:
        self._sample_ratio = sample_ratio
        self._attributes = attributes
        self._digest = digest
        self._ids = Ids()
        self._provider: Any = None
        self._tracer: Any = None

    def start_worker(self) -> None:
        """Start the thread that exports; call it after the fork."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        resource = Resource.create(self._attributes)
        ids: Any = self._ids
        self._provider = TracerProvider(
            ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=ids
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("ml-model", __version__)

    def begin(self, outcome: Outcome) -> None:
        """Decide whether to trace this request: as its caller decided, else by chance."""
        caller = outcome.trace
        is_chosen = random.random() < self._sample_ratio  # noqa: S311 - no secret
        if is_chosen if caller is None else caller.is_sampled:
            trace_id = _random_id(128) if caller is None else caller.trace_id
            outcome.caller = caller
            outcome.trace = TraceContext(trace_id, _random_id(64), is_sampled=True)
            outcome.traced = True

    def end(self, outcome: Outcome) -> None:
        """Create the spans of a completed request."""
        from opentelemetry import trace

        # Timings are from a monotonic clock, but spans need the time of day.
        offset = time.time() - time.perf_counter()

        def nanoseconds(seconds: float) -> int:
            return int((offset + seconds) * 1e9)

        self._ids.own = outcome.trace
        span = self._tracer.start_span(
            f"POST {outcome.route}",
            _parent(outcome.caller),
            trace.SpanKind.SERVER,
            self._describe(outcome),
            start_time=nanoseconds(outcome.received),
        )
        if outcome.status >= 500:
            span.set_status(trace.StatusCode.ERROR)
        context = trace.set_span_in_context(span)
        started = outcome.begun
        for name, seconds in zip(PHASES, outcome.phases, strict=True):
            if seconds:
                child = self._tracer.start_span(name, context, start_time=nanoseconds(started))
                child.end(nanoseconds(started + seconds))
            started += seconds
        span.end(nanoseconds(outcome.received + outcome.seconds))

    def stop(self) -> None:
        """Export the remaining spans; call it on graceful shutdown."""
        if self._provider is not None:
            self._provider.force_flush(FLUSH_MS)
            self._provider.shutdown()

    def _describe(self, outcome: Outcome) -> dict[str, Any]:
        """Attributes of a request's span: semantic conventions, and `ml.` for the others."""
        attributes = {
            "http.request.method": "POST",
            "http.route": outcome.route,
            "http.response.status_code": outcome.status,
            "ml.rows": outcome.rows,
            "ml.model.digest": self._digest,
            "ml.request_id": outcome.request_id,
        }
        return attributes if outcome.kind == "ok" else {**attributes, "error.type": outcome.kind}


def _random_id(bits: int) -> str:
    """A random id in hex; never zero, which is invalid."""
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"


def _parent(caller: TraceContext | None) -> Any:
    """The parent context of a span: the caller's, or an empty one for a root span."""
    from opentelemetry import context, trace

    empty = context.Context()
    if caller is None:
        return empty
    ids = int(caller.trace_id, 16), int(caller.span_id, 16)
    remote = trace.SpanContext(*ids, is_remote=True, trace_flags=trace.TraceFlags(SAMPLED))
    return trace.set_span_in_context(trace.NonRecordingSpan(remote), empty)
