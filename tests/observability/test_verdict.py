"""The verdict in PromQL, by promtool: beside the same formulas in Python, and where truth is known.

`sequence.py` itself is checked against an integral and by simulation (tests/modelctl/delivery).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.delivery import sequence
from modelctl.delivery.sequence import Counts, Interval, Limits
from tests import rendering
from tests.observability import rules
from tests.observability.arms import (
    CANARY,
    EDGES,
    OTHER_DIGEST,
    SECONDS,
    STABLE,
    Pod,
    Traffic,
    draw,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

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


def random_pods(seed: int, steps: int) -> list[Pod]:
    """Anything that can happen: any shares and mixes, growing traffic, restarts, failed scrapes."""
    random = np.random.default_rng(seed)
    start = int(random.integers(2, 8))
    names = [f"class{number}" for number in range(random.integers(2, 5))]

    def traffic() -> Traffic:
        mix = random.dirichlet(np.ones(len(names)))
        confident = random.dirichlet(np.ones(len(EDGES)))
        return Traffic(
            failed=random.uniform(0, 0.1),
            shed=random.choice([0.0, 0.02]),
            rejected=random.uniform(0, 0.2),
            slow=random.uniform(0, 0.3),
            rows=int(random.integers(1, 6)),
            # A class may be one that only this version knows.
            classes=dict(zip([*names[:-1], random.choice(["new", names[-1]])], mix, strict=True)),
            confidence=dict(zip(EDGES, confident, strict=True)),
        )

    both = {CANARY: traffic(), STABLE: traffic()}
    pods = []
    for number, arm in enumerate((STABLE, STABLE, CANARY, CANARY)):
        rate = random.uniform(0.2, 20) * np.where(random.random(steps + 1) < 0.1, 0, 1)
        pods.append(draw(random, arm, f"aaaa{number}", both[arm], rate, start * (arm == CANARY)))
        if random.random() < 0.5:
            pods[-1].restarted = frozenset(random.integers(start + 2, steps, 2).tolist())
        if random.random() < 0.5:
            pods[-1].missed = frozenset(random.integers(start + 2, steps, 3).tolist())
    return pods


def test_bounds_are_those_of_python_whatever_is_scraped(tmp_path: Path) -> None:
    steps, tests = 40, []
    for seed in range(12):
        pods = random_pods(seed, steps)
        asked = [ask for step in (12, steps) for ask in bounds_are_those_of_python(pods, step)]
        tests.append(world(f"seed {seed}", pods, steps, asked))
    promtool(tmp_path, tests)


# --- streams of known truth, judged by the queries of the AnalysisTemplate


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
    return text.replace("{{args.canary-hash}}", CANARY).replace("{{args.stable-hash}}", stable)


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


def release(
    canary: Traffic | None,
    stable: Traffic,
    rate: float = 100,
    weight: float = 0.1,
    minutes: int = 30,
    seed: int = 1,
) -> list[Pod]:
    """A canary of one pod beside two stable ones, after two minutes without it."""
    random, steps = np.random.default_rng(seed), minutes * 60 // SECONDS
    every = np.ones(steps + 1)
    pods = [
        draw(random, STABLE, f"aaaa{number}", stable, every * rate * (1 - weight) / 2)
        for number in range(2)
    ]
    if canary:
        pods.append(draw(random, CANARY, "bbbbb", canary, every * rate * weight, start=4))
    return pods


GOOD = Traffic(failed=0.001)
MANY, FEW = 100, 5
STREAMS: dict[str, tuple[list[Pod], dict[str, str], int]] = {
    "good": (release(GOOD, GOOD), dict.fromkeys([*TOLERATED, "restarts", "digest"], "fine"), 30),
    "1 % fail instead of 2 %": (
        release(Traffic(failed=0.01), Traffic(failed=0.02)),
        {"availability": "fine"},
        15,
    ),
    "2 % fail instead of 1 %": (
        release(Traffic(failed=0.02), Traffic(failed=0.01)),
        {"availability": "worse", "predictions": "fine"},
        18,
    ),
    "5 % fail": (release(Traffic(failed=0.05), GOOD), {"availability": "worse"}, 4),
    "2 % instead of 1 % with little traffic": (
        release(Traffic(failed=0.02), Traffic(failed=0.01), rate=FEW),
        {"availability": "open"},
        30,
    ),
    "good with little traffic": (release(GOOD, GOOD, rate=FEW), {"availability": "open"}, 30),
    "hardly any traffic": (
        release(Traffic(failed=0.9), GOOD, rate=0.1),
        dict.fromkeys(TOLERATED, "none"),
        30,
    ),
    "no traffic": (release(GOOD, GOOD, rate=0), dict.fromkeys(TOLERATED, "none"), 30),
    "no canary": (release(None, GOOD), dict.fromkeys([*TOLERATED, "digest"], "none"), 30),
    "other predictions, no error": (
        release(Traffic(failed=0, classes={"good": 0.35, "bad": 0.65}), Traffic(failed=0)),
        {"predictions": "worse", "availability": "fine", "confidence": "fine"},
        15,
    ),
    "a class less": (
        release(Traffic(classes={"good": 1.0}), Traffic(classes={"good": 0.7, "bad": 0.3})),
        {"predictions": "worse"},
        15,
    ),
    "less confident": (
        release(Traffic(confidence={"0.6": 0.8, "0.9": 0.2}), GOOD),
        {"confidence": "worse", "predictions": "fine"},
        15,
    ),
    "slow": (
        release(Traffic(failed=0.001, slow=0.08), GOOD),
        {"latency": "worse", "availability": "open"},
        5,
    ),
    "sheds": (release(Traffic(shed=0.04), GOOD), {"shed": "worse"}, 5),
    "refuses rows": (release(Traffic(rejected=0.1), GOOD), {"rejections": "worse"}, 5),
}


def test_streams_of_known_truth_are_judged_as_they_should(tmp_path: Path) -> None:
    tests = [
        world(
            name, pods, 60, [is_found(check, minutes, verdict) for check, verdict in asked.items()]
        )
        for name, (pods, asked, minutes) in STREAMS.items()
    ]
    promtool(tmp_path, tests)


def test_pods_that_are_wrong_fail_without_statistics(tmp_path: Path) -> None:
    pods = release(GOOD, GOOD)
    pods[-1].digest = OTHER_DIGEST
    pods[-1].worker_starts = 3
    asked = [is_found(check, 10, "worse") for check in ("digest", "restarts")]
    promtool(tmp_path, [world("wrong digest and a crash", pods, 60, asked)])


def test_a_model_without_confidence_is_not_judged_by_it(tmp_path: Path) -> None:
    pods = release(Traffic(confidence={}), Traffic(confidence={}))
    asked = {
        "expr": f"sum({query('confidence')}) == 0",
        "eval_time": "20m",
        "exp_samples": [{"labels": "{}", "value": 0}],
    }
    promtool(tmp_path, [world("regressor", pods, 60, [asked])])


def test_there_is_no_verdict_beside_another_version_than_the_stable_one(tmp_path: Path) -> None:
    asked = {
        "expr": query("availability", stable="gone"),
        "eval_time": "20m",
        "exp_samples": [],
    }
    promtool(tmp_path, [world("stable is gone", release(GOOD, GOOD), 60, [asked])])


def test_trouble_that_hits_both_versions_fails_neither(tmp_path: Path) -> None:
    # Ten times as many errors in the last third, in which the canary has half of the requests. Of
    # all its requests twice as many fail as of the stable version's.
    random, steps = np.random.default_rng(3), 90
    pods: list[Pod] = []
    for first, weight, failed in ((0, 0.05, 0.005), (30, 0.2, 0.005), (60, 0.5, 0.05)):
        on = (np.arange(steps + 1) >= first) & (np.arange(steps + 1) < first + 30)
        for arm, share in ((STABLE, 1 - weight), (CANARY, weight)):
            rate = np.where(on, 100 * share, 0)
            pods.append(draw(random, arm, f"aaaa{len(pods)}", Traffic(failed=failed), rate))
    sums = Arms(pods, functools.partial(bins_of, check="availability"), steps).sums
    pooled = {arm: bins["bad"].sum() / bins["all"].sum() for arm, bins in sums.items()}
    assert pooled[CANARY] > 1.5 * pooled[STABLE]
    asked = [is_found("availability", 45, "open")]
    promtool(tmp_path, [world("trouble", pods, steps, asked)])


def test_metrics_of_another_service_are_judged_by_the_version_it_names(tmp_path: Path) -> None:
    random, steps = np.random.default_rng(4), 60
    more: dict[str, str] = {}
    times_of: dict[str, list[Counts]] = {}
    drawn = {}
    for version, placed, euros in (("1.2.0", 0.42, 30.0), ("1.1.0", 0.5, 30.2)):
        total = random.poisson(600, steps + 1)
        good = random.binomial(total, placed)
        spent = np.round(random.normal(euros, 8.0 / np.sqrt(total)) * total)
        drawn[version] = (total, good, spent)
        labels = f'version="{version}",job="shop"'
        more |= {
            f'orders_total{{{labels},result="placed"}}': _course(good),
            f'orders_total{{{labels},result="given up"}}': _course(total - good),
            f"basket_euros_sum{{{labels}}}": _course(spent),
            f"basket_euros_count{{{labels}}}": _course(total),
        }
    new, old = drawn["1.2.0"], drawn["1.1.0"]
    times_of["orders"] = [
        Counts(*map(float, each))
        for each in zip(new[0] - new[1], new[0], old[0] - old[1], old[0], strict=True)
    ][1:]
    times_of["basket"] = [
        Counts(*map(float, each)) for each in zip(-new[2], new[0], -old[2], old[0], strict=True)
    ][1:]
    intervals = {
        "orders": sequence.share_bounds(
            sequence.tally(times_of["orders"]), Limits(0.02, 0.05 / CHECKS, 0.05)
        ),
        "basket": sequence.mean_bounds(
            sequence.tally(times_of["basket"]), Limits(1.5, 0.05 / CHECKS, 0.05)
        ),
    }
    asked = [is_found("orders", 30, "worse"), is_found("basket", 30, "fine")]
    for check, interval in intervals.items():
        for bound in ("lower", "upper"):
            ask = bound_is(check, bound, getattr(interval, bound), steps)
            asked.append({**ask, "expr": ask["expr"].replace(CANARY, "1.2.0")})
    promtool(tmp_path, [world("orders", release(GOOD, GOOD), steps, asked, more)])


def _course(growth: NDArray[Any]) -> str:
    return " ".join(str(int(value)) for value in growth.cumsum())
