"""Environment variables -> one typed, immutable value, read once at start.

The fields below are the only list of variables: parsing, error texts and the generated reference
all come from it. Nothing else in `app` reads the environment for its behaviour.
"""

from __future__ import annotations

import math
import sys
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import SettingRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

TRUTH = {"true": True, "false": False}
DIGEST_LENGTH = len("sha256:") + 64


def _variable(
    name: str, default: Any, doc: str, *, low: float | None = None, high: float | None = None
) -> Any:
    """A field of Settings that is read from the environment variable `name`."""
    return field(default=default, metadata={"name": name, "doc": doc, "low": low, "high": high})


@dataclass(frozen=True)
class Settings:
    """How this process serves. Units are in the name or in the doc of each variable."""

    # ruff: noqa: RUF009 - `_variable` only describes the field
    model_dir: Path = _variable("MODEL_DIR", Path("/model"), "Folder of the bundle.")
    model_digest: str | None = _variable(
        "MODEL_DIGEST", None, "Digest (sha256:<64 hex>) the bundle must have; unset checks none."
    )
    host: str = _variable("HOST", "0.0.0.0", "Address to listen on.")  # noqa: S104 - a pod's own
    port: int = _variable("PORT", 8080, "Port of the API.", low=0, high=65535)
    metrics_port: int | None = _variable(
        "METRICS_PORT", None, "Port of /metrics alone; unset serves it on PORT.", low=1, high=65535
    )
    workers: int | None = _variable(
        "WORKERS",
        None,
        "Worker processes; unset: CPU_LIMIT, else CPU_REQUEST, rounded up, else 1.",
        low=1,
        high=256,
    )
    cpu_limit: float | None = _variable(
        "CPU_LIMIT", None, "CPU limit of the container in cores (downward API).", low=0, high=4096
    )
    cpu_request: float | None = _variable(
        "CPU_REQUEST", None, "CPU request of the container in cores.", low=0, high=4096
    )
    docs_enabled: bool = _variable(
        "DOCS_ENABLED", True, "Whether /docs offers a page to try the model: true or false."
    )
    log_level: str = _variable("LOG_LEVEL", "info", "debug, info, warning or error.")
    log_sample_ratio: float = _variable(
        "LOG_SAMPLE_RATIO", 1.0, "Share of successful predictions that are logged.", low=0, high=1
    )
    max_body_bytes: int = _variable(
        "MAX_BODY_BYTES", 1_048_576, "Largest request body in bytes; more is a 413.", low=1
    )
    max_batch_rows: int = _variable(
        "MAX_BATCH_ROWS", 100, "Most rows in one request; more is a 422.", low=1
    )
    max_in_flight: int = _variable(
        "MAX_IN_FLIGHT",
        64,
        "Requests a worker holds at once, running or queued; more are a 503.",
        low=1,
    )
    request_timeout_ms: int = _variable(
        "REQUEST_TIMEOUT_MS",
        10_000,
        "Longest time for one answer in ms; a client may ask for less.",
        low=1,
    )
    graceful_timeout_seconds: int = _variable(
        "GRACEFUL_TIMEOUT_SECONDS", 20, "Time for running requests after SIGTERM.", low=0
    )
    drain_seconds: int = _variable(
        "DRAIN_SECONDS",
        0,
        "Time after SIGTERM in which /ready says 503 but requests are still accepted.",
        low=0,
    )

    metrics_folder: Path | None = _variable(
        "PROMETHEUS_MULTIPROC_DIR",
        None,
        "Folder in memory where workers keep their metrics; emptied at start; unset makes one.",
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read every variable; an empty one counts as unset. Raises SettingRefusedError."""
        values = {}
        for entry in fields(cls):
            raw = environ.get(entry.metadata["name"], "").strip()
            if raw:
                values[entry.name] = _parse(entry, raw)
        settings = cls(**values)
        _check(settings)
        return settings

    @property
    def worker_count(self) -> int:
        """Workers to start: never derived from the node's cores, which are not ours."""
        if self.workers is not None:
            return self.workers
        return max(1, math.ceil(self.cpu_limit or self.cpu_request or 1))


def _parse(entry: Field[Any], raw: str) -> Any:
    kind = str(entry.type).removesuffix(" | None")
    if kind == "str":
        return raw
    if kind == "Path":
        return Path(raw)
    if kind == "bool":
        if raw not in TRUTH:
            raise _refusal(entry.metadata["name"], "true or false", raw)
        return TRUTH[raw]
    number = int if kind == "int" else float
    low, high = entry.metadata["low"], entry.metadata["high"]
    bounds = "".join(
        f" {word} {bound}" for word, bound in ((">=", low), ("<=", high)) if bound is not None
    )
    expected = ("a whole number" if number is int else "a number") + bounds
    try:
        value = number(raw)
    except ValueError as error:
        raise _refusal(entry.metadata["name"], expected, raw) from error
    if not ((low is None or value >= low) and (high is None or value <= high)):
        raise _refusal(entry.metadata["name"], expected, raw)
    return value


def _check(settings: Settings) -> None:
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise _refusal("LOG_LEVEL", "debug, info, warning or error", settings.log_level)
    digest = settings.model_digest
    if digest is not None:
        well_formed = digest.startswith("sha256:") and len(digest) == DIGEST_LENGTH
        if not well_formed or set(digest[7:]) - set("0123456789abcdef"):
            raise _refusal("MODEL_DIGEST", "sha256:<64 hex digits>", digest)


def _refusal(name: str, expected: str, found: str) -> SettingRefusedError:
    return SettingRefusedError(
        f"environment variable {name} cannot be used",
        expected=expected,
        found=repr(found[:100]),
        fix=f"set {name} to {expected}, or unset it for the default",
    )


def reference() -> str:
    """The page docs/reference/settings.md: every variable, from the fields above."""
    lines = [
        "# Settings of the service",
        "",
        "Environment variables of the container, written by `python -m app.settings`. An",
        "empty variable counts as unset. A value that cannot be used stops the start with one line",
        "of log (`setting_refused`) and exit code 3.",
        "",
        "| variable | default | range | meaning |",
        "|---|---|---|---|",
    ]
    for entry in fields(Settings):
        about = entry.metadata
        default = "" if entry.default is None else f"`{str(entry.default).lower()}`"
        bounds = [
            f"{sign} {bound:,}"
            for sign, bound in (("≥", about["low"]), ("≤", about["high"]))
            if bound is not None
        ]
        lines.append(f"| `{about['name']}` | {default} | {' '.join(bounds)} | {about['doc']} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
