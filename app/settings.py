"""Environment variables -> one typed, immutable value, read once at start.

The fields below are the only list of the service's variables. Nothing else in `app` reads the
environment for its behaviour.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.variables import check_digest, read, refusal, table, variable

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Settings:
    """How this process serves. Units are in the name or in the doc of each variable."""

    # ruff: noqa: RUF009 - `variable` only describes the field
    model_dir: Path = variable("MODEL_DIR", Path("/model"), "Folder of the bundle.")
    model_digest: str | None = variable(
        "MODEL_DIGEST", None, "Digest (sha256:<64 hex>) the bundle must have; unset checks none."
    )
    host: str = variable("HOST", "0.0.0.0", "Address to listen on.")  # noqa: S104 - a pod's own
    port: int = variable("PORT", 8080, "Port of the API.", low=0, high=65535)
    metrics_port: int | None = variable(
        "METRICS_PORT", None, "Port of /metrics alone; unset serves it on PORT.", low=1, high=65535
    )
    workers: int | None = variable(
        "WORKERS",
        None,
        "Worker processes; unset: CPU_LIMIT, else CPU_REQUEST, rounded up, else 1.",
        low=1,
        high=256,
    )
    cpu_limit: float | None = variable(
        "CPU_LIMIT", None, "CPU limit of the container in cores (downward API).", low=0, high=4096
    )
    cpu_request: float | None = variable(
        "CPU_REQUEST", None, "CPU request of the container in cores.", low=0, high=4096
    )
    docs_enabled: bool = variable(
        "DOCS_ENABLED", True, "Whether /docs offers a page to try the model: true or false."
    )
    log_level: str = variable("LOG_LEVEL", "info", "debug, info, warning or error.")
    log_sample_ratio: float = variable(
        "LOG_SAMPLE_RATIO", 1.0, "Share of successful predictions that are logged.", low=0, high=1
    )
    max_body_bytes: int = variable(
        "MAX_BODY_BYTES", 1_048_576, "Largest request body in bytes; more is a 413.", low=1
    )
    max_batch_rows: int = variable(
        "MAX_BATCH_ROWS", 100, "Most rows in one request; more is a 422.", low=1
    )
    max_in_flight: int = variable(
        "MAX_IN_FLIGHT",
        64,
        "Requests a worker holds at once, running or queued; more are a 503.",
        low=1,
    )
    request_timeout_ms: int = variable(
        "REQUEST_TIMEOUT_MS",
        10_000,
        "Longest time for one answer in ms; a client may ask for less.",
        low=1,
    )
    graceful_timeout_seconds: int = variable(
        "GRACEFUL_TIMEOUT_SECONDS", 20, "Time for running requests after SIGTERM.", low=0
    )
    drain_seconds: int = variable(
        "DRAIN_SECONDS",
        0,
        "Time after SIGTERM in which /ready says 503 but requests are still accepted.",
        low=0,
    )

    capture_ratio: float = variable(
        "CAPTURE_RATIO",
        0.0,
        "Share of predictions whose rows are kept in CAPTURE_DIR; 0 keeps none.",
        low=0,
        high=1,
    )
    capture_dir: Path | None = variable(
        "CAPTURE_DIR", None, "Folder of the kept rows; needed when CAPTURE_RATIO is above 0."
    )
    capture_exclude: str | None = variable(
        "CAPTURE_EXCLUDE", None, "Features that are never kept: names separated by commas."
    )
    capture_max_bytes: int = variable(
        "CAPTURE_MAX_BYTES",
        104_857_600,
        "Most bytes this pod keeps; the oldest rows go first.",
        low=1_048_576,
    )
    capture_max_age_hours: float = variable(
        "CAPTURE_MAX_AGE_HOURS", 168.0, "Hours after which kept rows are deleted.", low=0.01
    )
    otlp_endpoint: str | None = variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        None,
        "Where spans are sent (OTLP over HTTP); unset sends none and costs nothing.",
    )
    otel_service_name: str | None = variable(
        "OTEL_SERVICE_NAME", None, "The service's name in spans; unset: the model's."
    )
    trace_sample_ratio: float = variable(
        "TRACE_SAMPLE_RATIO",
        0.01,
        "Share of requests that are traced when their caller does not decide.",
        low=0,
        high=1,
    )
    drift_max_features: int = variable(
        "DRIFT_MAX_FEATURES",
        100,
        "Features whose values are counted by bins, the contract's first; 0 counts none.",
        low=0,
    )
    metrics_folder: Path | None = variable(
        "PROMETHEUS_MULTIPROC_DIR",
        None,
        "Folder in memory where workers keep their metrics; emptied at start; unset makes one.",
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read every variable; an empty one counts as unset. Raises SettingRefusedError."""
        settings = read(cls, environ)
        _check(settings)
        return settings

    @property
    def worker_count(self) -> int:
        """Workers to start: never derived from the node's cores, which are not ours."""
        if self.workers is not None:
            return self.workers
        return max(1, math.ceil(self.cpu_limit or self.cpu_request or 1))


def _check(settings: Settings) -> None:
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise refusal("LOG_LEVEL", "debug, info, warning or error", settings.log_level)
    if settings.model_digest is not None:
        check_digest("MODEL_DIGEST", settings.model_digest)


def reference() -> str:
    """The page docs/reference/settings.md: every variable, from the fields above."""
    lines = [
        "# Settings of the service",
        "",
        "Environment variables of the container, written by `python -m app.settings`. An",
        "empty variable counts as unset. A value that cannot be used stops the start with one line",
        "of log (`setting_refused`) and exit code 3.",
        "",
        *table(Settings),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
