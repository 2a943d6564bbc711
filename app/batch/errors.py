"""The errors of a batch run: what is wrong, expected, found, and how to fix it."""

from __future__ import annotations

from app.errors import AppError


class BatchError(AppError):
    """A part that cannot be predicted, or a plan that cannot be made."""

    # Whether the same may succeed if it is tried again.
    is_transient = False

    def __init__(self, what: str, *, expected: str = "", found: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.found = found
        self.fix = fix

    def fields(self) -> dict[str, str]:
        """The error as the keys of a document."""
        return {"what": self.what, "expected": self.expected, "found": self.found, "fix": self.fix}


class BatchRefusedError(BatchError):
    """What the plan pins is something else now, or a plan or a folder belongs to another run."""


class StoreError(BatchError):
    """A store cannot be used as it is asked to."""


class StoreUnavailableError(StoreError):
    """A store did not answer, or not completely, after all retries."""

    is_transient = True


class TooManyRejectedError(BatchError):
    """More rows were rejected than the run allows."""
