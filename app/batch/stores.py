"""Objects in a store, read by ranges as they are pinned.

Credentials and options are those of `app.fetch`; obstore repeats what may pass, up to
FETCH_ATTEMPTS times, and `Store.tried` what it cannot.
"""

from __future__ import annotations

import io
import os
import random
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
from obstore import exceptions

from app.batch.errors import StoreError, StoreUnavailableError
from app.batch.source import Pin, changed
from app.fetch.errors import FetchRefusedError
from app.fetch.opening import NO_BUCKET, Subject, open_store, translated
from app.fetch.settings import Settings
from app.variables import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ObjectStore, RetryConfig

RETRY_SECONDS = 180
MAX_BACKOFF_SECONDS = 5
KEEP_SECRET = "set credentials in the environment, as for app.fetch"  # noqa: S105 - a text
INPUT = Subject(
    name="an input",
    url_fix="correct --input",
    secret_fix=KEEP_SECRET,
    absent_expected="the file that was planned",
    absent_fix="put it back, or plan again into another folder",
)
# Errors that are answers, and said in words of their own.
UNDERSTOOD = (FileNotFoundError, exceptions.NotSupportedError, exceptions.AlreadyExistsError)
# Between attempts beside those of obstore, which does not repeat what it began to hand out.
PAUSES_SECONDS = (0.2, 1.0, 3.0)
T = TypeVar("T")


class Store:
    """A bucket or a part of one, at a URL."""

    def __init__(self, url: str, subject: Subject) -> None:
        """Connects to nothing yet. Raises StoreError."""
        self.url = url.rstrip("/")
        self._subject = subject
        settings = read(Settings, os.environ)
        if self.url.startswith("http"):
            settings = replace(settings, endpoint=None)
        retries: RetryConfig = {
            "max_retries": settings.attempts - 1,
            "retry_timeout": timedelta(seconds=RETRY_SECONDS),
            "backoff": {"max_backoff": timedelta(seconds=MAX_BACKOFF_SECONDS)},
        }
        try:
            self.objects: ObjectStore = open_store(self.url, settings, subject, retries)
        except FetchRefusedError as error:
            raise _refused(error) from error

    def tried(self, name: str, ask: Callable[[], T]) -> T:
        """What the store answers, asked again where obstore does not: a body that ended early.

        Raises FileNotFoundError, NotSupportedError, AlreadyExistsError, StoreError.
        """
        for pause in (*PAUSES_SECONDS, None):
            try:
                return ask()
            except UNDERSTOOD as error:
                if any(word in str(error) for word in NO_BUCKET):
                    raise self.error(name, error) from error
                raise
            except exceptions.BaseError as error:
                known = self.error(name, error)
                if pause is None or not known.is_transient:
                    raise known from error
                # Jitter: pods that were refused together must not come back together.
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
        raise AssertionError("the last attempt returns or raises")

    def error(self, name: str, error: Exception) -> StoreError:
        """An error of obstore about an object."""
        found = translated(error, self.url, name, self._subject)
        if isinstance(found, FetchRefusedError):
            return _refused(found)
        return StoreUnavailableError(
            f"the store of {self.url}/{name} does not answer",
            expected="an answer after some retries",
            found=str(found),
            fix="check the store and the way to it, and run again: written parts are kept",
        )

    def pin(self, name: str) -> Pin:
        """What an object is now. Raises FileNotFoundError, StoreError."""
        return _pin(self.tried(name, lambda: obstore.head(self.objects, name)))

    def listed(self, prefix: str) -> dict[str, int]:
        """Every object below a folder, and its bytes. Raises StoreError."""

        def ask() -> dict[str, int]:
            batches = obstore.list(self.objects, prefix=prefix or None)
            return {one["path"]: one["size"] for batch in batches for one in batch}

        return self.tried(prefix, ask)


class ObjectStream(io.RawIOBase):
    """An object as a stream: each read is one request, whose answer has to be of what is pinned.

    Of a bucket with versions, the pinned one is read where the object is another by now. Not at
    once: S3 wants another right for that.
    """

    def __init__(self, store: Store, name: str, pin: Pin) -> None:
        super().__init__()
        self._store, self._name, self._pin = store, name, pin
        self._at = 0
        self._is_past = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._pin.bytes}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: object, /) -> int:
        """Raises BatchRefusedError if the object has changed, StoreError."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # of any buffer
        end = min(self._at + len(view), self._pin.bytes)
        count = end - self._at
        if count <= 0:
            return 0
        view[:count] = self._range(self._at, end)
        self._at = end
        return count

    def _range(self, start: int, end: int) -> memoryview:
        url = f"{self._store.url}/{self._name}"
        is_whole = (start, end) == (0, self._pin.bytes)
        options: Any = {} if is_whole else {"range": (start, end)}

        try:
            found, data = self._store.tried(self._name, lambda: self._asked(options))
        except FileNotFoundError as error:
            raise changed(self._name, self._pin.text, "no object") from error
        except exceptions.NotSupportedError as error:
            raise StoreError(
                f"{url} cannot be read in parts",
                expected="a server that answers range requests",
                found=str(error).partition("\n")[0][:300],
                fix="serve the file by a server that does, or copy it into a bucket",
            ) from error
        if found != self._pin:
            raise changed(self._name, self._pin.text, found.text)
        if len(data) != end - start:
            raise StoreUnavailableError(
                f"{url} was not read completely",
                expected=f"{end - start:,} bytes",
                found=f"{len(data):,}",
                fix="run again: written parts are kept",
            )
        return data

    def _asked(self, options: Any) -> tuple[Pin, memoryview]:
        """The object as it is, or in the version that is pinned if it is not that any more."""
        if not self._is_past:
            try:
                found, data = self._got(options)
            except FileNotFoundError:
                # Deleted, which leaves versions as they are.
                if not self._pin.version:
                    raise
            else:
                if found == self._pin or not self._pin.version:
                    return found, data
        try:
            found, data = self._got({**options, "version": self._pin.version})
        except exceptions.PermissionDeniedError as error:
            text = "another version, and no right to read that one"
            raise changed(self._name, self._pin.text, text) from error
        self._is_past = found == self._pin
        return found, data

    def _got(self, options: Any) -> tuple[Pin, memoryview]:
        answer = obstore.get(self._store.objects, self._name, options=options)
        found = _pin(answer.meta)
        # Another object is not worth its bytes.
        return found, memoryview(answer.bytes() if found == self._pin else b"")


def _pin(meta: Any) -> Pin:
    return Pin(meta["size"], meta["e_tag"] or "", meta["version"] or "")


def _refused(error: FetchRefusedError) -> StoreError:
    return StoreError(error.what, expected=error.expected, found=error.found, fix=error.fix)
