"""What the front refuses before a route sees it, each with the status that says why."""

from __future__ import annotations

from app.admission import overloaded_error
from app.errors import RequestError

MALFORMED = "malformed-request"


def malformed(detail: str) -> RequestError:
    """400 for what is no HTTP request."""
    return RequestError(400, MALFORMED, "Malformed request", detail)


def head_too_large(detail: str) -> RequestError:
    """431 for a head, or the trailer of a body, beyond its limits."""
    return RequestError(431, "head-too-large", "Request head too large", detail)


def not_implemented(detail: str) -> RequestError:
    """501 for a method or a coding that no route has."""
    return RequestError(501, "not-implemented", "Not implemented", detail)


def version_not_supported(found: str) -> RequestError:
    """505."""
    detail = f"expected HTTP/1.1 or HTTP/1.0, found HTTP/{found}"
    return RequestError(505, "version", "HTTP version not supported", detail)


def expectation_failed() -> RequestError:
    """417."""
    return RequestError(
        417, "expectation", "Expectation failed", "expected 100-continue in the field Expect"
    )


def body_too_large(limit: int) -> RequestError:
    """413."""
    detail = f"expected at most {limit} bytes (MAX_BODY_BYTES)"
    return RequestError(413, "too-large", "Request body too large", detail)


def chunks_too_small(least: int) -> RequestError:
    """413 for a body in thousands of tiny chunks."""
    detail = f"expected chunks of {least} bytes or more on average"
    return RequestError(413, "too-large", "Request body in too many chunks", detail)


def slow_body(timeout_ms: int) -> RequestError:
    """408."""
    detail = f"expected the complete body within {timeout_ms} ms"
    return RequestError(408, "slow-body", "Request body timed out", detail)


def slow_head(seconds: float) -> RequestError:
    """408 for a head that does not end."""
    detail = f"expected the complete head within {seconds:.0f} s"
    return RequestError(408, "slow-head", "Request head timed out", detail)


def too_many_connections(limit: int) -> RequestError:
    """503 for a connection beyond the limit."""
    return overloaded_error(f"this worker has {limit} connections")


def too_much_memory() -> RequestError:
    """503 for a body that would hold too much memory together with all others."""
    return overloaded_error("too many large request bodies at the same time")
