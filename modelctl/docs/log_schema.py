"""The log events of service, download, batches and consumers: a JSON Schema and a page of the docs.

The service does not use it at runtime; tests validate every written line against it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from modelctl.docs.log_fields import FIELDS

FILE = "docs/reference/log-schema.json"
PAGE = "docs/reference/logs.md"


COMMON = ("timestamp", "level", "logger", "pid", "event")
REQUEST = (
    *("request_id", "route", "status", "kind", "rows", "duration_ms", "input_sha256"),
    *("prediction", "model_version", "model_digest"),
)  # fmt: skip
TRACE = ("trace_id", "span_id")
REFUSAL = ("what", "expected", "found", "fix")
PLAN = ("run", "files", "rows", "parts", "seconds")
PART = ("run", "part", "file", "rows", "predicted", "rejected", "seconds", "done", "parts")
TOTALS = ("run", "rows", "predicted", "rejected")


@dataclass(frozen=True)
class Event:
    """One event: its loggers, its level, and its keys besides the common ones."""

    name: str
    level: str
    meaning: str
    fields: tuple[str, ...]
    optional: tuple[str, ...] = ()
    loggers: tuple[str, ...] = ("app",)

    def schema(self) -> dict[str, Any]:
        """Exactly these keys: a missing or additional key is an error."""
        fixed: dict[str, Any] = {"event": {"const": self.name}, "level": {"const": self.level}}
        fixed["logger"] = {"enum": list(self.loggers)}
        return {
            "description": self.meaning,
            "required": [*COMMON, *self.fields],
            "properties": {
                key: fixed.get(key) or {"$ref": f"#/$defs/fields/{key}"}
                for key in (*COMMON, *self.fields, *self.optional)
            },
            "additionalProperties": False,
        }


EVENTS = (
    Event(
        "model_loaded",
        "INFO",
        "A worker has verified the bundle, warmed up and is ready.",
        ("model", "engine", "seconds", "model_version", "model_digest"),
    ),
    Event(
        "prediction_completed",
        "INFO",
        "A prediction was served. `LOG_SAMPLE_RATIO` is the share that is logged.",
        REQUEST,
        TRACE,
    ),
    Event(
        "explanation_completed",
        "INFO",
        "A prediction was served with its explanation. Logged by the same share.",
        REQUEST,
        TRACE,
    ),
    Event(
        "request_rejected",
        "WARNING",
        "A prediction request was rejected (invalid input, overload) or timed out. Always logged.",
        REQUEST,
        TRACE,
    ),
    Event(
        "capture_failed",
        "WARNING",
        "Sampled rows could not be written and were dropped; at most once a minute.",
        ("reason",),
    ),
    Event(
        "cache_connected",
        "INFO",
        "Redis answers within the budget: predictions are shared from now on.",
        ("seconds",),
    ),
    Event(
        "cache_unavailable",
        "WARNING",
        "Redis fails or is late, and is not asked until it answers; predictions are computed.",
        ("reason",),
    ),
    Event(
        "cache_refuses_writes",
        "WARNING",
        "Redis is read and keeps nothing: it is full, a replica, or its user may not write.",
        ("reason",),
    ),
    Event(
        "error",
        "ERROR",
        "An internal error: the client got a 500 with this `request_id` and no details.",
        (*REQUEST, "exc_info"),
        TRACE,
    ),
    Event(
        "bundle_refused",
        "ERROR",
        "The bundle has another digest than expected, or is damaged; exit code 3 follows.",
        REFUSAL,
        loggers=("app", "fetch"),
    ),
    Event(
        "queue_refused",
        "ERROR",
        "A broker or store does not let the consumer in; exit code 3.",
        REFUSAL,
    ),
    Event(
        "setting_refused",
        "ERROR",
        "An environment variable has an invalid value; exit code 3 follows.",
        REFUSAL,
        loggers=("app", "fetch"),
    ),
    Event(
        "fetch_refused",
        "ERROR",
        "The bundle cannot be fetched, and a retry would not help; exit code 3 follows.",
        REFUSAL,
        loggers=("fetch",),
    ),
    Event(
        "signature_refused",
        "ERROR",
        "The signature does not match the given public key; exit code 3 follows.",
        REFUSAL,
        loggers=("fetch",),
    ),
    Event(
        "signature_verified",
        "INFO",
        "The signature matches the given public key.",
        ("public_key",),
        ("model_digest",),
        loggers=("fetch",),
    ),
    *(
        Event(name, level, meaning, fields, loggers=("fetch",))
        for name, level, meaning, fields in (
            ("fetch_started", "INFO", "Download started.", ("url", "model_digest")),
            ("manifest_verified", "INFO", "Manifest digest verified.", ("files", "bytes")),
            ("fetch_progress", "INFO", "Progress, every few seconds.", ("bytes", "total_bytes")),
            ("file_fetched", "INFO", "File downloaded, hash verified.", ("file", "bytes")),
            ("file_kept", "INFO", "File already present, hash verified.", ("file", "bytes")),
            ("file_continued", "INFO", "File resumed.", ("file", "from_byte", "bytes")),
            ("file_restarted", "INFO", "File restarted from the beginning.", ("file", "reason")),
            ("fetch_retried", "WARNING", "Attempt failed.", ("file", "error", "pause_seconds")),
            (
                "fetch_completed",
                "INFO",
                "Bundle complete.",
                ("files", "bytes", "fetched_bytes", "seconds"),
            ),
        )
    ),
    *(
        Event(name, level, meaning, fields, optional, loggers=("batch",))
        for name, level, meaning, fields, optional in (
            (
                "batch_started",
                "INFO",
                "A pod knows the plan and its parts.",
                (
                    *("run", "model", "model_version", "model_digest"),
                    *("index", "pods", "parts", "parts_of_run"),
                ),
                (),
            ),
            ("plan_written", "INFO", "The first pod has planned.", PLAN, ()),
            ("plan_found", "INFO", "It has planned what was planned already.", PLAN, ()),
            ("plan_awaited", "INFO", "A pod waits for the plan.", ("plan", "limit_seconds"), ()),
            ("part_written", "INFO", "A part is complete.", PART, ()),
            ("part_kept", "INFO", "A part was there already.", PART, ()),
            ("part_failed", "ERROR", "A part could not be written.", ("run", "part", *REFUSAL), ()),
            (
                "parts_of_others_missing",
                "INFO",
                "The pod has its parts; another one will finish the run.",
                ("run", "parts_missing"),
                (),
            ),
            ("run_completed", "INFO", "All parts are there, `_SUCCESS.json` too.", TOTALS, ()),
            ("run_was_complete", "INFO", "There was nothing left to do.", TOTALS, ()),
            (
                "batch_failed",
                "ERROR",
                "Another try may help; exit code 1 follows, or 3 if every part fails for good.",
                (),
                ("parts_failed", *REFUSAL, "exc_info"),
            ),
            ("batch_refused", "ERROR", "Another try would not help; exit code 3.", REFUSAL, ()),
        )
    ),
    *(
        Event(name, level, meaning, fields, optional, loggers=("consume",))
        for name, level, meaning, fields, optional in (
            ("consumer_started", "INFO", "The model is loaded.", ("queue", "group"), ()),
            (
                "consumer_stopped",
                "INFO",
                "What it held is answered or left to others.",
                ("queue", "messages"),
                (),
            ),
            (
                "queue_unavailable",
                "WARNING",
                "Broker or store do not answer; they are asked again.",
                ("what", "reason"),
                (),
            ),
            ("queue_available", "INFO", "They answer again.", ("what",), ()),
            (
                "message_dead",
                "WARNING",
                "A request gets no prediction; it is kept.",
                ("message_id", "status", "deliveries", "queue"),
                (),
            ),
            (
                "message_failed",
                "ERROR",
                "A fault of the consumer; the message is delivered again.",
                ("position",),
                ("exc_info",),
            ),
            ("connection_error", "DEBUG", "What a broker's library says.", ("error",), ()),
        )
    ),
)


def schema() -> dict[str, Any]:
    """The JSON Schema of one line."""
    loggers = sorted({logger for event in EVENTS for logger in event.loggers})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:ml-model:log-line",
        "title": "One log line of the service, of the download, of a batch or of a consumer",
        "type": "object",
        "required": list(COMMON),
        "properties": {"logger": {"type": "string"}},
        "if": {"properties": {"logger": {"enum": loggers}}},
        "then": {"oneOf": [{"$ref": f"#/$defs/events/{event.name}"} for event in EVENTS]},
        "else": {"$ref": "#/$defs/library"},
        "$defs": {
            "events": {event.name: event.schema() for event in EVENTS},
            "library": {
                "description": "A library's line, such as gunicorn's about a terminated worker.",
                "properties": {
                    key: {"$ref": f"#/$defs/fields/{key}"} for key in (*COMMON, "exc_info")
                },
            },
            "fields": FIELDS,
        },
    }


def text() -> str:
    """The file docs/reference/log-schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def page() -> str:
    """The page docs/reference/logs.md."""
    common = ", ".join(f"`{key}`" for key in COMMON)
    lines = [
        "# Log lines",
        "",
        "One JSON object per line on stdout. `make generate` writes this page and the JSON Schema",
        "[log-schema.json](log-schema.json) from `modelctl/docs/log_schema.py`; tests trigger",
        "every event and validate every line. To ship them: [observe](../how-to/observe.md).",
        "",
        f"Every line has {common}.",
        "Inputs are never logged, only their hash, because they may be personal data.",
        "",
        "## Events",
        "| event | logger | level | meaning | keys besides the common ones |",
        "|---|---|---|---|---|",
        *(_row(event) for event in EVENTS),
        "",
        "A library's line (`logger` is its name, such as `gunicorn.error`) has its message in",
        "`event`; what Python and libraries warn of has the logger `py.warnings`.",
        "`trace_id` and `span_id` are present if the request had a valid `traceparent`",
        "header (W3C Trace Context), or if spans are exported.",
        "",
        "## Keys",
        "| key | meaning |",
        "|---|---|",
        *(f"| `{key}` | {field['description']} |" for key, field in FIELDS.items()),
    ]
    return "\n".join(lines) + "\n"


def _row(event: Event) -> str:
    keys = [*(f"`{key}`" for key in event.fields), *(f"`{key}`?" for key in event.optional)]
    loggers = ", ".join(event.loggers)
    return f"| `{event.name}` | {loggers} | {event.level} | {event.meaning} | {', '.join(keys)} |"
