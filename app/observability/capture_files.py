"""The folder of captured rows: files that are rotated, bounded in bytes and deleted by age.

Every worker writes its own file. Each deletes expired files of any pod, and the oldest files of its
own pod when their total size exceeds the limit. Only files with matching names are ever deleted.
Knows bytes and names, not rows.
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

# Time of the first row (no row in the file is older), pod, process, counter.
NAME = re.compile(r"rows-(\d{8}T\d{6}Z)-(.+)-(\d+)-(\d+)\.jsonl")
TIMESTAMP_FORMAT = "%Y%m%dT%H%M%SZ"
# The more files, the fewer rows are lost when the oldest file is deleted.
FILES_PER_WRITER = 4
ROTATIONS_PER_AGE = 10


class CaptureFiles:
    """The files of one process. Not thread-safe."""

    def __init__(self, folder: Path, *, max_bytes: int, max_seconds: float, writers: int) -> None:
        self._folder = folder
        self._host = socket.gethostname()
        self._max_seconds = max_seconds
        # One more than the workers: while one is replaced, both may write.
        self._max_file_bytes = max_bytes // (FILES_PER_WRITER * (writers + 1))
        # Limit for existing files before a new one is started, so that all open files can fill up.
        self._max_old_bytes = max_bytes - self._max_file_bytes * (writers + 1)
        self._descriptor: int | None = None
        self._size = 0
        self._started = 0.0
        self._count = 0

    def append(self, block: bytes) -> None:
        """Write all of the lines or none. Raises OSError."""
        if len(block) > self._max_file_bytes:
            raise OSError(
                f"{len(block)} bytes of rows exceed the file size that CAPTURE_MAX_BYTES allows"
            )
        if self._descriptor is not None and (self._is_full(len(block)) or self._is_deleted()):
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
        """Delete expired files, and this pod's oldest files beyond the limit of bytes.

        Files that cannot be deleted are tried again at the next cleaning.
        """
        now = time.time()
        kept: list[tuple[float, Path, int]] = []
        with contextlib.suppress(OSError):
            for path in self._folder.iterdir():
                match = NAME.fullmatch(path.name)
                if match is None:
                    continue
                started = (
                    datetime.strptime(match[1], TIMESTAMP_FORMAT).replace(tzinfo=UTC).timestamp()
                )
                with contextlib.suppress(OSError):
                    if now - started > self._max_seconds:
                        path.unlink()
                    elif match[2] == self._host:
                        kept.append((started, path, path.stat().st_size))
        total = sum(size for _, _, size in kept)
        for _, path, size in sorted(kept):
            if total <= self._max_old_bytes:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size

    def close(self) -> None:
        """Close the current file; the next row starts another."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_full(self, more: int) -> bool:
        too_old = time.time() - self._started > self._max_seconds / ROTATIONS_PER_AGE
        return too_old or self._size + more > self._max_file_bytes

    def _is_deleted(self) -> bool:
        """Whether another worker deleted the file because it was the oldest."""
        return self._descriptor is not None and os.fstat(self._descriptor).st_nlink == 0

    def _open(self) -> None:
        self.clean()
        self._started, self._size = time.time(), 0
        started = datetime.fromtimestamp(self._started, UTC).strftime(TIMESTAMP_FORMAT)
        # Readable by the service's user only: these are inputs of real requests.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL | os.O_CLOEXEC
        while self._descriptor is None:
            self._count += 1
            path = self._folder / f"rows-{started}-{self._host}-{os.getpid()}-{self._count}.jsonl"
            # A restarted container may have the same process id within the same second.
            with contextlib.suppress(FileExistsError):
                self._descriptor = os.open(path, flags, 0o600)

    def _undo(self, written: int) -> None:
        """Truncate a partly written block, so that the file stays valid."""
        if written and self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
