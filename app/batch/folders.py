"""The folder of a run's results: plan.json, parts and the rest, whole or not at all.

Names are relative and have slashes. `LocalFolder` is one on disk; `stores` has one in a store.
"""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


class Folder(Protocol):
    """Where the files of a run are."""

    @property
    def is_local(self) -> bool:
        """Whether it is on disk, where one process can keep others out."""

    def where(self, name: str = "") -> str:
        """A file of it as people and commands name it."""

    def names(self, folder: str = "") -> set[str]:
        """The names of the files in it, or in a folder of it."""

    def open(self, name: str) -> BinaryIO:
        """A file to read and seek in. Raises FileNotFoundError."""

    def read(self, name: str) -> bytes:
        """The content of a small file. Raises FileNotFoundError."""

    def write(self, name: str, data: bytes) -> None:
        """Write a small file."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a small file unless there is one; whether it was written."""

    def remove(self, name: str) -> None:
        """Remove a file if there is one."""

    def writing(self, name: str) -> AbstractContextManager[Writing]:
        """A file in the making, which is there once it is committed."""


class Writing:
    """A file in the making: a stream, and what puts it in its place."""

    def __init__(self, stream: BinaryIO, commit: Callable[[], None]) -> None:
        self.stream = stream
        self.commit = commit


class LocalFolder:
    """A folder on disk."""

    is_local = True

    def __init__(self, path: Path) -> None:
        self.path = path
        # Files in the making, which a process that is told to end removes.
        self._temporary: set[Path] = set()

    def where(self, name: str = "") -> str:
        """The path."""
        return str(self.path / name) if name else str(self.path)

    def names(self, folder: str = "") -> set[str]:
        """Files whose name begins with a dot are none of the run's."""
        prefix = f"{folder}/" if folder else ""
        found = self.path / folder
        if not found.is_dir():
            return set()
        return {
            prefix + one.name
            for one in found.iterdir()
            if one.is_file() and not one.name.startswith(".")
        }

    def open(self, name: str) -> BinaryIO:
        """Raises FileNotFoundError."""
        return (self.path / name).open("rb")

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError."""
        return (self.path / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Through a file beside it, renamed."""
        with self.writing(name) as writing:
            writing.stream.write(data)
            writing.commit()

    def create(self, name: str, data: bytes) -> bool:
        """Through a file beside it, linked."""
        path = self.path / name
        with self._beside(path) as (stream, temporary):
            stream.write(data)
            _sync(stream)
            try:
                path.hardlink_to(temporary)
            except FileExistsError:
                return False
            _sync_folder(path.parent)
        return True

    def remove(self, name: str) -> None:
        """Nothing happens if there is none."""
        (self.path / name).unlink(missing_ok=True)

    @contextmanager
    def writing(self, name: str) -> Iterator[Writing]:
        """A file beside it, which `commit` renames."""
        path = self.path / name
        with self._beside(path) as (stream, temporary):

            def commit() -> None:
                _sync(stream)
                temporary.replace(path)
                _sync_folder(path.parent)

            yield Writing(stream, commit)

    def discard(self) -> None:
        """Remove the files in the making."""
        for path in list(self._temporary):
            path.unlink(missing_ok=True)

    def remove_left(self, pattern: str = "*") -> None:
        """Remove what processes that were killed left of files with such names, and empty folders.

        Only while nobody else writes such files.
        """
        for folder in (self.path, *(one for one in self.path.glob("*") if one.is_dir())):
            for left in folder.glob(f".{pattern}.tmp"):
                left.unlink(missing_ok=True)
            if folder != self.path and not any(folder.iterdir()):
                with suppress(OSError):
                    folder.rmdir()

    @contextmanager
    def _beside(self, path: Path) -> Iterator[tuple[BinaryIO, Path]]:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Of this process alone, also where pods with equal process ids share a folder.
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
        self._temporary.add(temporary)
        try:
            with temporary.open("wb") as stream:
                yield stream, temporary
        finally:
            temporary.unlink(missing_ok=True)
            self._temporary.discard(temporary)


def _sync(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
