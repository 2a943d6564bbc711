"""Send predictions by gRPC, `inference.GRPCInferenceService/ModelInfer`."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from modelctl.errors import missing_library
from modelctl.load.pace import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

METHOD = "/inference.GRPCInferenceService/ModelInfer"
# Calls share connections of HTTP/2; several, so that several workers answer.
MAX_CHANNELS = 16
# Otherwise all channels to one address share a connection.
OPTIONS = (("grpc.use_local_subchannel_pool", 1),)


class GrpcSender:
    """Calls ModelInfer with messages in turn, on channels in turn."""

    def __init__(
        self, calls: list[Any], messages: Sequence[bytes], timeout: float, error: type[Exception]
    ) -> None:
        self._calls, self._messages, self._timeout = calls, messages, timeout
        self._error = error

    async def send(self, number: int) -> Outcome:
        """The outcome of one call."""
        call = self._calls[number % len(self._calls)]
        message = self._messages[number % len(self._messages)]
        try:
            await call(message, timeout=self._timeout)
        except self._error as error:
            return _failed(error)
        return Outcome("OK", is_ok=True)


def _failed(error: Any) -> Outcome:
    name = error.code().name
    if name == "DEADLINE_EXCEEDED":
        return Outcome("timed out", is_answer=False)
    # A status that the client makes itself is no answer: the service sends an id with every one.
    is_answer = bool(error.initial_metadata() or error.trailing_metadata())
    return Outcome(name, is_answer=is_answer)


@asynccontextmanager
async def sender(
    url: str, messages: Sequence[bytes], connections: int, timeout: float
) -> AsyncIterator[GrpcSender]:
    """What calls. `timeout`: seconds of one call. Raises ModelctlError without grpcio."""
    try:
        import grpc
        import grpc.aio
    except ImportError as error:
        raise missing_library("a load test by gRPC", "grpcio", "load") from error
    parts = urlsplit(url)
    is_secure = parts.scheme == "https"
    target = f"{parts.hostname}:{parts.port or (443 if is_secure else 80)}"
    async with AsyncExitStack() as stack:
        calls = []
        for _ in range(min(connections, MAX_CHANNELS)):
            channel = (
                grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), OPTIONS)
                if is_secure
                else grpc.aio.insecure_channel(target, OPTIONS)
            )
            # Without serializers: messages are bytes already, and answers are only counted.
            calls.append((await stack.enter_async_context(channel)).unary_unary(METHOD))
        yield GrpcSender(calls, messages, timeout, grpc.aio.AioRpcError)
