"""Send predictions by gRPC, `inference.GRPCInferenceService/ModelInfer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from modelctl.errors import ModelctlError
from modelctl.load.pace import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

METHOD = "/inference.GRPCInferenceService/ModelInfer"
# Calls share connections of HTTP/2; several, so that several workers answer.
MAX_CHANNELS = 16
# Otherwise all channels to one address share a connection.
OPTIONS = (("grpc.use_local_subchannel_pool", 1),)


class GrpcSender:
    """Calls ModelInfer with messages in turn."""

    def __init__(
        self, url: str, messages: Sequence[bytes], connections: int, timeout: float
    ) -> None:
        """Raises ModelctlError without grpcio. `timeout`: seconds of one call, its deadline."""
        try:
            import grpc
            import grpc.aio
        except ImportError as error:
            raise ModelctlError(
                "a load test by gRPC needs grpcio, which is not installed",
                fix="pip install grpcio (dependency group `load`)",
            ) from error
        self._error = grpc.aio.AioRpcError
        self._messages = messages
        self._timeout = timeout
        parts = urlsplit(url)
        is_secure = parts.scheme == "https"
        target = f"{parts.hostname}:{parts.port or (443 if is_secure else 80)}"
        self._channels: list[Any] = [
            grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), OPTIONS)
            if is_secure
            else grpc.aio.insecure_channel(target, OPTIONS)
            for _ in range(min(connections, MAX_CHANNELS))
        ]
        # Without serializers: messages are bytes already, and answers are only counted.
        self._calls = [channel.unary_unary(METHOD) for channel in self._channels]

    async def __aenter__(self) -> GrpcSender:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for channel in self._channels:
            await channel.close()

    async def send(self, number: int) -> Outcome:
        """The outcome of one call."""
        call = self._calls[number % len(self._calls)]
        message = self._messages[number % len(self._messages)]
        try:
            await call(message, timeout=self._timeout)
        except self._error as error:
            name = error.code().name
            # A status that the client makes itself is no answer.
            if name == "DEADLINE_EXCEEDED":
                return Outcome("timed out", is_answer=False)
            return Outcome(name, is_answer=not _is_own(error))
        return Outcome("OK", is_ok=True)


def _is_own(error: Any) -> bool:
    """Whether a call ended without a word of the service, which sends an id with every answer."""
    return not error.initial_metadata() and not error.trailing_metadata()
