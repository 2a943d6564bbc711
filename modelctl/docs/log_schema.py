"""What every line on stdout looks like: one list of events -> a JSON Schema and a page of the docs.

Nothing in the service reads it while it runs; tests hold every line that is really written to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

FILE = "docs/reference/log-schema.json"
PAGE = "docs/reference/logs.md"
DIGEST = "^sha256:[0-9a-f]{64}$"


def _text(description: str, pattern: str | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "description": description}
    return schema if pattern is None else {**schema, "pattern": pattern}


def _number(description: str, *, whole: bool = True, **limits: float) -> dict[str, Any]:
    kind = "integer" if whole else "number"
    return {"type": kind, "minimum": 0, "description": description, **limits}


# What each key means is the same in every event that has it.
FIELDS: dict[str, dict[str, Any]] = {
    "timestamp": _text(
        "When, in UTC (RFC 3339, milliseconds).",
        r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
    ),
    "level": {
        "enum": ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        "description": "How serious it is.",
    },
    "logger": _text("`app` and `fetch` are ours; any other is a library's."),
    "pid": _number("Process that wrote it: a worker or the master.", minimum=1),
    "event": _text("What happened; a library's line has its message here."),
    "exc_info": _text("Stack trace. It never reaches a client."),
    "model": _text("Name in the manifest."),
    "engine": {"enum": ["onnx", "sklearn"], "description": "What computes predictions."},
    "seconds": _number(
        "How long it took; of `model_loaded`: since the process began.", whole=False
    ),
    "model_version": _text("Version in the manifest."),
    "model_digest": _text("Digest of the bundle.", DIGEST),
    "request_id": _text(
        "Also in the answer's `X-Request-ID`; the caller's own if it sent one.",
        "^[A-Za-z0-9._-]{1,128}$",
    ),
    "trace_id": _text("W3C trace that the request belongs to.", "^[0-9a-f]{32}$"),
    "span_id": _text(
        "Span that the line belongs to: ours if spans are sent, else the caller's.",
        "^[0-9a-f]{16}$",
    ),
    "route": _text("Pattern of the URL, or `unmatched`."),
    "status": _number("HTTP status of the answer.", minimum=100, maximum=599),
    "kind": _text(
        "`ok`, or why there is no prediction: the last part of the problem's `type`.",
        "^[a-z][a-z-]*$",
    ),
    "rows": _number("Rows predicted."),
    "duration_ms": _number("From the whole request to its answer.", whole=False),
    "input_sha256": _text(
        "SHA-256 of the body, which itself is never logged; empty if it was not read.",
        "^([0-9a-f]{64})?$",
    ),
    "prediction": {
        "type": "array",
        "maxItems": 10,
        "items": {"type": ["string", "number", "boolean", "null"]},
        "description": "The first ten predicted values.",
    },
    "what": _text("What is wrong."),
    "expected": _text("What it should be."),
    "found": _text("What it is."),
    "fix": _text("What to do."),
    "url": _text("Where the bundle is, without credentials."),
    "public_key": _text("File of the key that has signed the bundle."),
    "file": _text("Path in the bundle."),
    "files": _number("Files of the bundle."),
    "bytes": _number("Bytes of the file or the bundle; of `fetch_progress`: so far."),
    "total_bytes": _number("Bytes of the whole bundle."),
    "fetched_bytes": _number("Bytes that came over the network this time."),
    "from_byte": _number("Where an interrupted file goes on."),
    "reason": _text("Why."),
    "error": _text("What went wrong on the way."),
    "pause_seconds": _number("Time until the next attempt.", whole=False),
}
COMMON = ("timestamp", "level", "logger", "pid", "event")
REQUEST = (
    *("request_id", "route", "status", "kind", "rows", "duration_ms", "input_sha256"),
    *("prediction", "model_version", "model_digest"),
)  # fmt: skip
TRACE = ("trace_id", "span_id")
REFUSAL = ("what", "expected", "found", "fix")


@dataclass(frozen=True)
class Event:
    """One kind of line: who writes it, how serious it is, which keys it has beside the common."""

    name: str
    level: str
    meaning: str
    fields: tuple[str, ...]
    optional: tuple[str, ...] = ()
    loggers: tuple[str, ...] = ("app",)

    def schema(self) -> dict[str, Any]:
        """Exactly these keys: one more or one less is a fault."""
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
        "A worker verified the bundle, warmed up and is ready.",
        ("model", "engine", "seconds", "model_version", "model_digest"),
    ),
    Event(
        "prediction_completed",
        "INFO",
        "A prediction was answered. `LOG_SAMPLE_RATIO` is the share that is logged.",
        REQUEST,
        TRACE,
    ),
    Event(
        "request_rejected",
        "WARNING",
        "A request for a prediction got a problem instead: the client's mistake, overload or its "
        "deadline. Always logged.",
        REQUEST,
        TRACE,
    ),
    Event(
        "capture_failed",
        "WARNING",
        "Sampled rows could not be written and are dropped; once a minute while that lasts.",
        ("reason",),
    ),
    Event(
        "error",
        "ERROR",
        "A fault of ours: the client saw a 500 with this `request_id` and nothing else.",
        (*REQUEST, "exc_info"),
        TRACE,
    ),
    Event(
        "bundle_refused",
        "ERROR",
        "The bundle is not the one that was asked for, or not intact; exit code 3 follows.",
        REFUSAL,
        loggers=("app", "fetch"),
    ),
    Event(
        "setting_refused",
        "ERROR",
        "An environment variable has a value that cannot be used; exit code 3 follows.",
        REFUSAL,
        loggers=("app", "fetch"),
    ),
    Event(
        "fetch_refused",
        "ERROR",
        "The bundle cannot be fetched, and asking again changes nothing; exit code 3 follows.",
        REFUSAL,
        loggers=("fetch",),
    ),
    Event(
        "signature_refused",
        "ERROR",
        "The key that was given has not signed the bundle; exit code 3 follows.",
        REFUSAL,
        loggers=("fetch",),
    ),
    Event(
        "signature_verified",
        "INFO",
        "The key that was given has signed the bundle.",
        ("public_key",),
        ("model_digest",),
        loggers=("fetch",),
    ),
    *(
        Event(name, level, meaning, fields, loggers=("fetch",))
        for name, level, meaning, fields in (
            ("fetch_started", "INFO", "The download begins.", ("url", "model_digest")),
            ("manifest_verified", "INFO", "The manifest has the digest.", ("files", "bytes")),
            ("fetch_progress", "INFO", "Every few seconds.", ("bytes", "total_bytes")),
            ("file_fetched", "INFO", "A file is there and has its hash.", ("file", "bytes")),
            ("file_kept", "INFO", "A file was there already.", ("file", "bytes")),
            ("file_continued", "INFO", "A file goes on.", ("file", "from_byte", "bytes")),
            ("file_restarted", "INFO", "A file begins anew.", ("file", "reason")),
            ("fetch_retried", "WARNING", "Once more.", ("file", "error", "pause_seconds")),
            (
                "fetch_completed",
                "INFO",
                "The bundle is complete.",
                ("files", "bytes", "fetched_bytes", "seconds"),
            ),
        )
    ),
)


def schema() -> dict[str, Any]:
    """The JSON Schema of one line."""
    ours = sorted({logger for event in EVENTS for logger in event.loggers})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:ml-model:log-line",
        "title": "One line on stdout of the service or of the download",
        "type": "object",
        "required": list(COMMON),
        "properties": {"logger": {"type": "string"}},
        "if": {"properties": {"logger": {"enum": ours}}},
        "then": {"oneOf": [{"$ref": f"#/$defs/events/{event.name}"} for event in EVENTS]},
        "else": {"$ref": "#/$defs/library"},
        "$defs": {
            "events": {event.name: event.schema() for event in EVENTS},
            "library": {
                "description": "A library's line, such as gunicorn's about a worker that died.",
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
        "One JSON object per line on stdout; `make generate` writes this page from",
        "`modelctl/docs/log_schema.py` and the same as a JSON Schema,",
        "[log-schema.json](log-schema.json). Tests provoke every",
        "event and hold every line to it. How to ship them: [observe](../how-to/observe.md).",
        "",
        f"Every line has {common}.",
        "Inputs are never logged, only their hash: they may be personal data.",
        "",
        "## Events",
        "| event | logger | level | when | keys beside the common ones |",
        "|---|---|---|---|---|",
        *(_row(event) for event in EVENTS),
        "",
        "A library's line (`logger` is its name, such as `gunicorn.error`) has its message in",
        "`event`. `trace_id` and `span_id` are there when the request had a valid `traceparent`",
        "header (W3C Trace Context), or when spans are sent.",
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
