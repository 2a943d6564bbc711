"""The log events of the service, the download and batches, as a JSON Schema and a page of the docs.

The service does not use it at runtime; tests validate every written line against it.
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
    "logger": _text("`app`, `fetch` or `batch`; otherwise the name of a library."),
    "pid": _number("Process that wrote the line: a worker or the master.", minimum=1),
    "event": _text("Name of the event; for a library's line, its message."),
    "exc_info": _text("Stack trace; never sent to a client."),
    "model": _text("Model name in the manifest."),
    "engine": {"enum": ["onnx", "sklearn"], "description": "Engine that computes predictions."},
    "seconds": _number("Duration; for `model_loaded`, since the process started.", whole=False),
    "model_version": _text("Model version in the manifest."),
    "model_digest": _text("Digest of the bundle.", DIGEST),
    "request_id": _text(
        "Also the response's `X-Request-ID`; the client's own if it sent one.",
        "^[A-Za-z0-9._-]{1,128}$",
    ),
    "trace_id": _text("W3C trace ID of the request.", "^[0-9a-f]{32}$"),
    "span_id": _text(
        "Span ID: the service's own if spans are exported, else the client's.",
        "^[0-9a-f]{16}$",
    ),
    "route": _text("URL pattern, or `unmatched`."),
    "status": _number("HTTP status of the response.", minimum=100, maximum=599),
    "kind": _text(
        "`ok`, or the last part of the problem's `type`.",
        "^[a-z][a-z-]*$",
    ),
    "rows": _number("Number of predicted rows; of a batch, of the part or of the whole input."),
    "duration_ms": _number("From the complete request to its response.", whole=False),
    "input_sha256": _text(
        "SHA-256 of the request body, which is never logged; empty if it was not read.",
        "^([0-9a-f]{64})?$",
    ),
    "prediction": {
        "type": "array",
        "maxItems": 10,
        "items": {
            "type": ["string", "number", "boolean", "object", "null"],
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
        "description": "The first ten predicted values, of several targets an object by target; "
        "none of a transformer, whose vectors show the input.",
    },
    "what": _text("What is wrong."),
    "expected": _text("Expected value."),
    "found": _text("Found value."),
    "fix": _text("How to fix it."),
    "url": _text("URL of the bundle, without credentials."),
    "public_key": _text("File of the public key that verified the signature."),
    "file": _text("Path in the bundle; of a part, in the input."),
    "files": _number("Number of files in the bundle, or in the input of a batch."),
    "bytes": _number("Size of the file or bundle in bytes; for `fetch_progress`, bytes so far."),
    "total_bytes": _number("Size of the bundle in bytes."),
    "fetched_bytes": _number("Bytes downloaded by this run."),
    "from_byte": _number("Offset at which the download is resumed."),
    "reason": _text("Reason."),
    "error": _text("Error of the failed attempt."),
    "pause_seconds": _number("Seconds until the next attempt.", whole=False),
    "run": _text("Id of the batch run: the SHA-256 of its plan.", "^[0-9a-f]{64}$"),
    "plan": _text("Where the plan is looked for."),
    "limit_seconds": _number("Seconds after which the pod gives up.", whole=False),
    "index": _number("Index of the pod in its Job."),
    "pods": _number("Number of pods of the run.", minimum=1),
    "part": _number("Number of the part."),
    "parts": _number("Number of parts: of this pod, or in `plan_...` of the run."),
    "parts_of_run": _number("Number of parts of all pods."),
    "parts_missing": _number("Number of parts that other pods have still to write."),
    "parts_failed": _number("Number of parts that this pod could not write."),
    "done": _number("Number of parts that this pod has so far."),
    "predicted": _number("Number of rows with a prediction."),
    "rejected": _number("Number of rows that the service would refuse."),
}
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
)


def schema() -> dict[str, Any]:
    """The JSON Schema of one line."""
    loggers = sorted({logger for event in EVENTS for logger in event.loggers})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:ml-model:log-line",
        "title": "One log line of the service, of the download or of a batch",
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
        "`event`. `trace_id` and `span_id` are present if the request had a valid `traceparent`",
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
