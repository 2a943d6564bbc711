"""Every alert in three worlds, judged by promtool: it fires, it does not, there is hardly traffic.

What is compared is all that fires, so a false alarm of another rule beside it is seen as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import rendering
from tests.observability import rules
from tests.observability.cases import CASES, ROLLOUTS, Case
from tests.observability.rules import Key
from tests.observability.world import World

if TYPE_CHECKING:
    from pathlib import Path

FIRING = 'max by (alertname, severity, burn) (ALERTS{alertstate="firing"})'


def promtool(*arguments: str | Path) -> rendering.Result:
    """Run promtool."""
    return rendering.run(rendering.tool("promtool"), *arguments)


def judge(
    folder: Path, groups: list[rules.Group], minutes: int, tests: list[dict[str, Any]]
) -> None:
    """Let promtool run tests that evaluate every so many minutes."""
    rules.write(folder / "rules.yaml", {"groups": groups})
    content = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": f"{minutes}m",
        "group_eval_order": [group["name"] for group in groups],
        "tests": tests,
    }
    result = promtool("test", "rules", rules.write(folder / f"every-{minutes}m.yaml", content))
    assert result.code == 0, result.stdout + result.stderr


def judged(name: str, world: World, expected: set[Key]) -> dict[str, Any]:
    """One test of promtool: in this world exactly these alerts fire."""
    return {
        "name": name,
        "interval": f"{world.minutes}m",
        "input_series": [
            {"series": series, "values": values} for series, values in world.series().items()
        ],
        "promql_expr_test": [
            {
                "expr": FIRING,
                "eval_time": f"{world.minutes * world.steps}m",
                "exp_samples": [{"labels": _labels(key), "value": 1} for key in expected],
            }
        ],
    }


def _labels(key: Key) -> str:
    burn = f',burn="{key.burn}"' if key.burn else ""
    return f'{{alertname="{key.alert}",severity="{key.severity}"{burn}}}'


def worlds_of(key: Key, case: Case) -> dict[int, list[dict[str, Any]]]:
    """The three tests of a rule, by how often their world evaluates rules."""
    found: dict[int, list[dict[str, Any]]] = {}
    for name, world, expected in (
        ("fires", case.fires, {key, *case.also}),
        ("is quiet", case.quiet, set(case.also_quiet)),
        ("has little traffic", case.idle, set(case.also_idle)),
    ):
        found.setdefault(world.minutes, []).append(judged(name, world, expected))
    return found


def test_rules_are_what_prometheus_can_read(tmp_path: Path) -> None:
    file = rules.write(tmp_path / "rules.yaml", {"groups": list(rules.groups())})
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", file)
    assert checked.code == 0, checked.stdout + checked.stderr


def test_every_alert_is_tested_in_all_three_worlds() -> None:
    assert set(CASES) == set(rules.alerts())
    assert set(ROLLOUTS) == set(rules.alerts_of_rollouts())
    assert len(CASES) > 25


@pytest.mark.parametrize(
    ("strategy", "key"),
    [*(("rolling", key) for key in CASES), *(("canary", key) for key in ROLLOUTS)],
    ids=lambda part: part if isinstance(part, str) else "-".join(part),
)
def test_alert_fires_when_it_should_and_only_then(strategy: str, key: Key, tmp_path: Path) -> None:
    case = CASES[key] if strategy == "rolling" else ROLLOUTS[key]
    for minutes, tests in worlds_of(key, case).items():
        # Those that it needs and those beside it: all rules over a week would take minutes.
        judge(tmp_path, rules.needed_for(key.alert, strategy), minutes, tests)


@pytest.mark.parametrize("strategy", ["rolling", "canary"])
def test_nothing_fires_for_a_healthy_release_whatever_its_neighbours_do(
    strategy: str, tmp_path: Path
) -> None:
    world = World(steps=84, minutes=5)
    judge(tmp_path, list(rules.groups(strategy)), 5, [judged("healthy", world, set())])


def test_a_world_without_a_single_series_only_lacks_pods(tmp_path: Path) -> None:
    test = judged("nothing", World(), {Key("MlNoPods", "critical")})
    test["input_series"] = [{"series": "unrelated", "values": f"1x{World().steps}"}]
    judge(tmp_path, list(rules.groups()), 1, [test])
