"""The errors of the serving code: a refusal to start, and an answer that is not a prediction.

Carries facts only. `__main__` turns a refusal into one log line and an exit code; `responses`
turns a request error into a status and a body.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class AppError(Exception):
    """Root of everything the serving code raises on purpose."""


class RefusedError(AppError):
    """The process must not start: the bundle or a setting is not what it has to be."""

    def __init__(self, event: str, what: str, *, expected: str, found: str, fix: str) -> None:
        super().__init__(f"{what}: expected {expected}, found {found}; {fix}")
        self.event = event
        self.what = what
        self.expected = expected
        self.found = found
        self.fix = fix

    def fields(self) -> dict[str, str]:
        """The refusal as the fields of one log line."""
        return {
            "event": self.event,
            "what": self.what,
            "expected": self.expected,
            "found": self.found,
            "fix": self.fix,
        }


class BundleRefusedError(RefusedError):
    """The bundle is not the one that was asked for, or not intact."""

    def __init__(self, what: str, *, expected: str, found: str, fix: str) -> None:
        super().__init__("bundle_refused", what, expected=expected, found=found, fix=fix)


class SettingRefusedError(RefusedError):
    """An environment variable has a value that cannot be used."""

    def __init__(self, what: str, *, expected: str, found: str, fix: str) -> None:
        super().__init__("setting_refused", what, expected=expected, found=found, fix=fix)


@dataclass(frozen=True)
class FieldError:
    """One wrong place in a request: where (keys and indexes from the top), and why."""

    loc: tuple[str | int, ...]
    msg: str
    # The feature and the bin (`missing`, `unseen`) of a value that no contract could take: metrics
    # count it as drift although its row is refused.
    unusable: tuple[str, str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The form in which a client reads it."""
        return {"loc": list(self.loc), "msg": self.msg}


@dataclass
class RequestError(AppError):
    """A request that gets a problem document instead of a prediction.

    `kind` is a short stable word for logs and the problem's `type`; metrics use `reason` if that
    tells more. `retry_after` is in seconds.
    """

    status: int
    kind: str
    title: str
    detail: str
    errors: list[FieldError] = field(default_factory=list)
    retry_after: int | None = None
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.title}: {self.detail}"
