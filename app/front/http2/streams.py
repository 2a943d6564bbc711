"""The open streams of one connection, and how they end (RFC 9113, 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.front.http2 import frames, response
from app.front.http2.budgets import CHATTER_PER_ANSWER, chatter
from app.front.http2.frames import (
    CANCEL,
    ENHANCE_YOUR_CALM,
    NO_ERROR,
    PROTOCOL_ERROR,
    StreamFaultError,
)
from app.front.http2.sending import Sending
from app.front.http2.stream import Stream
from app.front.refusals import malformed
from app.protocols.grpc.framing import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.front.front import Front
    from app.front.http2.heads import Head
    from app.responses import Reply

# Requests of one connection that are not answered yet. Admission control sheds; this bounds what a
# connection holds besides.
MAX_STREAMS = 100
# Streams that are over, of which frames may still be on their way.
REMEMBERED = 200


class Streams:
    """The streams of one connection; answers go to `sending`."""

    def __init__(self, front: Front, transport: Any, port: int, answer: Callable[[], None]) -> None:
        self.front, self.transport, self.port = front, transport, port
        # Called when there is an answer to send.
        self._answer = answer
        self.sending = Sending(front.bounds.memory)
        self.open: dict[int, Stream] = {}
        # The latest of the client; of those before it that are over, whether it had said all.
        self.last = 0
        self.over: dict[int, bool] = {}
        # How many requests, and messages of conversations, were answered so far.
        self.answered = 0
        # Resets that were earned: no fault may be raised where that happens.
        self.owed = 0
        # Frames that carry no request.
        self.chatter = chatter(front.time)

    def add(self, stream_id: int, head: Head) -> Stream:
        """Open a stream."""
        stream = Stream(self, stream_id, head, self.sending.initial)
        self.open[stream_id] = stream
        return stream

    def respond(self, stream: Stream, reply: Reply) -> None:
        """Send the answer of a stream, or the end of it."""
        if self.open.get(stream.id) is not stream:
            return
        stream.request = None
        stream.release()
        now = self.front.time
        try:
            if stream.conversation is not None and stream.conversation.is_begun:
                is_done = self.sending.end(stream, b"", reply.trailers, now)
            else:
                with_body = stream.head.method != "HEAD"
                is_done = self.sending.reply(stream, reply, now, with_body=with_body)
        except MemoryError:
            self._abandon(stream, ENHANCE_YOUR_CALM)
        else:
            if is_done:
                self._done(stream)
        self.answered += 1
        self._answer()

    def converse(self, stream: Stream, data: bytes) -> None:
        """Send an answer after which more may follow."""
        self.answered += 1
        conversation = stream.conversation
        if self.open.get(stream.id) is not stream or conversation is None:
            return
        if not conversation.is_begun:
            conversation.is_begun = True
            self.sending.head(stream, response.begin(CONTENT_TYPE), 0)
        try:
            self.sending.data(stream, data, self.front.time)
        except MemoryError:
            self._abandon(stream, ENHANCE_YOUR_CALM)
        self._answer()

    def _done(self, stream: Stream) -> None:
        """All of an answer is on its way."""
        if stream.is_malformed:
            self.reset(stream.id, PROTOCOL_ERROR)
        elif not stream.is_ended:
            # The client need not send the rest (8.1).
            self.reset(stream.id, NO_ERROR)
        self.end(stream)
        self.chatter.earn(CHATTER_PER_ANSWER)

    def pump(self) -> None:
        """Move what waits for the client, as far as that takes it."""
        for sent in self.sending.pump(self.front.time):
            self._done(self.open[sent.id])

    # -- the end of streams
    def end_by_fault(self, fault: StreamFaultError) -> None:
        """End a stream for a fault of the client."""
        stream = self.open.get(fault.stream)
        if stream is not None:
            self.end(stream)
        self.reset(fault.stream, fault.code)
        self.front.record(malformed(fault.detail), self.port)

    def _abandon(self, stream: Stream, code: int) -> None:
        """End a stream without its answer, or in the middle of it."""
        self.end(stream)
        self.reset(stream.id, code)

    def reset(self, stream_id: int, code: int) -> None:
        """Tell the client that a stream ends here."""
        self.owed += 1
        self.sending.out.append(frames.rst_stream(stream_id, code))

    def end(self, stream: Stream) -> None:
        """Wait for nothing more of a stream."""
        del self.open[stream.id]
        self.sending.drop(stream)
        stream.close()
        self.remember(stream.id, is_ended=stream.is_ended)

    def remember(self, stream_id: int, *, is_ended: bool) -> None:
        """A stream is over; whether the client has said all of it."""
        self.over[stream_id] = is_ended
        if len(self.over) > REMEMBERED:
            del self.over[next(iter(self.over))]

    def give_up(self, before: float) -> None:
        """Reset the streams of which the client has taken nothing since then."""
        for sent in list(self.sending.waiting.values()):
            if sent.since < before:
                self._abandon(self.open[sent.id], CANCEL)

    def close(self) -> None:
        """Nothing is waited for, and nothing held, any more."""
        for stream in list(self.open.values()):
            self.end(stream)
