"""What the analyses of a Rollout have found: each check with its value, its limit and its state.

Pure: the AnalysisRuns are given. The fields are those that the Argo Rollouts controller writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_TEXT = 200
# The worst first: one run may have passed a check that another one still watches.
PHASES = ("Failed", "Error", "Inconclusive", "Running", "Pending", "Successful")
# As the chart writes when a check fails: bounds, or a count.
TOLERATED = re.compile(
    r"len\(result\) > 0 && (?:all\(result, \{# > ([^}]+)\}\)|result\[0\] > (.+))"
)


@dataclass(frozen=True)
class Check:
    """One check. `value` is the last one measured, `limit` when it fails, empty without one.

    Of `looks` so many were `undecided`. `message` says why there is no value.
    """

    name: str
    phase: str
    value: str = ""
    limit: str = ""
    looks: int = 0
    undecided: int = 0
    message: str = ""

    def __str__(self) -> str:
        parts = [f"{self.name} {self.phase}: {self.value or 'no data'}", self.limit, self.message]
        if self.undecided:
            parts.append(f"undecided in {self.undecided} of {self.looks} looks")
        return ", ".join(filter(None, parts))


def read(runs: Iterable[dict[str, Any]]) -> tuple[Check, ...]:
    """The checks of some AnalysisRuns, in their order; of two with one name the worse."""
    checks: dict[str, Check] = {}
    for run in runs:
        metrics = run.get("spec", {}).get("metrics", [])
        conditions = {each["name"]: each.get("failureCondition", "") for each in metrics}
        for result in run.get("status", {}).get("metricResults", []):
            found = _check(result, conditions.get(result["name"], ""))
            before = checks.get(found.name)
            if before is None or _rank(found.phase) < _rank(before.phase):
                checks[found.name] = found
    return tuple(checks.values())


def _rank(phase: str) -> int:
    return PHASES.index(phase) if phase in PHASES else len(PHASES)


def _check(result: dict[str, Any], condition: str) -> Check:
    looks = result.get("measurements", [])
    last = looks[-1] if looks else {}
    return Check(
        result["name"],
        result.get("phase", ""),
        _value(last.get("value", "")),
        _limit(condition),
        looks=result.get("count", 0),
        undecided=result.get("inconclusive", 0),
        message=_line(result.get("message", "") or last.get("message", "")),
    )


def _value(text: str) -> str:
    """A number, or the bounds that a list of two has; the controller writes no order."""
    parts = [part for part in text.strip("[]").split(",") if part.strip()]
    try:
        numbers = sorted(float(part) for part in parts)
    except ValueError:
        return _line(text)
    return " to ".join(f"{number:.4g}" for number in numbers)


def _limit(condition: str) -> str:
    match = TOLERATED.fullmatch(condition)
    if match:
        return f"tolerated {match[1] or match[2]}"
    return f"fails when {_line(condition)}" if condition else ""


def _line(text: str) -> str:
    return " ".join(text.split())[:MAX_TEXT]
