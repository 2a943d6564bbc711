"""What the verdict's rules should say by Python, and how promtool is asked whether they do."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.delivery import sequence
from modelctl.delivery.sequence import Counts, Interval, Limits
from tests import rendering
from tests.observability import rules
from tests.observability.arms import CANARY, DIGEST, EDGES, SECONDS, STABLE, Pod

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOLERATED = {
    "availability": 0.002,
    "latency": 0.01,
    "shed": 0.002,
    "rejections": 0.01,
    "predictions": 0.1,
    "confidence": 0.1,
}
SHARES = ("availability", "latency", "shed", "rejections")
# Two more, of orders, are in the values of the chart's tests.
CHECKS = len(TOLERATED) + 2
MINIMUM, LOOKS = 100, 3


@functools.cache
def objects() -> tuple[rendering.Manifest, ...]:
    """The objects of a release whose canary is judged."""
    folder = rendering.CHART / "tests" / "values"
    files = (folder / "minimal.yaml", folder / "verdict.yaml")
    return tuple(
        rendering.template(
            "helm4", rendering.CHART, rules.RELEASE, rules.NAMESPACE, *rendering.values(*files)
        )
    )


def groups() -> list[rules.Group]:
    """The groups of rules that judge."""
    rule = rendering.only(list(objects()), "PrometheusRule")
    return [group for group in rule["spec"]["groups"] if group["name"] == "verdict"]


def limits(check: str) -> Limits:
    """When a check is failed."""
    return Limits(TOLERATED[check], worse=0.05 / CHECKS, better=0.05)


def bins_of(pod: Pod, check: str) -> dict[str, Any]:
    """What a pod counted for a check, half minute by half minute, and `all`."""
    whole: Any = sum(pod.requests.values())
    if check == "latency":
        return {"bad": pod.seen(whole) - pod.seen(pod.in_time), "all": pod.seen(whole)}
    if check in SHARES:
        codes = {"availability": ("500", "503"), "shed": ("503",), "rejections": ("422",)}[check]
        parts = {code: pod.seen(growth) for code, growth in pod.requests.items()}
        return {"bad": sum(parts[code] for code in codes), "all": sum(parts.values())}
    if check == "predictions":
        return {name: pod.seen(growth) for name, growth in pod.classes.items()}
    # Of a histogram each bucket is a counter of its own.
    below: Any = 0
    before: Any = 0
    found = {}
    for name in EDGES:
        below = below + pod.confidence[name]
        seen = pod.seen(below)
        found[name], before = seen - before, seen
    return found


class Arms:
    """What both arms counted for a check since there are two, up to a step."""

    def __init__(self, pods: list[Pod], read: Callable[[Pod], dict[str, Any]], until: int) -> None:
        sums: dict[str, dict[str, Any]] = {CANARY: {}, STABLE: {}}
        for pod in pods:
            for name, part in read(pod).items():
                sums[pod.arm][name] = sums[pod.arm].get(name, 0) + part
        first = min(pod.start for pod in pods if pod.arm == CANARY) + 1
        self.steps = range(first, until + 1)
        self.sums = {
            arm: {name: np.maximum(part, 0) for name, part in bins.items()}
            for arm, bins in sums.items()
        }

    def counts(self, name: str, whole: str = "") -> list[Counts]:
        """One bin beside `whole`, or beside all bins."""
        pairs = []
        for arm in (CANARY, STABLE):
            bins = self.sums[arm]
            total = bins[whole] if whole else sum(bins.values())
            pairs += [bins.get(name, total * 0), total]
        return [Counts(*(float(part[step]) for part in pairs)) for step in self.steps]


def is_enough(seen: list[Counts]) -> bool:
    """Whether there may be a verdict."""
    return (
        sum(each.canary_count for each in seen) >= MINIMUM
        and sum(each.stable_count for each in seen) >= MINIMUM
        and sum(each.canary_count + each.stable_count > 0 for each in seen) >= LOOKS
    )


def expected(pods: list[Pod], check: str, until: int) -> Interval | None:
    """The bounds by Python; None without enough requests."""
    arms = Arms(pods, functools.partial(bins_of, check=check), until)
    if check in SHARES:
        seen = arms.counts("bad", "all")
        return (
            sequence.share_bounds(sequence.tally(seen), limits(check)) if is_enough(seen) else None
        )
    seen = arms.counts("none of them")
    if not is_enough(seen):
        return None
    tallies = {
        name: sequence.tally(arms.counts(name)) for bins in arms.sums.values() for name in bins
    }
    known = arms.sums[CANARY]
    parts = [(tallies[name].canary, tallies[name].stable) for name in known]
    parts.append((0.0, sum(each.stable for name, each in tallies.items() if name not in known)))
    answers = Arms(pods, lambda pod: {"all": pod.seen(pod.answers)}, until).counts("all")
    rows = _total(seen) / _total(answers)
    return sequence.index_bounds(parts, sequence.tally(seen).weight, limits(check), max(rows, 1.0))


def _total(seen: list[Counts]) -> float:
    return sum(each.canary_count + each.stable_count for each in seen)


Test = dict[str, Any]


def promtool(folder: Path, tests: list[Test]) -> None:
    """Let promtool evaluate the rules every half minute and compare."""
    rules.write(folder / "rules.yaml", {"groups": groups()})
    content = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": f"{SECONDS}s",
        "group_eval_order": [group["name"] for group in groups()],
        "tests": tests,
    }
    file = rules.write(folder / "tests.yaml", content)
    result = rendering.run(rendering.tool("promtool"), "test", "rules", file)
    assert result.code == 0, (result.stdout + result.stderr)[-4000:]


def world(
    name: str,
    pods: list[Pod],
    steps: int,
    asked: list[dict[str, Any]],
    more: dict[str, str] | None = None,
) -> Test:
    """One test of promtool; `more` are further series."""
    series = {line: text for pod in pods for line, text in pod.series(steps).items()}
    series |= more or {}
    return {
        "name": name,
        "interval": f"{SECONDS}s",
        "input_series": [{"series": line, "values": text} for line, text in series.items()],
        "promql_expr_test": asked,
    }


def bound_is(check: str, bound: str, value: float | None, step: int) -> dict[str, Any]:
    """Expect a bound of the canary within 1e-9, or none."""
    series = f'ml:verdict_bound{{check="{check}",arm="{CANARY}",bound="{bound}"}}'
    return {
        "expr": series if value is None else f"sum(abs({series} - {value!r}) <= bool 1e-9)",
        "eval_time": f"{step * SECONDS}s",
        "exp_samples": [] if value is None else [{"labels": "{}", "value": 1}],
    }


def bounds_are_those_of_python(pods: list[Pod], step: int) -> list[dict[str, Any]]:
    """Expect all bounds of the canary, by Python."""
    asked = []
    for check in TOLERATED:
        interval = expected(pods, check, step)
        for bound in ("lower", "upper"):
            value = None if interval is None else getattr(interval, bound)
            asked.append(bound_is(check, bound, value, step))
    return asked


@functools.cache
def measures(template: str = "iris-verdict") -> dict[str, dict[str, Any]]:
    """The metrics of an AnalysisTemplate by name."""
    (found,) = (
        each
        for each in objects()
        if each["kind"] == "AnalysisTemplate" and each["metadata"]["name"] == template
    )
    return {metric["name"]: metric for metric in found["spec"]["metrics"]}


def query(check: str, stable: str = STABLE) -> str:
    """The query of a check, as the controller asks it."""
    text: str = measures()[check]["provider"]["prometheus"]["query"]
    arguments = {"canary-hash": CANARY, "stable-hash": stable, "digest": DIGEST}
    for name, value in arguments.items():
        text = text.replace(f"{{{{args.{name}}}}}", value)
    assert "{{" not in text
    return text


def is_found(check: str, minutes: float, verdict: str) -> dict[str, Any]:
    """Expect a verdict: `worse` and `fine` have all values on one side, `open` on both, or none."""
    limit = measures()[check]["failureCondition"].split()[-1].rstrip("})")
    side = {"worse": f"> {limit}", "fine": f"<= {limit}"}.get(verdict, "")
    text = f"({query(check)})"
    expressions = {
        "none": f"count({text})",
        "open": f"count({text} > {limit}) == 1 and count({text} <= {limit}) == 1",
    }
    return {
        "expr": expressions.get(verdict, f"count({text} {side}) == count({text})"),
        "eval_time": f"{round(minutes * 60)}s",
        "exp_samples": []
        if verdict == "none"
        else [{"labels": "{}", "value": {"open": 1}.get(verdict, 1 if _is_one(check) else 2)}],
    }


def _is_one(check: str) -> bool:
    return check in ("restarts", "digest")
