"""Structured logs: one JSON object per line on stdout, each with an `event`.

Inputs are never logged, only their hash: they may be personal data. Lines about predictions are
written directly, with the same keys that python-json-logger writes for all others: for these, one
per request, `logging` would cost as much as the prediction itself. They are buffered until `flush`,
so that requests that arrive together share a write.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import sys
import time
from select import PIPE_BUF
from typing import TYPE_CHECKING, Any

import orjson
from pythonjsonlogger.orjson import OrjsonFormatter

from app.timestamps import timestamp

if TYPE_CHECKING:
    from app.observability.outcome import Outcome

LOGGER = "app"
# Predicted values per line; the metrics count all of them.
MAX_VALUES = 10


class Formatter(OrjsonFormatter):
    """python-json-logger's formatter with the timestamp format of every other line."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        """Called by logging."""
        return timestamp(record.created)


def config(level: str) -> dict[str, Any]:
    """The `logging.config.dictConfig` of every program, and of gunicorn.

    From here on what Python and libraries warn of is a line too, and no text on stderr.
    """
    logging.captureWarnings(True)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "app.observability.logs.Formatter",
                "fmt": "%(asctime)s %(levelname)s %(name)s %(process)d %(message)s",
                "rename_fields": {
                    "asctime": "timestamp",
                    "levelname": "level",
                    "name": "logger",
                    "process": "pid",
                    "message": "event",
                },
            }
        },
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": "json",
            }
        },
        "root": {"level": level.upper(), "handlers": ["stdout"]},
        "loggers": {
            "gunicorn.error": {"level": "WARNING", "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
        },
    }


class RequestLog:
    """One line per prediction (sampled) and per failure (always)."""

    def __init__(
        self, *, sample_ratio: float, version: str, digest: str, max_values: int = MAX_VALUES
    ) -> None:
        """`max_values`: predicted values per line."""
        self._logger = logging.getLogger(LOGGER)
        self._sample_ratio = sample_ratio
        self._version = version
        self._digest = digest
        self._max_values = max_values
        self._descriptor = sys.stdout.fileno()
        self._pid = os.getpid()
        self._lines: list[bytes] = []

    def start_worker(self) -> None:
        """Record the process id; call it after the fork."""
        self._pid = os.getpid()

    def model_loaded(self, *, name: str, engine: str, seconds: float) -> None:
        """Log that the process is ready to predict; `seconds` since it started."""
        fields = {
            "model": name,
            "engine": engine,
            "seconds": round(seconds, 3),
            "model_version": self._version,
            "model_digest": self._digest,
        }
        self._logger.info("model_loaded", extra=fields)

    def completed(self, outcome: Outcome) -> None:
        """Log a successful prediction or explanation (sampled) or a rejected one (always)."""
        if outcome.kind != "ok":
            self._line(logging.WARNING, "WARNING", "request_rejected", outcome)
        elif self._sample_ratio >= 1 or random.random() < self._sample_ratio:  # noqa: S311
            event = "explanation_completed" if outcome.explained else "prediction_completed"
            self._line(logging.INFO, "INFO", event, outcome)

    def flush(self) -> None:
        """Write the buffered lines in blocks of whole lines, so that workers' lines do not mix."""
        while self._lines:
            block = self._lines.pop(0)
            while self._lines and len(block) + len(self._lines[0]) <= PIPE_BUF:
                block += self._lines.pop(0)
            # A closed or full log must not stop the service.
            with contextlib.suppress(OSError):
                os.write(self._descriptor, block)

    def _line(self, level: int, name: str, event: str, outcome: Outcome) -> None:
        if not self._logger.isEnabledFor(level):
            return
        line = {
            "timestamp": timestamp(time.time()),
            "level": name,
            "logger": LOGGER,
            "pid": self._pid,
            "event": event,
            **self._fields(outcome),
        }
        self._lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def failed(self, outcome: Outcome) -> None:
        """Log an internal error with its stack trace, which never reaches the client."""
        self._logger.error("error", extra=self._fields(outcome), exc_info=outcome.failure)

    def _fields(self, outcome: Outcome) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "request_id": outcome.request_id,
            "route": outcome.route,
            "status": outcome.status,
            "kind": outcome.kind,
            "rows": outcome.rows,
            "duration_ms": round(outcome.seconds * 1000, 3),
            "input_sha256": outcome.input_sha256,
            "prediction": outcome.values[: self._max_values],
            "model_version": self._version,
            "model_digest": self._digest,
        }
        if outcome.trace is not None:
            fields["trace_id"] = outcome.trace.trace_id
            fields["span_id"] = outcome.trace.span_id
        return fields
