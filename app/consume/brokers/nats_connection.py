"""A connection to NATS JetStream, and the streams that it creates if they are missing."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from nats import errors
from nats.aio.client import Client
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from app.consume import tls
from app.consume.queue import QueueRefusedError, UnavailableError
from app.variables import without_secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.js import api
    from nats.js.client import JetStreamContext

    from app.consume.settings import QueueSettings

CONNECT_SECONDS = 5
ANSWER_SECONDS = 5.0
LOGGER = logging.getLogger("consume")


class _Client(Client):
    """The library's, which speaks TLS wherever it was told to.

    By itself it does so only where the server asks for it, and sends a password in the clear to one
    that does not, or to whoever answers in its place.
    """

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if initial_connection and "tls" in self.options:
            info["tls_required"] = True
        await super()._process_info(info, initial_connection)


class Connection:
    """One connection, which comes back by itself."""

    def __init__(self, url: str, settings: QueueSettings) -> None:
        self.url = url
        self.where = without_secret(url)
        self._settings = settings
        self._renew()

    def _renew(self) -> None:
        # Why the server let nobody in when the library last tried to come back; empty when it did.
        self._denied = ""
        self.client = _Client()
        self.js: JetStreamContext = self.client.jetstream(timeout=ANSWER_SECONDS)

    async def open(self) -> None:
        """Raises UnavailableError, QueueRefusedError."""
        if self.client.is_connected or self.client.is_reconnecting:
            return
        if self.client.is_closed:
            # By the server, such as after a change of credentials: the library does not come back.
            self._renew()
        settings = self._settings
        given: dict[str, Any] = {}
        if settings.credentials is not None:
            given["user_credentials"] = str(settings.credentials)
        elif settings.user is not None:
            given.update(user=settings.user, password=settings.password)
        elif settings.password is not None:
            given["token"] = settings.password
        if self.url.startswith("tls://"):
            given["tls"] = tls.context(settings)
        try:
            async with asyncio.timeout(CONNECT_SECONDS * 2):
                await self.client.connect(
                    self.url,
                    name=settings.group,
                    connect_timeout=CONNECT_SECONDS,
                    # The first connection is tried again by the consumer, which says so.
                    allow_reconnect=True,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=1,
                    error_cb=self._heard,
                    reconnected_cb=self._returned,
                    **given,
                )
        except errors.AuthorizationError as error:
            raise self._refused(str(error)) from error
        except (errors.Error, OSError, TimeoutError) as error:
            with suppress(errors.Error, OSError):
                await self.client.close()
            self._renew()
            if _denies(error):
                raise self._refused(str(error)) from error
            tls.require_accepted(self.where, error)
            raise UnavailableError(f"{self.where} does not answer: {error!r}") from error

    def _refused(self, found: str) -> QueueRefusedError:
        return QueueRefusedError(
            f"{self.where} does not let us in",
            expected="a user that the server knows",
            found=found,
            fix="correct QUEUE_USER and QUEUE_PASSWORD, or QUEUE_CREDENTIALS",
        )

    @asynccontextmanager
    async def asking(self, what: str) -> AsyncIterator[None]:
        """Errors of the library become ours."""
        if self.client.is_closed:
            await self.open()
        if not self.client.is_connected:
            if self._denied:
                raise self._refused(self._denied)
            raise UnavailableError(f"{self.where} is not connected")
        try:
            yield
        except (errors.Error, OSError, TimeoutError) as error:
            raise UnavailableError(f"{what}: {error!r}") from error

    async def ensure(self, config: api.StreamConfig) -> None:
        """Create a stream unless it is there. Raises UnavailableError, QueueRefusedError."""
        name = str(config.name)
        async with self.asking(f"stream {name}"):
            try:
                await self.js.stream_info(name)
            except NotFoundError:
                try:
                    await self.js.add_stream(config)
                except ServiceUnavailableError:
                    raise
                except APIError as error:
                    raise QueueRefusedError(
                        f"the stream {name} of {self.where} cannot be created",
                        expected=f"a stream {name}, or the permission to create it",
                        found=str(error.description),
                        fix=f"create it, with the subjects {', '.join(config.subjects or [])}",
                    ) from error

    async def close(self) -> None:
        """Disconnect. What was asked for was answered before: there is nothing to drain."""
        if not (self.client.is_connected or self.client.is_reconnecting):
            return
        # `drain` waits half a minute for messages that a fetch has taken without telling it.
        with suppress(errors.Error, OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.client.close()

    async def _heard(self, error: Exception) -> None:
        """Keep what the library prints by default; the consumer sees it when it asks."""
        LOGGER.debug("connection_error", extra={"error": repr(error)})
        if _denies(error):
            self._denied = str(error)

    async def _returned(self) -> None:
        self._denied = ""


def _denies(error: Exception) -> bool:
    """Whether the server does not know the user, or no longer.

    The library knows no class of it on the way back, only the server's words.
    """
    words = str(error).lower()
    return "authorization violation" in words or "authentication expired" in words
