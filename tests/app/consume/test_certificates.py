"""Whether a certificate is the reason of an error, however deep it lies."""

from __future__ import annotations

import ssl

import pytest

from app.consume import tls
from app.consume.queue import QueueRefusedError

REASON = ssl.SSLError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")


def ring(last: BaseException) -> BaseException:
    """Errors that are below each other, and one more below the second."""
    one, two = ConnectionError("one"), RuntimeError("two")
    one.__cause__, two.__context__, two.__cause__ = two, one, last
    return one


@pytest.mark.timeout(30)
@pytest.mark.parametrize("error", [REASON, ring(REASON), ring(ring(REASON))])
def test_a_certificate_below_an_error_refuses(error: BaseException) -> None:
    with pytest.raises(QueueRefusedError, match="do not accept each other's certificates"):
        tls.require_accepted("Redis", error)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "error", [OSError("away"), ssl.SSLEOFError(8, "EOF occurred"), ring(TimeoutError())]
)
def test_any_other_error_does_not(error: BaseException) -> None:
    tls.require_accepted("Redis", error)
