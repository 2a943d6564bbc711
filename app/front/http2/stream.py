"""One stream of HTTP/2: a request that arrives, and what answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from app.admission import Deadline
from app.errors import RequestError
from app.front.body import Body
from app.front.http2.conversation import Conversation
from app.front.http2.sending import NOTHING
from app.front.refusals import MALFORMED, malformed, slow_body
from app.request import Request

if TYPE_CHECKING:
    from concurrent.futures import Future

    from app.front.front import Front
    from app.front.http2.heads import Head
    from app.responses import Reply

# What a request that waits for its body costs besides its head.
STREAM_BYTES = 1024


class Owner(Protocol):
    """The connection of a stream."""

    front: Front
    transport: Any
    port: int

    def respond(self, stream: Stream, reply: Reply) -> None:
        """Send the answer of a stream, or the end of it."""

    def converse(self, stream: Stream, data: bytes) -> None:
        """Send an answer after which more may follow."""


class Stream:
    """One request; the front answers it."""

    __slots__ = (
        "_body", "_owner", "conversation", "deadline", "head", "id", "is_answered", "is_ended",
        "padding", "pending", "received", "refused", "request", "since", "trailers", "window",
        "work",
    )  # fmt: skip

    def __init__(self, owner: Owner, stream_id: int, head: Head, window: int) -> None:
        self._owner = owner
        self.id = stream_id
        self.head = head
        self.deadline = Deadline(head.timeout_ms)
        # What the client takes of the answer.
        self.window = window
        self.request: Request | None = None
        self.work: Future[Any] | None = None
        self._body = Body(owner.front.bounds)
        self.received = self.padding = 0
        # Whether the client has said all; whether the answer has begun.
        self.is_ended = self.is_answered = False
        self.refused: Exception | None = None
        self.conversation: Conversation | None = None
        # What waits to be sent.
        self.pending, self.since = NOTHING, 0.0
        self.trailers: bytes | None = None

    @property
    def transport(self) -> Any:
        """That of its connection."""
        return self._owner.transport

    @property
    def is_malformed(self) -> bool:
        """Whether it is no request, so that it is reset after its answer."""
        return isinstance(self.refused, RequestError) and self.refused.kind == MALFORMED

    def begin(self) -> None:
        """The head is here, and more will follow."""
        front = self._owner.front
        if self.head.path in front.conversations:
            answer = front.conversation(self._request())
            self.conversation = None if answer is None else Conversation(answer)
        front.receiving.add(self)
        try:
            self._body.hold(STREAM_BYTES + self.head.size)
        except RequestError as error:
            self.refuse(error)

    def take(self, data: bytes) -> None:
        """A piece of the body."""
        self.received += len(data)
        if self.is_answered:
            return
        if self.head.length is not None and self.received > self.head.length:
            self.refuse(malformed("expected a body of its Content-Length"))
            return
        try:
            self._body.verify_chunk(self.received)
            if self.conversation is None:
                self._body.add(data)
            else:
                self._body.hold(len(data))
        except RequestError as error:
            self.refuse(error)
            return
        if self.conversation is not None:
            self._converse(self.conversation, data)

    def end(self) -> None:
        """The client has said all."""
        self.is_ended = True
        if self.is_answered:
            return
        if self.head.length is not None and self.received != self.head.length:
            self.refuse(malformed("expected a body of its Content-Length"))
        elif self.conversation is not None and not self.conversation.is_whole:
            self.refuse(malformed("expected whole messages"))
        else:
            self._hand_on(None)

    def refuse(self, error: Exception) -> None:
        """Answer without reading on."""
        self.refused = error
        self.release()
        self._hand_on(error)

    def _hand_on(self, refused: Exception | None) -> None:
        front = self._owner.front
        self.is_answered = True
        front.receiving.discard(self)
        self.request = request = self._request(refused)
        front.handle(self, request)

    def _request(self, refused: Exception | None = None) -> Request:
        head = self.head
        return Request(
            head.method,
            head.path,
            self._owner.port,
            head.headers,
            self._body.data,
            self.deadline,
            head.query,
            refused=refused,
            version="2",
        )

    def _converse(self, conversation: Conversation, data: bytes) -> None:
        try:
            for answer in conversation.answers(data):
                self._owner.converse(self, answer)
        except Exception as error:
            # A fault of ours is counted and logged like that of a route.
            self.refuse(error)

    def release(self) -> None:
        """Release what is held."""
        self._body.drop()

    def close(self) -> None:
        """Nothing of it is waited for any more."""
        self._owner.front.receiving.discard(self)
        self.request = None
        self.is_answered = True
        if self.work is not None:
            self.work.cancel()
            self.work = None
        self.release()

    # -- the front
    def reply(self, reply: Reply) -> None:
        """Send the answer."""
        self._owner.respond(self, reply)

    def time_out_body(self) -> None:
        """Refuse the request if the rest of its body is late."""
        if self.deadline.remaining_seconds() < 0:
            self.refuse(slow_body(self.deadline.timeout_ms))
