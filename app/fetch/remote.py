"""The remote store of the bundle: streams its files.

obstore's own retries are disabled, so that `download` logs every attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import obstore
from obstore import exceptions

from app.fetch.errors import FetchRefusedError, RangeNotSupportedError
from app.fetch.opening import open_store, translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.fetch.settings import Settings

# Bounds the memory per file; several are downloaded concurrently.
CHUNK_BYTES = 1024 * 1024


class Remote:
    """The bundle's folder in a store."""

    def __init__(self, settings: Settings) -> None:
        """Connects to nothing yet. Raises FetchRefusedError for an invalid URL."""
        self.url = settings.url.rstrip("/")
        self._store = open_store(settings.url, settings)

    def stream(self, name: str, offset: int, expected_bytes: int | None) -> Iterator[memoryview]:
        """Stream the bytes of a file from `offset` on.

        Raises FetchRefusedError, RetryableError, RangeNotSupportedError.
        """
        try:
            options: Any = {"range": {"offset": offset}} if offset else {}
            response = obstore.get(self._store, name, options=options)
            size = response.meta["size"]
            if expected_bytes is not None and size != expected_bytes:
                raise FetchRefusedError(
                    f"{self.url}/{name} has the wrong size",
                    expected=f"{expected_bytes} bytes",
                    found=f"{size} bytes",
                    fix="upload the whole bundle again, the manifest last",
                )
            for chunk in response.stream(min_chunk_size=CHUNK_BYTES):
                yield memoryview(chunk)
        except exceptions.NotSupportedError as error:
            raise RangeNotSupportedError(str(error)) from error
        except (FileNotFoundError, exceptions.BaseError) as error:
            raise translated(error, self.url, name) from error
