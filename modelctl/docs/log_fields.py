"""The keys of log lines: a key has the same meaning in every event."""

from __future__ import annotations

from typing import Any

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
    "logger": _text("`app`, `fetch`, `batch` or `consume`; otherwise the name of a library."),
    "pid": _number("Process that wrote the line: a worker or the master.", minimum=1),
    "event": _text("Name of the event; for a library's line, its message."),
    "exc_info": _text("Stack trace; never sent to a client."),
    "model": _text("Model name in the manifest."),
    "engine": {"enum": ["onnx", "sklearn"], "description": "Engine that computes predictions."},
    "seconds": _number(
        "Duration; for `model_loaded`, since the process started; for `cache_connected`, a ping.",
        whole=False,
    ),
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
    "queue": _text("Queue; of `message_dead`, where the message is kept."),
    "group": _text("Consumer group or durable consumer."),
    "messages": {
        "type": "object",
        "additionalProperties": {"type": "integer", "minimum": 0},
        "description": "Number of deliveries by what became of them.",
    },
    "message_id": _text("Id of the request in a queue."),
    "position": _text("Where the broker keeps a message."),
    "deliveries": _number("How often the message was delivered.", minimum=1),
}
