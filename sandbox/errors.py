"""The sandbox's error tree: one root, so that one place decides what the user sees.

Must not know how errors are printed; `__main__` does that.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Output of a failed command or a log tail is foreign text: enough to see the cause, no more.
MAX_FOREIGN_CHARACTERS = 4000
# How modelctl ends when a rule says no.
REFUSED = 3


class SandboxError(Exception):
    """Something the user has to know: what happened, what was found and expected, how to fix it.

    `details` is foreign text (command output, the end of a log); only its end is kept.
    """

    def __init__(
        self, what: str, *, found: str, expected: str, fix: str, details: str = ""
    ) -> None:
        super().__init__(what)
        self.what = what
        self.found = found
        self.expected = expected
        self.fix = fix
        self.details = details.strip()[-MAX_FOREIGN_CHARACTERS:]

    @property
    def refused(self) -> bool:
        """Whether a rule said no, and nothing is broken."""
        return False

    @property
    def said(self) -> str:
        """All of it, for whoever has to act."""
        return str(self)

    @property
    def summary(self) -> str:
        """The most telling line."""
        return self.what if not self.found else f"{self.what}: {self.found}"

    def __str__(self) -> str:
        lines = [
            self.what,
            f"  found:    {self.found}",
            f"  expected: {self.expected}",
            f"  fix:      {self.fix}",
        ]
        if self.details:
            lines += ["", *(f"  | {line}" for line in self.details.splitlines())]
        return "\n".join(lines)


class CommandError(SandboxError):
    """A command failed or ran out of time. `command` can be pasted into a shell.

    `code` is its exit code; None when it never ended by itself.
    """

    def __init__(
        self, argv: Sequence[str], *, found: str, output: str, code: int | None = None
    ) -> None:
        self.command = shlex.join(argv)
        self.code = code
        super().__init__(
            f"command failed: {self.command}",
            found=found,
            expected="exit code 0",
            fix="read its output below; the command can be pasted into a shell to repeat it",
            details=output,
        )

    @property
    def refused(self) -> bool:
        """Whether it was `modelctl` that said no by its rules."""
        return self.code == REFUSED and "modelctl" in self.command

    @property
    def said(self) -> str:
        """What modelctl said of its error; else the last line of the output."""
        lines = self.details.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        return "\n".join(lines[lines.index(errors[0]) :] if errors else lines[-1:])

    @property
    def summary(self) -> str:
        """The same in one line; which command it was stands elsewhere."""
        return " ".join(self.said.removeprefix("error: ").split()) or self.found


class WaitError(SandboxError):
    """A condition did not come true in time; carries the last state seen and a log tail."""


class ProblemsError(SandboxError):
    """Several problems found before anything was done, reported all at once."""

    def __init__(self, problems: Sequence[SandboxError]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            f"this machine cannot run the sandbox: {len(problems)} problem(s)",
            found="; ".join(problem.found for problem in problems),
            expected="; ".join(problem.expected for problem in problems),
            fix="; ".join(problem.fix for problem in problems),
        )

    def __str__(self) -> str:
        return "\n".join([self.what, *(f"\n{problem}" for problem in self.problems)])
