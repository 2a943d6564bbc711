"""What can stop a download: a refusal for good, or a failure that another attempt may cure."""

from __future__ import annotations

from app.errors import AppError, RefusedError

# Texts of stores and servers in our log line are cut here.
MAX_FOREIGN_TEXT = 400


class FetchRefusedError(RefusedError):
    """The bundle cannot be fetched, and trying again at once would change nothing."""

    def __init__(self, what: str, *, expected: str, found: str, fix: str) -> None:
        super().__init__("fetch_refused", what, expected=expected, found=cut(found), fix=fix)


class TryAgainError(AppError):
    """The store did not answer, or its answer broke off."""


class NoRangesError(AppError):
    """The server cannot continue in the middle of a file."""


def cut(text: str) -> str:
    """A foreign text short enough for a log line."""
    return text if len(text) <= MAX_FOREIGN_TEXT else f"{text[:MAX_FOREIGN_TEXT]}..."
