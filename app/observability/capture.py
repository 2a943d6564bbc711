"""Some of the predicted rows, kept for a while in files, so that drift can be looked at closely.

Off by default: rows may be personal data. When it is on, a sampled request leaves its rows in
memory, and a thread turns them into JSON lines. Nothing here makes a request wait or fail: rows
that find no room, in memory or on the disk, are dropped and counted.
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
from typing import TYPE_CHECKING, Any

import orjson

from app.observability.capture_files import CaptureFiles
from app.observability.logs import LOGGER
from app.observability.metrics.families import CAPTURE_RESULTS
from app.timestamps import timestamp
from app.variables import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from app.model.contract import Contract, Feature, Label
    from app.model.validation import Batch
    from app.settings import Settings

    # A validated row, its batch and its place in it -> one JSON value.
    Decode = Callable[[list[float], Batch, int], Any]

WRITTEN, NO_MEMORY, NO_DISK = CAPTURE_RESULTS
# Rows that wait for the thread; about a second of a busy worker, or a few megabytes.
MOST_WAITING_ROWS = 10_000
# How long rows wait in memory at most; what a killed process loses.
WRITE_SECONDS = 0.5
# Rows are encoded this many at a time, with a pause between: a thread that computes on makes the
# event loop wait for the interpreter, up to 5 ms each time.
CHUNK_ROWS = 25
PAUSE_SECONDS = 0.0005
CLEAN_SECONDS = 60.0
# A full disk is said once in this time, not for every row.
COMPLAIN_SECONDS = 60.0
# Time for the last rows when the process ends.
END_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Taken:
    """The rows of one sampled request."""

    seconds: float
    request_id: str
    batch: Batch
    values: Sequence[Label]


class Capture:
    """The sampling of one worker; made in the master, started after the fork."""

    def __init__(self, settings: Settings, contract: Contract, facts: dict[str, str]) -> None:
        """`facts` are in every line: which model, version and digest it was.

        Raises SettingRefusedError.
        """
        folder = _writable(settings.capture_dir)
        self._ratio = settings.capture_ratio
        self._decoders = _decoders(contract, _excluded(settings.capture_exclude, contract))
        self._facts = facts
        self._files = CaptureFiles(
            folder,
            most_bytes=settings.capture_max_bytes,
            most_seconds=settings.capture_max_age_hours * 3600,
            writers=settings.worker_count,
        )
        self._lock = threading.Lock()
        self._waiting: list[Taken] = []
        self._waiting_rows = 0
        self._refused_rows = 0
        self._ending = threading.Event()
        self._complained = -math.inf
        # What became of rows since somebody asked.
        self._results: dict[str, int] = {}

    def start_worker(self) -> None:
        """Start writing; call it once in every worker."""
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def take(self, batch: Batch, values: Sequence[Label], request_id: str) -> None:
        """Sample a request that was predicted. Any thread may call it."""
        if random.random() >= self._ratio:  # noqa: S311 - a sample, not a secret
            return
        rows = len(batch)
        with self._lock:
            if self._waiting_rows + rows > MOST_WAITING_ROWS:
                self._refused_rows += rows
                return
            self._waiting_rows += rows
            self._waiting.append(Taken(time.time(), request_id, batch, values))

    def results(self) -> dict[str, int]:
        """Rows by what became of them since the last call."""
        with self._lock:
            results, self._results = self._results, {}
        return results

    def close(self) -> None:
        """Write what waits, unless the disk takes too long, and stop."""
        self._ending.set()
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        next_cleaning = 0.0
        ended = False
        while not ended:
            ended = self._ending.wait(WRITE_SECONDS)
            self._write_waiting()
            if time.monotonic() >= next_cleaning:
                self._files.clean()
                next_cleaning = time.monotonic() + CLEAN_SECONDS
        self._files.close()

    def _write_waiting(self) -> None:
        with self._lock:
            waiting, self._waiting, self._waiting_rows = self._waiting, [], 0
            refused, self._refused_rows = self._refused_rows, 0
        if refused:
            self._count(NO_MEMORY, refused)
        lines: list[bytes] = []
        for line in self._encode(waiting):
            lines.append(line)
            if len(lines) == CHUNK_ROWS:
                self._write(lines)
                lines = []
                time.sleep(PAUSE_SECONDS)
        if lines:
            self._write(lines)

    def _encode(self, waiting: list[Taken]) -> Iterator[bytes]:
        for taken in waiting:
            moment = timestamp(taken.seconds)
            matrix = taken.batch.matrix.tolist()
            for row, prediction in enumerate(taken.values):
                document = {
                    "time": moment,
                    "request_id": taken.request_id,
                    "row": row,
                    **self._facts,
                    "features": {
                        name: decode(matrix[row], taken.batch, row)
                        for name, decode in self._decoders
                    },
                    "prediction": prediction,
                }
                yield orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)

    def _write(self, lines: list[bytes]) -> None:
        try:
            self._files.append(b"".join(lines))
        except OSError as error:
            self._count(NO_DISK, len(lines))
            self._complain(error)
        else:
            self._count(WRITTEN, len(lines))

    def _count(self, result: str, rows: int) -> None:
        with self._lock:
            self._results[result] = self._results.get(result, 0) + rows

    def _complain(self, error: OSError) -> None:
        now = time.monotonic()
        if now - self._complained >= COMPLAIN_SECONDS:
            self._complained = now
            reason = error.strerror or str(error)
            logging.getLogger(LOGGER).warning("capture_failed", extra={"reason": reason})


def from_settings(settings: Settings, contract: Contract, facts: dict[str, str]) -> Capture | None:
    """None unless CAPTURE_RATIO asks for it. Raises SettingRefusedError."""
    return Capture(settings, contract, facts) if settings.capture_ratio else None


def _writable(folder: Path | None) -> Path:
    if folder is None or not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        expected = "an existing folder that this process may write to (CAPTURE_RATIO is set)"
        raise refusal("CAPTURE_DIR", expected, str(folder or ""))
    return folder


def _excluded(names: str | None, contract: Contract) -> frozenset[str]:
    """The features never to be written. A name that is none would let the real one through."""
    excluded = frozenset(name.strip() for name in (names or "").split(",")) - {""}
    unknown = sorted(excluded - set(contract.names))
    if unknown:
        known = ", ".join(contract.names)[:500]
        raise refusal("CAPTURE_EXCLUDE", f"names of features, separated by commas, of: {known}",
                      ", ".join(unknown))  # fmt: skip
    return excluded


def _decoders(contract: Contract, excluded: frozenset[str]) -> list[tuple[str, Decode]]:
    """For each feature that is written, how its JSON value is got back from a validated row."""
    return [
        (feature.name, _decoder(index, feature))
        for index, feature in enumerate(contract.inputs)
        if feature.name not in excluded
    ]


def _decoder(index: int, feature: Feature) -> Decode:
    if feature.is_text:
        return lambda _numbers, batch, row: batch.text[feature.name][row]
    categories = feature.categories or ()
    converters: dict[str, Callable[[float], Any]] = {
        "float": float,
        "integer": int,
        "boolean": bool,
        "string": lambda code: categories[int(code)],
    }
    convert = converters[feature.dtype]
    return lambda numbers, _batch, _row: (
        None if math.isnan(numbers[index]) else convert(numbers[index])
    )
