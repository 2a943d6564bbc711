"""The folder that the bundle is put in, and what an earlier start left there.

A file appears under its name whole or not at all: its bytes are collected in `.partial`, flushed
to the disk and renamed. The manifest comes last, so a folder that has one is complete.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.fetch.errors import FetchRefusedError
from app.model.bundle import MANIFEST, digest_of, refuse_strays

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed import ReadableBuffer as Buffer

PARTIAL = ".partial"
READ_BYTES = 1024 * 1024
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Folder:
    """A bundle in the making."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path / PARTIAL

    def open(self) -> None:
        """Make it. Raises FetchRefusedError."""
        with self.writing():
            self._partial.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn what the disk says into a FetchRefusedError."""
        try:
            yield
        except OSError as error:
            full = error.errno in FULL
            raise FetchRefusedError(
                f"{self.path} has no room for the bundle" if full else f"cannot write {self.path}",
                expected="a folder with room for every file of the bundle that this user may write",
                found=error.strerror or type(error).__name__,
                fix="raise model.download.sizeLimit, or free space on the node"
                if full
                else "mount a writable volume there, owned by the user or group of the container",
            ) from error

    def has(self, name: str, sha256: str) -> bool:
        """Is the file there already, with that hash?"""
        place = self.path / name
        if place.is_symlink() or not place.is_file():
            return False
        return _sha256(place) == sha256

    def manifest(self, digest: str) -> bytes | None:
        """The manifest that an earlier start finished, if it has that digest."""
        place = self.path / MANIFEST
        raw = place.read_bytes() if place.is_file() and not place.is_symlink() else b""
        return raw if digest_of(raw) == digest else None

    @contextmanager
    def part(self, name: str, sha256: str, size: int) -> Iterator[Part]:
        """The bytes of a file so far, flushed to the disk at the end. Raises FetchRefusedError."""
        # Named after the content too: a part is never continued with bytes of another release.
        key = hashlib.sha256(f"{sha256} {name}".encode()).hexdigest()
        with self.writing(), Part(self._partial / key, size) as part:
            yield part

    def put(self, part: Part, name: str) -> None:
        """Give a finished part its name. Raises FetchRefusedError."""
        place = self.path / name
        with self.writing():
            place.parent.mkdir(parents=True, exist_ok=True)
            part.path.replace(place)
            _flush(place.parent)

    def put_manifest(self, raw: bytes) -> None:
        """The last file. Raises FetchRefusedError."""
        with self.part(MANIFEST, digest_of(raw), len(raw)) as part:
            part.restart()
            part.write(raw)
        self.put(part, MANIFEST)

    def close(self, listed: set[str]) -> None:
        """Remove what is left of collecting, and refuse what is not of this bundle.

        Raises RefusedError.
        """
        with self.writing():
            shutil.rmtree(self._partial, ignore_errors=True)
        refuse_strays(self.path, listed)

    def refuse_links(self, names: set[str]) -> None:
        """Refuse symbolic links on the way to files: they lead out of the folder."""
        for name in names:
            for parent in (self.path / name).parents:
                if parent == self.path:
                    break
                if parent.is_symlink():
                    raise FetchRefusedError(
                        f"the folder of {name!r} is a symbolic link",
                        expected="only folders below the bundle's",
                        found=str(parent),
                        fix="remove it, or fetch into an empty folder",
                    )


class Part:
    """The bytes of one file so far, on the disk and in a hash that goes on with them."""

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
        """Of all bytes so far."""
        return self._hash.hexdigest()

    def write(self, chunk: Buffer) -> None:
        """Add bytes at the end."""
        self.bytes += self._file.write(chunk)
        self._hash.update(chunk)

    def restart(self) -> None:
        """Throw all bytes away."""
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
