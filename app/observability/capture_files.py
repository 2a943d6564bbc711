"""The folder of captured rows: files that are rotated, bounded in bytes and deleted by age.

Every worker writes a file of its own. Each removes what is too old, whoever wrote it, and the
oldest files of its own pod when all of them together become too large. Only files with names of
ours are ever touched. Knows bytes and names, not what a row is.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# When the first row came (so none in the file is older), pod, process, a counter.
NAME = re.compile(r"rows-(\d{8}T\d{6}Z)-(.+)-(\d+)-(\d+)\.jsonl")
MOMENT = "%Y%m%dT%H%M%SZ"
# All but the newest files are whole; the more there are, the less is lost when the oldest goes.
FILES_PER_WRITER = 4
SPANS_PER_AGE = 10


class CaptureFiles:
    """The files of one process. Not for several threads at once."""

    def __init__(self, folder: Path, *, most_bytes: int, most_seconds: float, writers: int) -> None:
        self._folder = folder
        self._host = socket.gethostname()
        self._most_seconds = most_seconds
        # While workers are replaced there is one more of them.
        self._most_file_bytes = most_bytes // (FILES_PER_WRITER * (writers + 1))
        # Before a file is begun there must be room for it and for the rest of all others.
        self._most_old_bytes = most_bytes - self._most_file_bytes * (writers + 1)
        self._descriptor: int | None = None
        self._size = 0
        self._begun = 0.0
        self._count = 0

    def append(self, block: bytes) -> None:
        """Write whole lines, or nothing of them. Raises OSError."""
        if len(block) > self._most_file_bytes:
            raise OSError(f"{len(block)} bytes of rows do not fit into CAPTURE_MAX_BYTES")
        if self._descriptor is not None and (self._is_full(len(block)) or self._is_gone()):
            self.close()
        if self._descriptor is None:
            self._open()
        written = 0
        try:
            while written < len(block):
                written += os.write(self._descriptor, block[written:])  # type: ignore[arg-type]
        except OSError:
            self._undo(written)
            raise
        self._size += len(block)

    def clean(self) -> None:
        """Delete what is too old, and the oldest of this pod's files when they are too many bytes.

        What cannot be deleted stays: the next cleaning tries again.
        """
        now = time.time()
        kept: list[tuple[float, Path, int]] = []
        with contextlib.suppress(OSError):
            for path in self._folder.iterdir():
                match = NAME.fullmatch(path.name)
                if match is None:
                    continue
                begun = datetime.strptime(match[1], MOMENT).replace(tzinfo=UTC).timestamp()
                with contextlib.suppress(OSError):
                    if now - begun > self._most_seconds:
                        path.unlink()
                    elif match[2] == self._host:
                        kept.append((begun, path, path.stat().st_size))
        total = sum(size for _, _, size in kept)
        for _, path, size in sorted(kept):
            if total <= self._most_old_bytes:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size

    def close(self) -> None:
        """End the present file; the next row begins another."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_full(self, more: int) -> bool:
        too_old = time.time() - self._begun > self._most_seconds / SPANS_PER_AGE
        return too_old or self._size + more > self._most_file_bytes

    def _is_gone(self) -> bool:
        """Whether somebody deleted the file: another worker, because it was the oldest."""
        return self._descriptor is not None and os.fstat(self._descriptor).st_nlink == 0

    def _open(self) -> None:
        self.clean()
        self._begun, self._size = time.time(), 0
        moment = datetime.fromtimestamp(self._begun, UTC).strftime(MOMENT)
        # For the service's user alone: these are inputs of real requests.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL | os.O_CLOEXEC
        while self._descriptor is None:
            self._count += 1
            path = self._folder / f"rows-{moment}-{self._host}-{os.getpid()}-{self._count}.jsonl"
            # A container that starts anew may have the same process id in the same second.
            with contextlib.suppress(FileExistsError):
                self._descriptor = os.open(path, flags, 0o600)

    def _undo(self, written: int) -> None:
        """Take a torn line back, so that the file stays one that can be read."""
        if written and self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
