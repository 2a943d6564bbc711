"""Capture a sample of the predicted rows in files, for the analysis of drift.

Off by default: rows may be personal data. A sampled request puts its rows into a queue, and a
thread writes them as JSON lines. Capturing never delays or fails a request: rows for which there is
no memory or disk space are dropped and counted.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import random
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from app.model.converters import EPOCH
from app.observability.capture_files import CaptureFiles
from app.observability.logs import LOGGER
from app.observability.metrics.families import CAPTURE_RESULTS
from app.timestamps import timestamp
from app.variables import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from app.model.contract import Contract
    from app.model.feature import Feature
    from app.model.validation import Batch
    from app.settings import Settings

    # A validated row, its batch and its index in it -> one JSON value.
    Decode = Callable[[list[float], Batch, int], Any]

WRITTEN, NO_MEMORY, NO_DISK = CAPTURE_RESULTS
# Limit of the queue: about a second of a busy worker, or a few megabytes.
MAX_QUEUED_ROWS = 10_000
# Longest time that rows are queued; a killed process loses them.
WRITE_SECONDS = 0.5
# Rows encoded before the thread pauses: a thread that computes without a pause makes the event loop
# wait for the interpreter lock, up to 5 ms each time.
CHUNK_ROWS = 25
PAUSE_SECONDS = 0.0005
CLEAN_SECONDS = 60.0
# Minimum interval between two warnings about a failing disk.
WARN_SECONDS = 60.0
# Time to write the last rows when the process exits.
CLOSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class SampledRequest:
    """The rows of one sampled request."""

    seconds: float
    request_id: str
    batch: Batch
    values: Sequence[Any]


class Capture:
    """The capture of one worker; created in the master, started after the fork."""

    def __init__(self, settings: Settings, contract: Contract, identity: dict[str, str]) -> None:
        """`identity` is added to every line: model, version and digest.

        Raises SettingRefusedError.
        """
        folder = _require_writable(settings.capture_dir)
        self._ratio = settings.capture_ratio
        excluded = _excluded(settings.capture_exclude, contract)
        self._decoders = _decoders(contract, excluded)
        # A transformed row may show what is excluded: a scaled number is the number.
        self._hides_predictions = bool(excluded) and contract.output.kind == "transformer"
        self._identity = identity
        self._files = CaptureFiles(
            folder,
            max_bytes=settings.capture_max_bytes,
            max_seconds=settings.capture_max_age_hours * 3600,
            writers=settings.worker_count,
        )
        self._lock = threading.Lock()
        self._queue: list[SampledRequest] = []
        self._queued_rows = 0
        self._dropped_rows = 0
        self._ending = threading.Event()
        self._warned_at = -math.inf
        # Rows by result, since the last call of `results`.
        self._results: dict[str, int] = {}

    def start_worker(self) -> None:
        """Start the thread that writes; call it once in every worker."""
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def sample(self, batch: Batch, values: Sequence[Any], request_id: str) -> None:
        """Queue the rows of a request if it is sampled. Any thread may call it."""
        if random.random() >= self._ratio:  # noqa: S311 - a sample, not a secret
            return
        rows = len(batch)
        with self._lock:
            if self._queued_rows + rows > MAX_QUEUED_ROWS:
                self._dropped_rows += rows
                return
            self._queued_rows += rows
            self._queue.append(SampledRequest(time.time(), request_id, batch, values))

    def results(self) -> dict[str, int]:
        """Rows by result since the last call."""
        with self._lock:
            results, self._results = self._results, {}
        return results

    def close(self) -> None:
        """Write the queue, unless the disk is too slow, and stop."""
        self._ending.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        next_cleaning = 0.0
        ended = False
        while not ended:
            ended = self._ending.wait(WRITE_SECONDS)
            self._write_queue()
            if time.monotonic() >= next_cleaning:
                self._files.clean()
                next_cleaning = time.monotonic() + CLEAN_SECONDS
        self._files.close()

    def _write_queue(self) -> None:
        with self._lock:
            queue, self._queue, self._queued_rows = self._queue, [], 0
            dropped, self._dropped_rows = self._dropped_rows, 0
        if dropped:
            self._count(NO_MEMORY, dropped)
        lines: list[bytes] = []
        for line in self._encode(queue):
            lines.append(line)
            if len(lines) == CHUNK_ROWS:
                self._write(lines)
                lines = []
                time.sleep(PAUSE_SECONDS)
        if lines:
            self._write(lines)

    def _encode(self, queue: list[SampledRequest]) -> Iterator[bytes]:
        for sampled in queue:
            when = timestamp(sampled.seconds)
            matrix = sampled.batch.matrix.tolist()
            for row, prediction in enumerate(sampled.values):
                document = {
                    "time": when,
                    "request_id": sampled.request_id,
                    "row": row,
                    **self._identity,
                    "features": {
                        name: decode(matrix[row], sampled.batch, row)
                        for name, decode in self._decoders
                    },
                    "prediction": None if self._hides_predictions else prediction,
                }
                yield orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)

    def _write(self, lines: list[bytes]) -> None:
        try:
            self._files.append(b"".join(lines))
        except OSError as error:
            self._count(NO_DISK, len(lines))
            self._warn(error)
        else:
            self._count(WRITTEN, len(lines))

    def _count(self, result: str, rows: int) -> None:
        with self._lock:
            self._results[result] = self._results.get(result, 0) + rows

    def _warn(self, error: OSError) -> None:
        now = time.monotonic()
        if now - self._warned_at >= WARN_SECONDS:
            self._warned_at = now
            reason = error.strerror or str(error)
            logging.getLogger(LOGGER).warning("capture_failed", extra={"reason": reason})


def from_settings(
    settings: Settings, contract: Contract, identity: dict[str, str]
) -> Capture | None:
    """None unless CAPTURE_RATIO is above 0. Raises SettingRefusedError."""
    return Capture(settings, contract, identity) if settings.capture_ratio else None


def _require_writable(folder: Path | None) -> Path:
    if folder is None or not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        expected = "an existing folder that is writable for this process"
        raise refusal("CAPTURE_DIR", expected, str(folder or ""), required=True)
    return folder


def _iso(microseconds: float) -> str:
    return (EPOCH + timedelta(microseconds=microseconds)).isoformat()


def _excluded(names: str | None, contract: Contract) -> frozenset[str]:
    """The features to exclude. Refuses unknown names: a typo would expose the real feature."""
    excluded = frozenset(name.strip() for name in (names or "").split(",")) - {""}
    unknown = sorted(excluded - set(contract.names))
    if unknown:
        known = ", ".join(contract.names)[:500]
        raise refusal("CAPTURE_EXCLUDE", f"comma-separated feature names out of: {known}",
                      ", ".join(unknown))  # fmt: skip
    return excluded


def _decoders(contract: Contract, excluded: frozenset[str]) -> list[tuple[str, Decode]]:
    """For each captured feature, the function that decodes its JSON value from a row."""
    return [
        (feature.name, _decoder(index, feature))
        for index, feature in enumerate(contract.inputs)
        if feature.name not in excluded
    ]


def _decoder(index: int, feature: Feature) -> Decode:
    if feature.is_open:
        return lambda _numbers, batch, row: batch.text[feature.name][row]
    categories = feature.categories or ()
    converters: dict[str, Callable[[float], Any]] = {
        "float": float,
        "integer": int,
        "boolean": bool,
        "string": lambda code: categories[int(code)],
        "datetime": _iso,
    }
    convert = converters[feature.dtype]
    return lambda numbers, _batch, _row: (
        None if math.isnan(numbers[index]) else convert(numbers[index])
    )
