"""Send predictions over HTTP/1.1, on connections that are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError
from modelctl.load.pace import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class HttpSender:
    """Posts bodies in turn to one path."""

    def __init__(self, url: str, bodies: Sequence[bytes], connections: int, timeout: float) -> None:
        """Raises ModelctlError without aiohttp. `timeout`: seconds of one request."""
        try:
            import aiohttp
        except ImportError as error:
            raise ModelctlError(
                "a load test over HTTP needs aiohttp, which is not installed",
                fix="pip install aiohttp (dependency group `load`)",
            ) from error
        self._errors = (aiohttp.ClientError, OSError)
        self._url = url
        self._bodies = bodies
        self._session: Any = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            timeout=aiohttp.ClientTimeout(total=timeout),
            headers=HEADERS,
        )

    async def __aenter__(self) -> HttpSender:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

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
