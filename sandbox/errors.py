"""The sandbox's error tree: one root, so that one place decides what the user sees.

Must not know how errors are printed; `__main__` does that.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Output of a failed command or the end of a log: enough to see the cause, no more.
MAX_DETAILS_CHARACTERS = 4000
# Of an error of modelctl, below what is wrong.
ERROR_PARTS = ("expected", "found", "fix")
# The exit code of modelctl when a rule refuses.
REFUSED = 3


class SandboxError(Exception):
    """An error for the user: what happened, what was found and expected, and how to fix it.

    `details` is command output or the end of a log; only its end is kept.
    """

    def __init__(
        self, what: str, *, found: str, expected: str, fix: str, details: str = ""
    ) -> None:
        super().__init__(what)
        self.what = what
        self.found = found
        self.expected = expected
        self.fix = fix
        self.details = details.strip()[-MAX_DETAILS_CHARACTERS:]

    @property
    def is_refusal(self) -> bool:
        """Whether a rule refused, and nothing is broken."""
        return False

    @property
    def message(self) -> str:
        """The whole error."""
        return str(self)

    @property
    def summary(self) -> str:
        """The error in one line."""
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

    `code` is its exit code; None when it did not exit by itself.
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
            fix="read its output below; to repeat it, paste the command into a shell",
            details=output,
        )

    @property
    def is_refusal(self) -> bool:
        """Whether `modelctl` refused by its rules."""
        return self.code == REFUSED and "modelctl" in self.command

    @property
    def message(self) -> str:
        """The error message of modelctl; else the last line of the output."""
        lines = self.details.splitlines()
        if lines and lines[-1].startswith('{"error": '):  # of `--output json`
            error = json.loads(lines[-1])["error"]
            parts = [f"  {name}: {error[name]}" for name in ERROR_PARTS if error.get(name)]
            return "\n".join([f"error: {error['what']}", *parts])
        errors = [line for line in lines if line.startswith("error: ")]
        return "\n".join(lines[lines.index(errors[0]) :] if errors else lines[-1:])

    @property
    def summary(self) -> str:
        """The message in one line, without the command."""
        return " ".join(self.message.removeprefix("error: ").split()) or self.found


class WaitError(SandboxError):
    """A condition was not met in time; carries the last state and the end of a log."""


class AbortedError(WaitError):
    """A Rollout gave the new version up."""


class ProblemsError(SandboxError):
    """Several problems, reported at once before anything is changed."""

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
