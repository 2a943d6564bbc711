"""The verdict in PromQL, by promtool: beside the same formulas in Python, and where truth is known.

`sequence.py` itself is checked against an integral and by simulation (tests/modelctl/delivery).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboards import model
from dashboards.source import Source, panels
from modelctl.delivery import sequence
from modelctl.delivery.sequence import Counts, Limits
from tests.observability.arms import (
    CANARY,
    EDGES,
    OTHER_DIGEST,
    STABLE,
    Pod,
    Traffic,
    draw,
)
from tests.observability.streams import GOOD, STREAMS, release
from tests.observability.verdict import (
    CHECKS,
    Arms,
    bins_of,
    bound_is,
    bounds_are_those_of_python,
    is_found,
    promtool,
    query,
    world,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


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
        "expr": f"sum({query('confidence')}) == 0 and count({query('confidence')}) == 2",
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


def test_every_panel_of_the_verdict_has_data_while_a_canary_runs(tmp_path: Path) -> None:
    known = {"namespace": "ml-dev", "release": "iris"}
    source = Source("", known, 0, 0, 0)
    queries = [
        source.fill(target["expr"])
        for panel in panels(model.make())
        for target in panel["targets"]
        if "ml:verdict_" in target["expr"]
    ]
    assert len(queries) > 5
    asked = [
        {
            "expr": f"count({each}) > bool 1",
            "eval_time": "10m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for each in queries
    ]
    # The metrics of one's own are orders by version, of a shop.
    more = {
        f'{name}{{version="{version}",job="shop"{labels}}}': f"0+{growth}x60"
        for version in ("1.2.0", "1.1.0")
        for name, labels, growth in (
            ("orders_total", ',result="placed"', 300),
            ("orders_total", ',result="given up"', 300),
            ("basket_euros_sum", "", 9000),
            ("basket_euros_count", "", 600),
        )
    }
    promtool(tmp_path, [world("panels", release(GOOD, GOOD), 60, asked, more)])


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
