"""The errors of modelctl: what went wrong, what was found and expected, and the way out.

Commands raise these; only `modelctl.__main__` turns them into text and an exit code.
"""

from __future__ import annotations


class ModelctlError(Exception):
    """Something the user can act on.

    `what` names the thing and its problem; `found`, `expected` and `fix` are optional parts of
    the message, each on a line of its own.
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


class RefusedError(ModelctlError):
    """A bundle, a promotion or a check was refused: the input is well-formed but not acceptable."""

    exit_code = 3
