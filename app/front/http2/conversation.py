"""Messages of a gRPC stream, each answered as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.front.refusals import malformed
from app.protocols.grpc.framing import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Of one stream; its bytes are bounded like those of a body.
MAX_MESSAGES = 1000


class Conversation:
    """What is answered message by message, until the client has said all."""

    __slots__ = ("_answer", "_count", "_rest", "is_begun")

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._count = 0
        self._rest = bytearray()
        # Whether its head has been sent.
        self.is_begun = False

    @property
    def is_whole(self) -> bool:
        """Whether no message is cut."""
        return not self._rest

    def answers(self, data: bytes) -> Iterator[bytes]:
        """Answers to messages that are whole. Raises RequestError, and what the function does."""
        self._rest += data
        while len(self._rest) >= PREFIX.size:
            is_compressed, length = PREFIX.unpack_from(self._rest)
            end = PREFIX.size + length
            if len(self._rest) < end:
                return
            message = bytes(self._rest[PREFIX.size : end])
            del self._rest[:end]
            if is_compressed:
                raise malformed("expected messages without compression")
            self._count += 1
            if self._count > MAX_MESSAGES:
                raise malformed(f"expected at most {MAX_MESSAGES} messages")
            yield self._answer(message)
