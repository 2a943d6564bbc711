"""The errors of a download: permanent ones (refusals) and those worth a retry."""

from __future__ import annotations

from app.errors import AppError, RefusedError

# Length at which texts from stores and servers are truncated in log lines.
MAX_EXTERNAL_TEXT = 400


class FetchRefusedError(RefusedError):
    """The bundle cannot be downloaded, and a retry would not help."""

    def __init__(self, what: str, *, expected: str, found: str, fix: str) -> None:
        super().__init__("fetch_refused", what, expected=expected, found=truncated(found), fix=fix)


class RetryableError(AppError):
    """The store did not respond, or its response was cut short."""


class RangeNotSupportedError(AppError):
    """The server does not support range requests."""


def truncated(text: str) -> str:
    """Truncate an external text for a log line."""
    return text if len(text) <= MAX_EXTERNAL_TEXT else f"{text[:MAX_EXTERNAL_TEXT]}..."
