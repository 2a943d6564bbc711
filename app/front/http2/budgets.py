"""What a client may do that brings no request nearer: so often, then its connection is closed.

Each is cheap to send and costs the server a little. HTTP/2 forbids none of it, and floods of each
have been used to bring servers down (CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316,
CVE-2025-8671).
"""

from __future__ import annotations

from app.front.http2.frames import ENHANCE_YOUR_CALM, ConnectionFaultError

# Streams that a client resets, or has the server reset, before they are answered. A gateway carries
# the calls of many clients: with short deadlines and a slow pod it cancels hundreds a second. Each
# costs less than a prediction.
RESETS, RESETS_PER_SECOND = 1000, 500
# A head beyond its limits takes milliseconds to decode.
LARGE_HEAD = 50
# Frames such as PING, SETTINGS, PRIORITY, WINDOW_UPDATE, and DATA without data.
CHATTER, CHATTER_PER_SECOND = 1000, 100
# Clients send a few with each call: two windows, and a PING to learn how far the server is.
CHATTER_PER_ANSWER = 8
# A header block, as it is sent: the fields in it may be half of that, and beyond are still decoded.
MAX_BLOCK_BYTES = 65_536
# It takes four frames, if its client fills them.
MAX_BLOCK_FRAMES = 32


class Budget:
    """So many at once, and so many each second afterwards."""

    __slots__ = ("_burst", "_left", "_per_second", "_since", "_what")

    def __init__(self, burst: int, per_second: int, what: str, now: float) -> None:
        self._burst = self._left = float(burst)
        self._per_second = per_second
        self._what = what
        self._since = now

    def spend(self, now: float, cost: int = 1) -> None:
        """Raises ConnectionFaultError when nothing is left."""
        if self._left < cost:
            more = (now - self._since) * self._per_second
            self._left, self._since = min(self._burst, self._left + more), now
            if self._left < cost:
                raise ConnectionFaultError(ENHANCE_YOUR_CALM, f"too many {self._what}")
        self._left -= cost

    def earn(self, count: int) -> None:
        """Give back, for what is useful."""
        self._left = min(self._burst, self._left + count)


def resets(now: float) -> Budget:
    """For streams that end before they are answered."""
    return Budget(RESETS, RESETS_PER_SECOND, "streams that were reset", now)


def chatter(now: float) -> Budget:
    """For frames that carry no request."""
    return Budget(CHATTER, CHATTER_PER_SECOND, "frames that carry no request", now)
