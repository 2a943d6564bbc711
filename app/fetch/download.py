"""Download a bundle from a store into a folder: the manifest and its digest, then each file.

Downloads are resumable: files with the right hash are kept, and a partial file is resumed if the
server supports range requests, else restarted.
"""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar

from app.errors import AppError
from app.fetch.errors import FetchRefusedError, RangeNotSupportedError, RetryableError
from app.fetch.folder import PARTIAL, Folder
from app.fetch.progress import Progress, log_event
from app.model.bundle import MANIFEST, MAX_MANIFEST_BYTES, SIGNATURE, digest_of, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.fetch.folder import Part
    from app.fetch.remote import Remote
    from app.fetch.settings import Settings

MIN_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 15

T = TypeVar("T")


class Download:
    """The download of one bundle."""

    def __init__(self, settings: Settings, remote: Remote) -> None:
        self._settings = settings
        self._remote = remote
        self._folder = Folder(settings.folder)
        self._started = time.monotonic()
        # Set when a file fails, to stop the others.
        self._stop = threading.Event()
        self._progress = Progress(0)

    def run(self) -> None:
        """Download the bundle with the expected digest. Raises RefusedError."""
        log_event("fetch_started", url=self._remote.url, model_digest=self._settings.digest)
        self._folder.open()
        raw = self._manifest()
        self._require_signature()
        files: dict[str, dict[str, Any]] = parse(raw)["files"]
        self._progress = Progress(sum(entry["bytes"] for entry in files.values()))
        log_event("manifest_verified", files=len(files), bytes=self._progress.total)
        self._require_room(files)
        self._fetch_all(files)
        self._folder.put_manifest(raw)
        self._folder.close(set(files))
        seconds = time.monotonic() - self._started
        log_event(
            "fetch_completed",
            files=len(files),
            bytes=self._progress.total,
            fetched_bytes=self._progress.fetched,
            seconds=round(seconds, 3),
        )

    def _manifest(self) -> bytes:
        """The manifest with the expected digest; nothing is downloaded before it is verified."""
        expected = self._settings.digest
        if (kept := self._folder.manifest(expected)) is not None:
            return kept
        raw = self._with_retries(MANIFEST, lambda: self._read_small(MANIFEST))
        if (actual := digest_of(raw)) != expected:
            raise FetchRefusedError(
                f"the bundle at {self._remote.url} has the wrong digest",
                expected=expected,
                found=actual,
                fix="upload the bundle that was released, or correct the digest in git",
            )
        return raw

    def _require_signature(self) -> None:
        """Verify the signature if a key is configured, before large files. Raises RefusedError."""
        if self._settings.public_key_file is None:
            return
        # Imported here: cryptography costs memory and time that unsigned bundles need not pay.
        from app.fetch import signature

        raw = self._with_retries(SIGNATURE, lambda: self._read_small(SIGNATURE))
        signature.check(raw, self._settings.public_key_file, self._settings.digest)
        log_event("signature_verified", public_key=str(self._settings.public_key_file))

    def _read_small(self, name: str) -> bytes:
        raw = bytearray()
        for chunk in self._remote.stream(name, 0, None):
            raw += chunk
            if len(raw) > MAX_MANIFEST_BYTES:
                raise FetchRefusedError(
                    f"{self._remote.url}/{name} is too large",
                    expected=f"at most {MAX_MANIFEST_BYTES} bytes",
                    found=f"more than {MAX_MANIFEST_BYTES} bytes",
                    fix="correct the path in the URL",
                )
        return bytes(raw)

    def _require_room(self, files: dict[str, dict[str, Any]]) -> None:
        limit = self._settings.max_bytes
        if self._progress.total > limit:
            raise FetchRefusedError(
                "the bundle is too large",
                expected=f"at most {limit} bytes",
                found=f"{self._progress.total} bytes",
                fix="raise model.download.sizeLimit (FETCH_MAX_BYTES)",
            )
        if reserved := [name for name in files if name.split("/")[0] == PARTIAL]:
            raise FetchRefusedError(
                "the bundle lists a file in the folder for partial downloads",
                expected=f"no file in {PARTIAL}",
                found=repr(reserved[0]),
                fix="rename the file and package the model again",
            )
        self._folder.require_no_symlinks(set(files))

    def _fetch_all(self, files: dict[str, dict[str, Any]]) -> None:
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            tasks = [pool.submit(self._fetch_file, name, entry) for name, entry in files.items()]
            done, rest = wait(tasks, return_when=FIRST_EXCEPTION)
            self._stop.set()
            for task in rest:
                task.cancel()
        errors = [task.exception() for task in done]
        # Raise the error that stopped the others, not one of a stopped file.
        for error in sorted(
            filter(None, errors), key=lambda error: isinstance(error, StoppedError)
        ):
            raise error

    def _fetch_file(self, name: str, entry: dict[str, Any]) -> None:
        """Keep or download a file and verify its hash. Raises RefusedError, StoppedError."""
        size, sha256 = entry["bytes"], entry["sha256"]
        if self._folder.has_file(name, sha256):
            self._progress.update(name, size)
            log_event("file_kept", file=name, bytes=size)
            return
        self._with_retries(name, lambda: self._attempt_file(name, sha256, size))
        log_event("file_fetched", file=name, bytes=size)

    def _attempt_file(self, name: str, sha256: str, size: int) -> None:
        """One attempt. Raises RetryableError, RefusedError, StoppedError."""
        with self._folder.part(name, sha256, size) as part:
            is_resumed = part.bytes > 0
            if is_resumed:
                log_event("file_continued", file=name, from_byte=part.bytes, bytes=size)
            try:
                self._receive(name, part)
            except RangeNotSupportedError:
                log_event("file_restarted", file=name, reason="no support for range requests")
                part.restart()
                self._receive(name, part)
            if part.bytes < size:
                raise RetryableError(f"{name}: expected {size} bytes, found {part.bytes}")
            if (actual := part.sha256) != sha256:
                part.restart()
                if is_resumed:
                    raise RetryableError(f"{name} has the wrong hash after it was resumed")
                raise FetchRefusedError(
                    f"{self._remote.url}/{name} has the wrong hash",
                    expected=f"sha256:{sha256}",
                    found=f"sha256:{actual}",
                    fix="upload the whole bundle again: it was modified after packaging",
                )
        self._folder.put(part, name)

    def _receive(self, name: str, part: Part) -> None:
        """Append what the store sends, from the end of the part on."""
        if part.bytes == part.size:
            return
        for chunk in self._remote.stream(name, part.bytes, part.size):
            # A server that sends more than it declared must not fill the disk.
            part.write(chunk[: part.size - part.bytes])
            self._progress.update(name, part.bytes, fetched=len(chunk))
            self._require_time_left()

    def _with_retries(self, name: str, attempt: Callable[[], T]) -> T:
        """Retry with exponential back-off; returns the result of the first successful attempt.

        An attempt that made progress resets the count.
        """
        failures = 0
        while True:
            before = self._progress.bytes_of(name)
            try:
                return attempt()
            except RetryableError as error:
                failures = 1 if self._progress.bytes_of(name) > before else failures + 1
                if failures >= self._settings.attempts:
                    raise FetchRefusedError(
                        f"cannot download {name} from {self._remote.url}",
                        expected=f"success within {failures} attempts",
                        found=str(error),
                        fix="check that the store is running and that network policies allow the "
                        "pod to reach it; the next start resumes the download",
                    ) from error
                pause = min(MIN_BACKOFF_SECONDS * 2 ** (failures - 1), MAX_BACKOFF_SECONDS)
                # Jitter: pods that start together must not retry together.
                pause *= random.uniform(0.5, 1)  # noqa: S311
                log_event(
                    "fetch_retried", "WARNING", file=name, error=str(error), pause_seconds=pause
                )
                self._stop.wait(pause)
                self._require_time_left()

    def _require_time_left(self) -> None:
        if self._stop.is_set():
            raise StoppedError
        limit = self._settings.timeout_seconds
        if time.monotonic() - self._started > limit:
            raise FetchRefusedError(
                f"the download of {self._remote.url} timed out after {limit} s",
                expected=f"{self._progress.total} bytes",
                found=f"{self._progress.done} bytes",
                fix="raise model.download.timeoutSeconds (FETCH_TIMEOUT_SECONDS); "
                "the next start resumes the download",
            )


class StoppedError(AppError):
    """Another file has failed, so this one was stopped."""
