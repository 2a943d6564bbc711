"""Objectives of a load test: `p99<50ms`, `max<1s`, `errors<0.1%`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.errors import UsageError

if TYPE_CHECKING:
    from modelctl.load.answers import Answers

LATENCY = re.compile(r"(p\d{1,2}(?:\.\d{1,4})?|max)<(\d+(?:\.\d+)?)(us|ms|s)")
ERRORS = re.compile(r"errors<(\d+(?:\.\d+)?)%")
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Objective:
    """A bound of a latency (seconds, at a percentile) or, without a percentile, of errors."""

    text: str
    bound: float
    percent: float | None = None

    def found(self, answers: Answers) -> float:
        """What the step has: seconds, or a share of errors."""
        if self.percent is None:
            return answers.error_share
        return answers.percentile(self.percent)

    def holds(self, answers: Answers) -> bool:
        """Whether a step meets the objective."""
        return self.found(answers) < self.bound

    def words(self, answers: Answers) -> str:
        """The objective beside what was found."""
        found = self.found(answers)
        if self.percent is None:
            return f"{self.text}: {found:.3%}"
        name = self.text.partition("<")[0]
        if found == float("inf"):
            return f"{self.text}: no prediction"
        return f"{self.text}: {name} was {found * 1e3:.1f} ms"


def parse(text: str) -> Objective:
    """An objective from its text. Raises UsageError."""
    compact = "".join(text.split())
    if match := LATENCY.fullmatch(compact):
        name, number, unit = match.groups()
        percent = 100.0 if name == "max" else float(name[1:])
        bound = float(number) * UNITS[unit]
    elif match := ERRORS.fullmatch(compact):
        percent, bound = None, float(match[1]) / 100
    else:
        raise UsageError(
            f"unknown objective: {text}",
            expected="such as p99<50ms, p99.9<1s, max<2s or errors<0.1%",
            found=text,
            fix="quote it: a shell reads < as a file",
        )
    if not bound:
        raise UsageError(f"nothing can be below zero: {text}", fix="use a bound above it")
    return Objective(compact, bound, percent)
