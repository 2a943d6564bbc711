"""The steps of a load test as text at 80 columns, and as one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelctl.load.answers import SHOWN, Answers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from modelctl.load.run import Plan
    from modelctl.load.slo import Objective

# Statuses by which a service or its gateway says that it has too much to do.
SHED = ("503", "429", "RESOURCE_EXHAUSTED", "UNAVAILABLE")
HEAD = (
    f"{'RATE/S':>8} {'SENT':>8} {'OK':>8} {'SHED':>6} {'OTHER':>6} "
    + " ".join(f"{f'P{percent:g}':>8}" for percent in SHOWN)
    + f" {'MAX MS':>8}"
)


def line(answers: Answers) -> str:
    """A row of the table under HEAD."""
    shed = sum(answers.statuses[status] for status in SHED)
    latencies = [answers.percentile(percent) * 1e3 for percent in (*SHOWN, 100.0)]
    return (
        f"{answers.rate:>8g} {answers.sent:>8} {answers.ok:>8} {shed:>6} "
        f"{answers.sent - answers.ok - shed:>6} "
        + " ".join(f"{_milliseconds(latency):>8}" for latency in latencies)
    )


def _milliseconds(number: float) -> str:
    return "-" if number == float("inf") else f"{number:.4g}" if number < 1e4 else f"{number:.0f}"


def remarks(steps: Sequence[Answers], objectives: Sequence[Objective]) -> Iterator[str]:
    """What the table does not say: other failures, a late generator, objectives and what holds."""
    for answers in steps:
        others = {**answers.statuses, **answers.failures}
        named = [f"{count} x {name}" for name, count in sorted(others.items()) if _is_other(name)]
        if named:
            yield f"{answers.rate:g}/s: {', '.join(named)}"
        if answers.is_held_up:
            yield (
                f"{answers.rate:g}/s: {answers.late} requests left late: this machine is too slow "
                "or too busy for the rate, and its own delay is part of the latencies"
            )
    for answers in steps:
        for objective in objectives:
            if not objective.holds(answers):
                yield f"{answers.rate:g}/s misses {objective.words(answers)}"
    if objectives:
        met = [step.rate for step in steps if meets(step, objectives)]
        highest = f"met up to {max(met):g} requests/s" if met else "met at no rate"
        yield f"{', '.join(objective.text for objective in objectives)}: {highest}"


def _is_other(name: str) -> bool:
    return name not in ("200", "OK", *SHED)


def meets(answers: Answers, objectives: Sequence[Objective]) -> bool:
    """Whether a step meets every objective."""
    return all(objective.holds(answers) for objective in objectives)


def document(
    model: str, plan: Plan, steps: Sequence[Answers], objectives: Sequence[Objective]
) -> dict[str, Any]:
    """All of it for a program."""
    return {
        "model": model,
        "url": plan.url,
        "protocol": plan.protocol,
        "connections": plan.connections,
        "arrivals": "poisson" if plan.poisson else "even",
        "steps": [
            answers.document() | {"slo": {each.text: each.holds(answers) for each in objectives}}
            for answers in steps
        ],
    }
