"""The errors of the serving code: a refusal to start, and a request that gets no prediction.

Data only. `__main__` turns a refusal into one log line and an exit code; `responses` turns a
request error into a status and a body.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class AppError(Exception):
    """Base class of all errors that the serving code raises."""


class NotStoredError(AppError):
    """The cache has no answer in memory, and nothing else was to be asked."""


class RefusedError(AppError):
    """The process must not start: the bundle or a setting is invalid."""

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
    """The bundle has the wrong digest or is not intact."""

    def __init__(self, what: str, *, expected: str, found: str, fix: str) -> None:
        super().__init__("bundle_refused", what, expected=expected, found=found, fix=fix)


class SettingRefusedError(RefusedError):
    """An environment variable has an invalid value."""

    def __init__(self, what: str, *, expected: str, found: str, fix: str) -> None:
        super().__init__("setting_refused", what, expected=expected, found=found, fix=fix)


@dataclass(frozen=True)
class FieldError:
    """One invalid field of a request: its location (keys and indexes from the root) and why."""

    loc: tuple[str | int, ...]
    msg: str
    # Feature and bin (`missing`, `unseen`) of a value the model cannot use: metrics count it as
    # drift although the row is rejected.
    unusable: tuple[str, str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The entry of `errors` in a problem document."""
        return {"loc": list(self.loc), "msg": self.msg}


@dataclass
class RequestError(AppError):
    """A request that gets a problem document instead of a prediction.

    `kind` is a stable word for logs and the problem's `type`; metrics use `reason` instead if it is
    set. `retry_after` is in seconds.
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
