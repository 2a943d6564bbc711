"""The folder that the bundle is downloaded to, with the files of an interrupted download.

Files appear atomically: their bytes are written to `.partial`, flushed to disk and renamed. The
manifest comes last, so a folder that has one is complete.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.fetch.errors import FetchRefusedError
from app.model.bundle import MANIFEST, digest_of, require_only_listed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed import ReadableBuffer as Buffer

PARTIAL = ".partial"
READ_BYTES = 1024 * 1024
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Folder:
    """A bundle that is being downloaded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path / PARTIAL

    def open(self) -> None:
        """Create the folder. Raises FetchRefusedError."""
        with self.writing():
            self._partial.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn an OSError into a FetchRefusedError."""
        try:
            yield
        except OSError as error:
            is_full = error.errno in DISK_FULL
            raise FetchRefusedError(
                f"no space left in {self.path}" if is_full else f"cannot write to {self.path}",
                expected="a writable folder with enough space for the bundle",
                found=error.strerror or type(error).__name__,
                fix="raise model.download.sizeLimit, or free disk space on the node"
                if is_full
                else "mount a volume there that is writable for the user or group of the container",
            ) from error

    def has_file(self, name: str, sha256: str) -> bool:
        """Whether the file exists and has that hash."""
        target = self.path / name
        if target.is_symlink() or not target.is_file():
            return False
        return _sha256(target) == sha256

    def manifest(self, digest: str) -> bytes | None:
        """The manifest of a completed download, if it has that digest."""
        target = self.path / MANIFEST
        raw = target.read_bytes() if target.is_file() and not target.is_symlink() else b""
        return raw if digest_of(raw) == digest else None

    @contextmanager
    def part(self, name: str, sha256: str, size: int) -> Iterator[Part]:
        """Open the partial file; flushed to disk on exit. Raises FetchRefusedError."""
        # Named by content too: a part is never resumed with bytes of another release.
        key = hashlib.sha256(f"{sha256} {name}".encode()).hexdigest()
        with self.writing(), Part(self._partial / key, size) as part:
            yield part

    def put(self, part: Part, name: str) -> None:
        """Move a complete part to its final name. Raises FetchRefusedError."""
        target = self.path / name
        with self.writing():
            target.parent.mkdir(parents=True, exist_ok=True)
            part.path.replace(target)
            _flush(target.parent)

    def put_manifest(self, raw: bytes) -> None:
        """Write the manifest, as the last file. Raises FetchRefusedError."""
        with self.part(MANIFEST, digest_of(raw), len(raw)) as part:
            part.restart()
            part.write(raw)
        self.put(part, MANIFEST)

    def close(self, listed: set[str]) -> None:
        """Remove partial files, and require that no other files remain.

        Raises RefusedError.
        """
        with self.writing():
            shutil.rmtree(self._partial, ignore_errors=True)
        require_only_listed(self.path, listed)

    def require_no_symlinks(self, names: set[str]) -> None:
        """Raise FetchRefusedError for symbolic links among parent folders: they lead outside."""
        for name in names:
            for parent in (self.path / name).parents:
                if parent == self.path:
                    break
                if parent.is_symlink():
                    raise FetchRefusedError(
                        f"the parent folder of {name!r} is a symbolic link",
                        expected="real folders only",
                        found=str(parent),
                        fix="remove it, or download into an empty folder",
                    )


class Part:
    """A partly downloaded file and the running hash of its bytes."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.bytes = 0
        self._hash = hashlib.sha256()

    def __enter__(self) -> Part:
        self._file = self.path.open("ab+")
        self._file.seek(0)
        while chunk := self._file.read(READ_BYTES):
            self.bytes += len(chunk)
            self._hash.update(chunk)
        if self.bytes > self.size:
            self.restart()
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())

    @property
    def sha256(self) -> str:
        """The hash of all bytes so far."""
        return self._hash.hexdigest()

    def write(self, chunk: Buffer) -> None:
        """Append bytes."""
        self.bytes += self._file.write(chunk)
        self._hash.update(chunk)

    def restart(self) -> None:
        """Discard all bytes."""
        self._file.truncate(0)
        self.bytes = 0
        self._hash = hashlib.sha256()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
