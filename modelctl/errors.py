"""The errors of modelctl: what is wrong, what was expected and found, and how to fix it.

Commands raise these; only `modelctl.__main__` turns them into text and an exit code.
"""

from __future__ import annotations


class ModelctlError(Exception):
    """An error that the user can act on.

    `what` names the object and its problem; `found`, `expected` and `fix` are optional parts of
    the message, each on its own line.
    """

    exit_code = 1

    def __init__(self, what: str, *, found: str = "", expected: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.found = found
        self.expected = expected
        self.fix = fix

    def __str__(self) -> str:
        parts = [("expected", self.expected), ("found", self.found), ("fix", self.fix)]
        return "\n".join([self.what, *(f"  {name}: {text}" for name, text in parts if text)])


def missing_library(use: str, library: str, group: str, *, otherwise: str = "") -> ModelctlError:
    """The error of a use that needs a library which is not installed."""
    return ModelctlError(
        f"{use} needs {library}, which is not installed",
        fix=f"pip install {library} (dependency group `{group}`){otherwise}",
    )


class UsageError(ModelctlError):
    """Arguments or options that contradict each other, or that lack one."""

    exit_code = 2


class RefusedError(ModelctlError):
    """A refused bundle, promotion or check: the input is well-formed but not acceptable."""

    exit_code = 3
