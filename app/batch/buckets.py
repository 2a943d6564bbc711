"""The results of a run in a store: objects that appear whole, or not at all."""

from __future__ import annotations

import io
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

import obstore
from obstore import exceptions

from app.batch.folders import Writing
from app.batch.stores import KEEP_SECRET, ObjectStream, Store
from app.fetch.opening import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# One request of a multipart upload; a store takes 10,000 of them for an object.
UPLOAD_BYTES = 16 * 1024 * 1024
UPLOADS = 2
RESULTS = Subject(
    name="the results",
    url_fix="correct --out",
    secret_fix=KEEP_SECRET,
    absent_expected="a file of the run",
    absent_fix="run the plan again",
    access="read and write",
)


class StoreFolder:
    """The results of a run at a URL."""

    is_local = False

    def __init__(self, url: str) -> None:
        """Connects to nothing yet. Raises StoreError."""
        self._store = Store(url, RESULTS)

    def where(self, name: str = "") -> str:
        """The URL."""
        return f"{self._store.url}/{name}".rstrip("/")

    def names(self, folder: str = "") -> set[str]:
        """Raises StoreError."""
        prefix = f"{folder}/" if folder else ""

        def ask() -> set[str]:
            found = obstore.list_with_delimiter(self._store.objects, prefix=prefix or None)
            return {one["path"] for one in found["objects"]}

        return self._store.tried(folder, ask)

    def open(self, name: str) -> BinaryIO:
        """Raises FileNotFoundError, StoreError."""
        raw = ObjectStream(self._store, name, self._store.pin(name))
        return io.BufferedReader(raw, 1 << 16)

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError, StoreError."""
        objects = self._store.objects
        return self._store.tried(name, lambda: bytes(obstore.get(objects, name).bytes()))

    def write(self, name: str, data: bytes) -> None:
        """Raises StoreError."""
        self._put(name, io.BytesIO(data))

    def create(self, name: str, data: bytes) -> bool:
        """Raises StoreError."""
        objects = self._store.objects
        try:
            self._store.tried(name, lambda: obstore.put(objects, name, data, mode="create"))
        except exceptions.AlreadyExistsError:
            # Also the answer to a retry after a success that was not heard of.
            return self.read(name) == data
        return True

    def remove(self, name: str) -> None:
        """Raises StoreError."""
        with suppress(FileNotFoundError):
            self._store.tried(name, lambda: obstore.delete(self._store.objects, name))

    @contextmanager
    def writing(self, name: str) -> Iterator[Writing]:
        """A temporary file, which `commit` uploads: no object before it is complete."""
        with tempfile.TemporaryFile() as stream:
            yield Writing(stream, lambda: self._put(name, stream))

    def _put(self, name: str, stream: BinaryIO) -> None:
        def ask() -> None:
            stream.seek(0)
            obstore.put(
                self._store.objects,
                name,
                stream,
                chunk_size=UPLOAD_BYTES,
                max_concurrency=UPLOADS,
            )

        try:
            self._store.tried(name, ask)
        except FileNotFoundError:
            # The answer to the end of an upload was lost, and its repetition found it ended.
            self._put_again(name, ask)

    def _put_again(self, name: str, ask: Callable[[], None]) -> None:
        try:
            self._store.tried(name, ask)
        except FileNotFoundError as error:
            raise self._store.error(name, error) from error
