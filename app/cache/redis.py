"""Redis as a store of entries; the only module here that knows redis-py.

Commands: GETRANGE, SET and PING, and those of a connection, so that a user of Redis needs no more.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from app.cache.store import ForeignEntryError, RefusedWriteError, StoreError
from app.errors import SettingRefusedError
from app.redis_url import client_arguments, require_redis_url
from app.tls import Trust, require_pair
from app.variables import without_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.settings import Settings

URL = "CACHE_URL"
# Longer than any budget: it is for the thread, nobody waits for it.
ANSWER_SECONDS = 2.0
# A larger answer is computed again; a larger entry of somebody else's is not read to its end.
MAX_ENTRY_BYTES = 1_048_576


class RedisStore:
    """One connection to a Redis; `connect` makes it after the fork."""

    def __init__(self, settings: Settings, model: str) -> None:
        """Raises SettingRefusedError for what can be known without asking Redis."""
        assert settings.cache_url is not None  # noqa: S101 - the caller's condition
        self._url = require_redis_url(URL, settings.cache_url)
        trust = Trust("CACHE", settings.cache_ca, settings.cache_certificate, settings.cache_key)
        require_pair(trust)
        self._given = client_arguments(
            self._url, settings.cache_user, settings.cache_password, trust
        )
        self._prefix = f"ml-cache:{model}:"
        self._milliseconds = int(settings.cache_ttl_seconds * 1000)
        self._client: Any = None
        _require_library(self._url)

    def ping(self) -> None:
        """Raises StoreError."""
        with _asking():
            self._connected().ping()

    def get(self, key: bytes) -> bytes | None:
        """Raises StoreError, ForeignEntryError."""
        with _asking():
            # As GET, and no more of it than an entry may have: what is cut is none of ours.
            name = self._name(key)
            found: bytes = self._connected().getrange(name, 0, MAX_ENTRY_BYTES - 1)
        return found or None

    def put(self, key: bytes, entry: bytes) -> None:
        """Raises StoreError, RefusedWriteError."""
        if len(entry) <= MAX_ENTRY_BYTES:
            with _asking(is_write=True):
                self._connected().set(self._name(key), entry, px=self._milliseconds)

    def close(self) -> None:
        """Disconnect; the next one who asks connects anew."""
        if self._client is not None:
            with suppress(Exception):
                self._client.close()

    def _name(self, key: bytes) -> str:
        return self._prefix + key.hex()

    def _connected(self) -> Any:
        if self._client is None:
            from redis import Redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry

            self._client = Redis.from_url(
                self._url,
                socket_connect_timeout=ANSWER_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                # Who asks has its own way with failures, and the next request another try.
                retry=Retry(NoBackoff(), 0),
                # The older protocol greets with what a plain user may say.
                protocol=2,
                single_connection_client=True,
                **self._given,
            )
        return self._client


@contextmanager
def _asking(*, is_write: bool = False) -> Iterator[None]:
    """Errors of the library become ours."""
    from redis import exceptions

    try:
        yield
    except exceptions.AuthenticationError as error:
        raise StoreError(str(error)) from error
    except exceptions.ResponseError as error:
        if is_write:
            raise RefusedWriteError(str(error)) from error
        if str(error).startswith("WRONGTYPE"):
            raise ForeignEntryError(str(error)) from error
        raise StoreError(str(error)) from error
    except (exceptions.RedisError, OSError) as error:
        raise StoreError(f"{type(error).__name__}: {error}") from error


def _require_library(url: str) -> None:
    """Raises SettingRefusedError in an image without redis-py."""
    try:
        import redis  # noqa: F401
    except ImportError as error:
        names = "serve-cache, serve-sklearn-cache or serve-boosters-cache"
        raise SettingRefusedError(
            f"environment variable {URL} is invalid",
            expected="a URL only in an image with redis-py",
            found=f"{without_secret(url)[:100]!r} and no redis-py installed",
            fix=f"build the image with REQUIREMENTS={names}, or unset {URL}: CACHE_BYTES alone"
            " needs no library",
        ) from error
