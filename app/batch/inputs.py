"""The files of the input below their root: a folder on disk, or a URL."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from app.batch.errors import BatchError
from app.batch.folders import Folder, LocalFolder
from app.batch.source import (
    STORE_READ_AHEAD,
    LocalSource,
    Pin,
    require_hash,
    require_size,
    sha256_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.batch.plan import InputFile, Plan
    from app.batch.source import Range, Source
    from app.batch.stores import Store

SCHEMES = ("s3", "gs", "az", "http", "https")


class Inputs(Protocol):
    """Opens files of the input."""

    def open(self, name: str, pin: Pin | None = None) -> Source:
        """Open a file, as it is now or as it is pinned. Raises BatchError."""


class LocalInputs:
    """Files below a folder on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, name: str, pin: Pin | None = None) -> Source:  # noqa: ARG002 - hashes pin it
        """Raises BatchError."""
        return LocalSource(self._root / name, name)


class RemoteInputs:
    """Objects below a URL."""

    def __init__(self, url: str) -> None:
        """Connects to nothing yet. Raises BatchError."""
        from app.batch.stores import INPUT, Store

        self._store = Store(url, INPUT)

    def open(self, name: str, pin: Pin | None = None) -> Source:
        """Raises BatchError."""
        if pin is None:
            try:
                pin = self._store.pin(name)
            except FileNotFoundError as error:
                raise self._store.error(name, error) from error
        return RemoteSource(self._store, name, pin)


class RemoteSource:
    """An object: whoever reads another content than the pinned one is refused at once."""

    read_ahead = STORE_READ_AHEAD

    def __init__(self, store: Store, name: str, pin: Pin) -> None:
        from app.batch.stores import ObjectStream

        self.stream = cast("BinaryIO", ObjectStream(store, name, pin))
        self.pin = pin
        self._name = name

    def close(self) -> None:
        """Close it."""
        self.stream.close()

    def verify(self, ranges: Iterable[Range], expected: str) -> None:
        """Nothing is read twice that an ETag pins. Raises BatchRefusedError."""
        if not self.pin.etag:
            self.confirm(sha256_of(self.stream, ranges), expected)

    def confirm(self, found: str, expected: str) -> None:
        """Raises BatchRefusedError unless what was read has the hash that the plan pins."""
        require_hash(self._name, found, expected)

    def require_unchanged(self) -> None:
        """Every answer was compared."""


def is_url(text: str) -> bool:
    """Whether a text is the URL of a store."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme in SCHEMES


def open_folder(where: str | Path) -> Folder:
    """The folder of a run's results. Raises BatchError."""
    if not is_url(str(where)):
        return LocalFolder(Path(where))
    if str(where).startswith("http"):
        raise BatchError(
            f"{where} cannot be written to",
            expected="a folder, s3://bucket/path, gs://bucket/path or az://container/path",
            found="an http(s) URL",
            fix="write into a bucket",
        )
    from app.batch.buckets import StoreFolder

    return StoreFolder(str(where))


def open_inputs(plan: Plan, out: Folder) -> Inputs:
    """The files of a plan, seen from the folder of plan.json. Raises BatchError."""
    return open_root(plan.root, out)


def open_root(root: str, out: Folder) -> Inputs:
    """The files below a root. Raises BatchError."""
    if is_url(root):
        return RemoteInputs(root)
    base = out.path.resolve() if isinstance(out, LocalFolder) else Path()
    # By its text: the folder of the results may not be there yet.
    return LocalInputs(Path(os.path.normpath(base / root)))


@contextmanager
def opened(inputs: Inputs, file: InputFile) -> Iterator[Source]:
    """A file of a plan. Raises BatchError, BatchRefusedError if it has another size."""
    pin = Pin(file.bytes, file.etag, file.version)
    source = inputs.open(file.path, pin)
    try:
        require_size(file, source.pin.bytes)
        yield source
    finally:
        source.close()
