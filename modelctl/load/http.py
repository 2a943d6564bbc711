"""Send predictions over HTTP/1.1, on connections that are kept."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from modelctl.errors import missing_library
from modelctl.load.pace import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class HttpSender:
    """Posts bodies in turn to one path."""

    def __init__(
        self, session: Any, url: str, bodies: Sequence[bytes], errors: tuple[type[Exception], ...]
    ) -> None:
        self._session, self._url, self._bodies = session, url, bodies
        self._errors = errors

    async def send(self, number: int) -> Outcome:
        """The outcome of one request."""
        body = self._bodies[number % len(self._bodies)]
        try:
            # A redirect is no prediction.
            async with self._session.post(self._url, data=body, allow_redirects=False) as response:
                await response.read()
                return Outcome(str(response.status), is_ok=response.status == 200)
        except TimeoutError:
            return Outcome("timed out", is_answer=False)
        except self._errors as error:
            return Outcome(type(error).__name__, is_answer=False)


@asynccontextmanager
async def sender(
    url: str, bodies: Sequence[bytes], connections: int, timeout: float
) -> AsyncIterator[HttpSender]:
    """What posts bodies. `timeout`: seconds of a request. Raises ModelctlError without aiohttp."""
    try:
        import aiohttp
    except ImportError as error:
        raise missing_library("a load test over HTTP", "aiohttp", "load") from error
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        timeout=aiohttp.ClientTimeout(total=timeout),
        headers=HEADERS,
    ) as session:
        yield HttpSender(session, url, bodies, (aiohttp.ClientError, OSError))
