"""The errors of a batch run: what is wrong, expected, found, and how to fix it."""

from __future__ import annotations

from app.errors import AppError


class BatchError(AppError):
    """A part that cannot be predicted."""

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
