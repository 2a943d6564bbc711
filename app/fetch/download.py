"""A bundle from a store into a folder: the manifest, its digest, then each file and its hash.

Every file may be continued: what is there with the right hash is kept, and a part goes on where
it ends if the server can do that, and from the start if not.
"""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar

from app.errors import AppError
from app.fetch.errors import FetchRefusedError, NoRangesError, TryAgainError
from app.fetch.folder import PARTIAL, Folder
from app.fetch.progress import Progress, say
from app.model.bundle import MANIFEST, MAX_MANIFEST_BYTES, SIGNATURE, digest_of, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.fetch.folder import Part
    from app.fetch.remote import Remote
    from app.fetch.settings import Settings

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15

T = TypeVar("T")


class Download:
    """One bundle on its way."""

    def __init__(self, settings: Settings, remote: Remote) -> None:
        self._settings = settings
        self._remote = remote
        self._folder = Folder(settings.folder)
        self._started = time.monotonic()
        # Set by the first file that fails, so that the others end too.
        self._stop = threading.Event()
        self._progress = Progress(0)

    def run(self) -> None:
        """Leave a complete bundle with the wanted digest. Raises RefusedError."""
        say("fetch_started", url=self._remote.url, model_digest=self._settings.digest)
        self._folder.open()
        raw = self._manifest()
        self._check_signature()
        files: dict[str, dict[str, Any]] = parse(raw)["files"]
        self._progress = Progress(sum(entry["bytes"] for entry in files.values()))
        say("manifest_verified", files=len(files), bytes=self._progress.total)
        self._check_room(files)
        self._fetch_all(files)
        self._folder.put_manifest(raw)
        self._folder.close(set(files))
        seconds = time.monotonic() - self._started
        say(
            "fetch_completed",
            files=len(files),
            bytes=self._progress.total,
            fetched_bytes=self._progress.fetched,
            seconds=round(seconds, 3),
        )

    def _manifest(self) -> bytes:
        """The manifest with the wanted digest; nothing else is looked at before it is that."""
        wanted = self._settings.digest
        if (kept := self._folder.manifest(wanted)) is not None:
            return kept
        raw = self._patiently(MANIFEST, lambda: self._read_small(MANIFEST))
        if (found := digest_of(raw)) != wanted:
            raise FetchRefusedError(
                f"the bundle at {self._remote.url} is not the one that was asked for",
                expected=wanted,
                found=found,
                fix="upload the bundle that was released, or correct the digest in git",
            )
        return raw

    def _check_signature(self) -> None:
        """Before anything large is asked for. Raises RefusedError."""
        if self._settings.public_key_file is None:
            return
        # Its library takes memory and time that only who asks for signatures pays.
        from app.fetch import signature

        raw = self._patiently(SIGNATURE, lambda: self._read_small(SIGNATURE))
        signature.check(raw, self._settings.public_key_file, self._settings.digest)
        say("signature_verified", public_key=str(self._settings.public_key_file))

    def _read_small(self, name: str) -> bytes:
        raw = bytearray()
        for chunk in self._remote.stream(name, 0, None):
            raw += chunk
            if len(raw) > MAX_MANIFEST_BYTES:
                raise FetchRefusedError(
                    f"{self._remote.url}/{name} is not what its name says",
                    expected=f"at most {MAX_MANIFEST_BYTES} bytes",
                    found="more",
                    fix="correct the path in the URL",
                )
        return bytes(raw)

    def _check_room(self, files: dict[str, dict[str, Any]]) -> None:
        limit = self._settings.max_bytes
        if self._progress.total > limit:
            raise FetchRefusedError(
                "the bundle is larger than the volume for it",
                expected=f"at most {limit} bytes",
                found=f"{self._progress.total} bytes",
                fix="raise model.download.sizeLimit (FETCH_MAX_BYTES)",
            )
        if strange := [name for name in files if name.split("/")[0] == PARTIAL]:
            raise FetchRefusedError(
                "the bundle has a file where parts of files are collected",
                expected=f"no file below {PARTIAL}",
                found=repr(strange[0]),
                fix="rename it and package the model again",
            )
        self._folder.refuse_links(set(files))

    def _fetch_all(self, files: dict[str, dict[str, Any]]) -> None:
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            tasks = [pool.submit(self._ensure, name, entry) for name, entry in files.items()]
            done, rest = wait(tasks, return_when=FIRST_EXCEPTION)
            self._stop.set()
            for task in rest:
                task.cancel()
        errors = [task.exception() for task in done]
        # The one that stopped the others, not one of those that were stopped.
        for error in sorted(
            filter(None, errors), key=lambda error: isinstance(error, StoppedError)
        ):
            raise error

    def _ensure(self, name: str, entry: dict[str, Any]) -> None:
        """Make the file be there with its hash. Raises RefusedError, StoppedError."""
        size, sha256 = entry["bytes"], entry["sha256"]
        if self._folder.has(name, sha256):
            self._progress.at(name, size)
            say("file_kept", file=name, bytes=size)
            return
        self._patiently(name, lambda: self._collect(name, sha256, size))
        say("file_fetched", file=name, bytes=size)

    def _collect(self, name: str, sha256: str, size: int) -> None:
        """One attempt. Raises TryAgainError, RefusedError, StoppedError."""
        with self._folder.part(name, sha256, size) as part:
            continued = part.bytes > 0
            if continued:
                say("file_continued", file=name, from_byte=part.bytes, bytes=size)
            try:
                self._receive(name, part)
            except NoRangesError:
                say("file_restarted", file=name, reason="the server sends whole files only")
                part.restart()
                self._receive(name, part)
            if part.bytes < size:
                raise TryAgainError(f"{name} ended after {part.bytes} of {size} bytes")
            if (found := part.sha256) != sha256:
                part.restart()
                if continued:
                    raise TryAgainError(f"{name} was continued to a wrong hash")
                raise FetchRefusedError(
                    f"{self._remote.url}/{name} is not the file that the manifest lists",
                    expected=f"sha256:{sha256}",
                    found=f"sha256:{found}",
                    fix="upload the whole bundle again; it was changed after packaging",
                )
        self._folder.put(part, name)

    def _receive(self, name: str, part: Part) -> None:
        """Add what the store sends from the part's end on."""
        if part.bytes == part.size:
            return
        for chunk in self._remote.stream(name, part.bytes, part.size):
            # A server that sends more than it announced fills no disk.
            part.write(chunk[: part.size - part.bytes])
            self._progress.at(name, part.bytes, fetched=len(chunk))
            self._check_time()

    def _patiently(self, name: str, attempt: Callable[[], T]) -> T:
        """The result of the first attempt that the store does not break off.

        An attempt that brought bytes is not counted: it is the next one that goes on.
        """
        failures = 0
        while True:
            before = self._progress.of(name)
            try:
                return attempt()
            except TryAgainError as error:
                failures = 1 if self._progress.of(name) > before else failures + 1
                if failures >= self._settings.attempts:
                    raise FetchRefusedError(
                        f"the store of {self._remote.url} does not deliver {name}",
                        expected=f"an answer within {failures} attempts",
                        found=str(error),
                        fix="see that the store runs and that network policies let the pod reach "
                        "it; the next start goes on from here",
                    ) from error
                pause = min(FIRST_PAUSE_SECONDS * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS)
                # Pods that start together do not come back together.
                pause *= random.uniform(0.5, 1)  # noqa: S311
                say("fetch_retried", "WARNING", file=name, error=str(error), pause_seconds=pause)
                self._stop.wait(pause)
                self._check_time()

    def _check_time(self) -> None:
        if self._stop.is_set():
            raise StoppedError
        limit = self._settings.timeout_seconds
        if time.monotonic() - self._started > limit:
            raise FetchRefusedError(
                f"the bundle at {self._remote.url} takes too long",
                expected=f"all of it within {limit} seconds",
                found=f"{self._progress.done} of {self._progress.total} bytes",
                fix="raise model.download.timeoutSeconds (FETCH_TIMEOUT_SECONDS); "
                "the next start goes on from here",
            )


class StoppedError(AppError):
    """Another file has failed, so this one need not be finished."""
