"""The schema of every log line: one list of events -> a JSON Schema and a page of the docs.

The service does not read it at run time; tests validate every line it writes against it.
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


# A key has the same meaning in every event.
FIELDS: dict[str, dict[str, Any]] = {
    "timestamp": _text(
        "Time in UTC (RFC 3339, milliseconds).",
        r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
    ),
    "level": {
        "enum": ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        "description": "Severity.",
    },
    "logger": _text("`app` (service), `fetch` (download) or a library's logger."),
    "pid": _number("Process id of the worker or master.", minimum=1),
    "event": _text("Event; of a library's line its message."),
    "exc_info": _text("Stack trace; never sent to a client."),
    "model": _text("Name in the manifest."),
    "engine": {"enum": ["onnx", "sklearn"], "description": "Engine that computes predictions."},
    "seconds": _number("Duration; of `model_loaded`: since the process started.", whole=False),
    "model_version": _text("Version in the manifest."),
    "model_digest": _text("Digest of the bundle.", DIGEST),
    "request_id": _text(
        "Request id, as in the response's `X-Request-ID`; the caller's if it sent one.",
        "^[A-Za-z0-9._-]{1,128}$",
    ),
    "trace_id": _text("W3C trace id of the request.", "^[0-9a-f]{32}$"),
    "span_id": _text(
        "Span id: the service's if spans are sent, else the caller's.",
        "^[0-9a-f]{16}$",
    ),
    "route": _text("Pattern of the URL, or `unmatched`."),
    "status": _number("HTTP status of the response.", minimum=100, maximum=599),
    "kind": _text(
        "`ok`, or the last part of the problem's `type`.",
        "^[a-z][a-z-]*$",
    ),
    "rows": _number("Rows predicted."),
    "duration_ms": _number("Time from the complete request to its response.", whole=False),
    "input_sha256": _text(
        "SHA-256 of the body; empty if it was not read. The body is never logged.",
        "^([0-9a-f]{64})?$",
    ),
    "prediction": {
        "type": "array",
        "maxItems": 10,
        "items": {"type": ["string", "number", "boolean", "null"]},
        "description": "The first ten predicted values.",
    },
    "what": _text("What is wrong."),
    "expected": _text("Expected value."),
    "found": _text("Actual value."),
    "fix": _text("How to fix it."),
    "url": _text("URL of the bundle, without credentials."),
    "public_key": _text("File of the public key that verified the signature."),
    "file": _text("Path in the bundle."),
    "files": _number("Number of files in the bundle."),
    "bytes": _number("Size of the file or the bundle; of `fetch_progress`: bytes on disk."),
    "total_bytes": _number("Size of the bundle."),
    "fetched_bytes": _number("Bytes downloaded by this process."),
    "from_byte": _number("Offset from which the file is resumed."),
    "reason": _text("Reason."),
    "error": _text("Error of the failed attempt."),
    "pause_seconds": _number("Delay before the next attempt.", whole=False),
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
    """One kind of line: its loggers, its level and its keys beside the common ones."""

    name: str
    level: str
    meaning: str
    fields: tuple[str, ...]
    optional: tuple[str, ...] = ()
    loggers: tuple[str, ...] = ("app",)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the line, with exactly these keys."""
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
        "A worker has loaded the bundle, is warmed up and ready.",
        ("model", "engine", "seconds", "model_version", "model_digest"),
    ),
    Event(
        "prediction_completed",
        "INFO",
        "Successful prediction; sampled by `LOG_SAMPLE_RATIO`.",
        REQUEST,
        TRACE,
    ),
    Event(
        "request_rejected",
        "WARNING",
        "Prediction request answered with a problem: invalid, shed or timed out; never sampled.",
        REQUEST,
        TRACE,
    ),
    Event(
        "capture_failed",
        "WARNING",
        "Captured rows could not be written and were dropped; at most once a minute.",
        ("reason",),
    ),
    Event(
        "error",
        "ERROR",
        "Internal error; the client got a 500 with this `request_id`.",
        (*REQUEST, "exc_info"),
        TRACE,
    ),
    Event(
        "bundle_refused",
        "ERROR",
        "The bundle has the wrong digest or is not intact; exit code 3.",
        REFUSAL,
        loggers=("app", "fetch"),
    ),
    Event(
        "setting_refused",
        "ERROR",
        "An environment variable is invalid; exit code 3.",
        REFUSAL,
        loggers=("app", "fetch"),
    ),
    Event(
        "fetch_refused",
        "ERROR",
        "The bundle cannot be downloaded; exit code 3.",
        REFUSAL,
        loggers=("fetch",),
    ),
    Event(
        "signature_refused",
        "ERROR",
        "The bundle is not signed by the required key; exit code 3.",
        REFUSAL,
        loggers=("fetch",),
    ),
    Event(
        "signature_verified",
        "INFO",
        "The bundle is signed by the required key.",
        ("public_key",),
        ("model_digest",),
        loggers=("fetch",),
    ),
    *(
        Event(name, level, meaning, fields, loggers=("fetch",))
        for name, level, meaning, fields in (
            ("fetch_started", "INFO", "Download started.", ("url", "model_digest")),
            (
                "manifest_verified",
                "INFO",
                "The manifest has the expected digest.",
                ("files", "bytes"),
            ),
            ("fetch_progress", "INFO", "Progress, every few seconds.", ("bytes", "total_bytes")),
            ("file_fetched", "INFO", "File downloaded and verified.", ("file", "bytes")),
            ("file_kept", "INFO", "File already on disk.", ("file", "bytes")),
            ("file_continued", "INFO", "Resumed.", ("file", "from_byte", "bytes")),
            ("file_restarted", "INFO", "Restarted.", ("file", "reason")),
            (
                "fetch_retried",
                "WARNING",
                "Attempt failed; will be retried.",
                ("file", "error", "pause_seconds"),
            ),
            (
                "fetch_completed",
                "INFO",
                "Download completed.",
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
        "One JSON object per line on stdout. `make generate` writes this page and the JSON Schema",
        "[log-schema.json](log-schema.json) from `modelctl/docs/log_schema.py`; tests validate",
        "every event against it. To ship the lines, see [observe](../how-to/observe.md).",
        "",
        f"Every line has {common}.",
        "Inputs are never logged, only their hash: they may be personal data.",
        "",
        "## Events",
        "| event | logger | level | when | keys beside the common ones |",
        "|---|---|---|---|---|",
        *(_row(event) for event in EVENTS),
        "",
        "Lines of libraries (`logger` is the library's name, such as `gunicorn.error`) have their",
        "message in `event`. `trace_id` and `span_id` are present if the request had a valid",
        "`traceparent` header (W3C Trace Context) or if spans are sent.",
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
