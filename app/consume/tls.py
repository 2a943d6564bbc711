"""What a connection to a broker trusts, and shows of itself."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from app import tls
from app.consume.queue import QueueRefusedError

if TYPE_CHECKING:
    from app.consume.settings import QueueSettings

# What TLS calls a certificate that one side does not accept.
WORDS = ("certificate", "unknown ca")


def trust(settings: QueueSettings) -> tls.Trust:
    """The files of QUEUE_CA, QUEUE_CERT and QUEUE_KEY."""
    return tls.Trust("QUEUE", settings.ca, settings.certificate, settings.key)


def context(settings: QueueSettings) -> ssl.SSLContext:
    """By these files. Raises SettingRefusedError."""
    return tls.context(trust(settings))


def require_accepted(broker: str, error: BaseException) -> None:
    """Raise QueueRefusedError if a certificate is the reason of an error, or of one below it.

    A broker that is away comes back, but who does not trust it now will not trust it then.
    """
    for below in _chain(error):
        if isinstance(below, ssl.SSLError) and any(word in str(below).lower() for word in WORDS):
            raise QueueRefusedError(
                f"{broker} and this consumer do not accept each other's certificates",
                expected="a certificate that the other side trusts, for the host in QUEUE_URL",
                found=str(below),
                fix="correct QUEUE_CA, or QUEUE_CERT and QUEUE_KEY",
            ) from error


def _chain(error: BaseException) -> list[BaseException]:
    """An error and all below it. Libraries that keep an error and raise it again make rings."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        below = waiting.pop()
        if below is not None and not any(below is known for known in found):
            found.append(below)
            waiting += (below.__context__, below.__cause__)
    return found
