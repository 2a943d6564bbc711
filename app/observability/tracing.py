"""Spans of requests for predictions, sent over OTLP; the only module that knows OpenTelemetry.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT is set: then the library is not even imported. A request's
spans are made once it is over, from the times that metrics use as well, so its answer waits for
none of it; a thread of the library sends them.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from app import __version__
from app.observability.trace_context import SAMPLED, TraceContext
from app.variables import refusal

if TYPE_CHECKING:
    from app.observability.outcome import Outcome
    from app.settings import Settings

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PHASES = ("preprocess", "inference", "postprocess")
# Tells the client which span answered it (W3C Trace Context, level 2).
RESPONSE_HEADER = "traceresponse"
# Time for the last spans when a worker ends.
END_MS = 2000


def from_settings(settings: Settings, name: str, version: str, digest: str) -> Tracing | None:
    """What sends spans, or None when nobody wants them. Raises SettingRefusedError."""
    if settings.otlp_endpoint is None:
        return None
    try:
        import opentelemetry.exporter.otlp.proto.http
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as error:
        without = "nothing in an image without OpenTelemetry (built with REQUIREMENTS=serve-otel)"
        raise refusal(ENDPOINT, without, settings.otlp_endpoint) from error
    attributes = {"service.name": settings.otel_service_name or name, "service.version": version}
    return Tracing(settings.trace_sample_ratio, attributes, digest)


def header(context: TraceContext) -> str:
    """The context as W3C Trace Context writes it."""
    return f"00-{context.trace_id}-{context.span_id}-{SAMPLED if context.sampled else 0:02x}"


class Ids:
    """Identifiers for the library: a request's own were in its answer before there was a span."""

    def __init__(self) -> None:
        self.own: TraceContext | None = None

    def generate_trace_id(self) -> int:
        """Called first for a span without a parent."""
        return int(_identifier(128) if self.own is None else self.own.trace_id, 16)

    def generate_span_id(self) -> int:
        """Called last for every span; the phases of the request come after it."""
        own, self.own = self.own, None
        return int(_identifier(64) if own is None else own.span_id, 16)

    def is_trace_id_random(self) -> bool:
        """For the flag of that name."""
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
        """Start the thread that sends; call it after the fork."""
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
        """Decide whether this request is traced: its caller's word counts, without one chance."""
        caller = outcome.trace
        chosen = random.random() < self._sample_ratio  # noqa: S311 - no secret
        if chosen if caller is None else caller.sampled:
            trace_id = _identifier(128) if caller is None else caller.trace_id
            outcome.caller = caller
            outcome.trace = TraceContext(trace_id, _identifier(64), sampled=True)
            outcome.traced = True

    def end(self, outcome: Outcome) -> None:
        """Make the spans of a request that is over."""
        from opentelemetry import trace

        # Times were taken by a clock that only goes forward, and spans want the time of day.
        offset = time.time() - time.perf_counter()

        def moment(seconds: float) -> int:
            return int((offset + seconds) * 1e9)

        self._ids.own = outcome.trace
        span = self._tracer.start_span(
            f"POST {outcome.route}",
            _parent(outcome.caller),
            trace.SpanKind.SERVER,
            self._describe(outcome),
            start_time=moment(outcome.received),
        )
        if outcome.status >= 500:
            span.set_status(trace.StatusCode.ERROR)
        inside = trace.set_span_in_context(span)
        begun = outcome.begun
        for name, seconds in zip(PHASES, outcome.phases, strict=True):
            if seconds:
                child = self._tracer.start_span(name, inside, start_time=moment(begun))
                child.end(moment(begun + seconds))
            begun += seconds
        span.end(moment(outcome.received + outcome.seconds))

    def stop(self) -> None:
        """Send what is left; for the end of a worker."""
        if self._provider is not None:
            self._provider.force_flush(END_MS)
            self._provider.shutdown()

    def _describe(self, outcome: Outcome) -> dict[str, Any]:
        """The attributes of a request's span: OpenTelemetry's names, and `ml.` for ours."""
        attributes = {
            "http.request.method": "POST",
            "http.route": outcome.route,
            "http.response.status_code": outcome.status,
            "ml.rows": outcome.rows,
            "ml.model.digest": self._digest,
            "ml.request_id": outcome.request_id,
        }
        return attributes if outcome.kind == "ok" else {**attributes, "error.type": outcome.kind}


def _identifier(bits: int) -> str:
    """A random one that is not zero, which would be invalid."""
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"


def _parent(caller: TraceContext | None) -> Any:
    """The library's context for a span below the caller's, or for one without a parent."""
    from opentelemetry import context, trace

    empty = context.Context()
    if caller is None:
        return empty
    ids = int(caller.trace_id, 16), int(caller.span_id, 16)
    remote = trace.SpanContext(*ids, is_remote=True, trace_flags=trace.TraceFlags(SAMPLED))
    return trace.set_span_in_context(trace.NonRecordingSpan(remote), empty)
