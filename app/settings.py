"""The service's settings: environment variables -> one immutable dataclass, read once at start-up.

The fields below are the only list of the service's variables. Nothing else in `app` reads
configuration from the environment.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.variables import read, refusal, require_digest, table, variable

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Settings:
    """Settings of one process. Units are in the name or the description of each variable."""

    # ruff: noqa: RUF009 - `variable` returns a field
    model_dir: Path = variable("MODEL_DIR", Path("/model"), "Folder of the bundle.")
    model_digest: str | None = variable(
        "MODEL_DIGEST",
        None,
        "Expected digest of the bundle (sha256:<64 hex digits>); unset: not checked.",
    )
    host: str = variable("HOST", "0.0.0.0", "Address to listen on; `::` is all of IPv6 and IPv4.")  # noqa: S104 - a pod's own
    port: int = variable("PORT", 8080, "Port of the API.", low=0, high=65535)
    metrics_port: int | None = variable(
        "METRICS_PORT",
        None,
        "Separate port for /metrics; unset: served on PORT.",
        low=1,
        high=65535,
    )
    workers: int | None = variable(
        "WORKERS",
        None,
        "Worker processes; unset: CPU_LIMIT or CPU_REQUEST rounded up, else 1.",
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
        "DOCS_ENABLED", True, "Serve the page to try the model at /docs: true or false."
    )
    log_level: str = variable(
        "LOG_LEVEL", "info", "Minimum log level: debug, info, warning or error."
    )
    log_sample_ratio: float = variable(
        "LOG_SAMPLE_RATIO",
        1.0,
        "Fraction of successful predictions that are logged.",
        low=0,
        high=1,
    )
    max_body_bytes: int = variable(
        "MAX_BODY_BYTES",
        1_048_576,
        "Maximum request body size in bytes; larger ones get 413.",
        low=1,
        high=1_073_741_824,
    )
    max_batch_rows: int = variable(
        "MAX_BATCH_ROWS", 100, "Maximum rows per request; more get 422.", low=1, high=1_000_000
    )
    max_in_flight: int = variable(
        "MAX_IN_FLIGHT",
        64,
        "Maximum requests in flight per worker, running or queued; more get 503.",
        low=1,
        high=100_000,
    )
    request_timeout_ms: int = variable(
        "REQUEST_TIMEOUT_MS",
        10_000,
        "Request timeout in ms; clients can shorten it by X-Request-Timeout-Ms.",
        low=1,
        high=86_400_000,
    )
    graceful_timeout_seconds: int = variable(
        "GRACEFUL_TIMEOUT_SECONDS", 20, "Time to complete requests in flight after SIGTERM.", low=0
    )
    drain_seconds: int = variable(
        "DRAIN_SECONDS",
        0,
        "Time after SIGTERM during which requests are still accepted while /ready responds 503.",
        low=0,
    )

    capture_ratio: float = variable(
        "CAPTURE_RATIO",
        0.0,
        "Fraction of predictions whose rows are captured in CAPTURE_DIR; 0: none.",
        low=0,
        high=1,
    )
    capture_dir: Path | None = variable(
        "CAPTURE_DIR", None, "Folder for captured rows; required if CAPTURE_RATIO is above 0."
    )
    capture_exclude: str | None = variable(
        "CAPTURE_EXCLUDE", None, "Features that are never captured: comma-separated names."
    )
    capture_max_bytes: int = variable(
        "CAPTURE_MAX_BYTES",
        104_857_600,
        "Maximum bytes of captured rows per pod; the oldest are deleted first.",
        low=1_048_576,
    )
    capture_max_age_hours: float = variable(
        "CAPTURE_MAX_AGE_HOURS", 168.0, "Hours after which captured rows are deleted.", low=0.01
    )
    otlp_endpoint: str | None = variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        None,
        "Endpoint for spans (OTLP over HTTP); unset: tracing is off.",
    )
    otel_service_name: str | None = variable(
        "OTEL_SERVICE_NAME", None, "Service name in spans; unset: the model's name."
    )
    trace_sample_ratio: float = variable(
        "TRACE_SAMPLE_RATIO",
        0.01,
        "Fraction of requests that are traced unless their caller decides.",
        low=0,
        high=1,
    )
    cache_bytes: int = variable(
        "CACHE_BYTES",
        0,
        "Bytes of predictions that each worker keeps in memory; 0: none.",
        low=0,
        high=68_719_476_736,
    )
    cache_url: str | None = variable(
        "CACHE_URL",
        None,
        "Redis that shares predictions: `redis://host:6379/0`, `rediss://` with TLS; unset: none.",
    )
    cache_user: str | None = variable("CACHE_USER", None, "User of Redis, unless the URL has one.")
    cache_password: str | None = variable("CACHE_PASSWORD", None, "Password of the user.")
    cache_secret: str | None = variable(
        "CACHE_SECRET",
        None,
        "16 to 64 bytes, the same in all pods: entries made without it are not believed.",
    )
    cache_ca: Path | None = variable(
        "CACHE_CA", None, "File with the CAs to trust, in PEM; unset: those of the system."
    )
    cache_certificate: Path | None = variable(
        "CACHE_CERT", None, "File with the client's certificate, in PEM."
    )
    cache_key: Path | None = variable("CACHE_KEY", None, "File with the key of CACHE_CERT, in PEM.")
    cache_ttl_seconds: float = variable(
        "CACHE_TTL_SECONDS",
        3600.0,
        "Seconds for which Redis keeps a prediction.",
        low=1,
        high=31_536_000,
    )
    cache_budget_ms: float = variable(
        "CACHE_BUDGET_MS",
        2.0,
        "Longest time in ms that a request waits for Redis before it computes.",
        low=0.1,
        high=1000,
    )
    drift_max_features: int = variable(
        "DRIFT_MAX_FEATURES",
        100,
        "Maximum features with drift metrics, in the contract's order; 0: none.",
        low=0,
    )
    metrics_folder: Path | None = variable(
        "PROMETHEUS_MULTIPROC_DIR",
        None,
        "Folder in memory for the workers' metrics; emptied at start-up; unset: a temporary one.",
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read every variable; an empty value counts as unset. Raises SettingRefusedError."""
        settings = read(cls, environ)
        _require_valid(settings)
        return settings

    @property
    def worker_count(self) -> int:
        """Number of workers: never derived from the node's cores, which other pods share."""
        if self.workers is not None:
            return self.workers
        return max(1, math.ceil(self.cpu_limit or self.cpu_request or 1))


def _require_valid(settings: Settings) -> None:
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise refusal("LOG_LEVEL", "debug, info, warning or error", settings.log_level)
    if settings.model_digest is not None:
        require_digest("MODEL_DIGEST", settings.model_digest)
    if settings.metrics_port == settings.port:
        raise refusal("METRICS_PORT", "another port than PORT", str(settings.metrics_port))
    if settings.otlp_endpoint is not None and not _is_url(settings.otlp_endpoint):
        expected = "a URL such as http://collector:4318"
        raise refusal("OTEL_EXPORTER_OTLP_ENDPOINT", expected, settings.otlp_endpoint)


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        # The port is read when it is asked for.
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def reference() -> str:
    """The page docs/reference/settings.md, generated from the fields above."""
    lines = [
        "# Settings of the service",
        "",
        "Environment variables of the container, generated by `python -m app.settings`. An empty",
        "variable counts as unset. An invalid value prevents the start with one log line",
        "(`setting_refused`) and exit code 3.",
        "",
        *table(Settings),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
