"""What `make test` takes of the end-to-end tests: the loop always, and what a change touches."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.paths import ROOT
from tests.runner import scenarios
from tests.runner.scenarios import SCENARIOS, Scenario, choose
from tools.catalog import select

E2E = ROOT / "tests" / "e2e"
FILES = [name.relative_to(ROOT).as_posix() for name in ROOT.rglob("*") if name.is_file()]


def test_every_file_of_tests_is_a_scenario_or_belongs_to_the_loop() -> None:
    listed = {scenario.file for scenario in SCENARIOS}
    loop = {
        path.name for path in E2E.glob("test_*.py") if "pytestmark = pytest.mark.loop" in text(path)
    }
    assert not listed & loop
    assert listed | loop == {path.name for path in E2E.glob("test_*.py")}


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.file)
def test_every_pattern_names_files_that_exist(scenario: Scenario) -> None:
    """A folder that moved would else take its tests out of `make test` in silence."""
    assert scenario.paths
    for pattern in scenario.paths:
        assert any(fnmatch(name, pattern) for name in FILES), pattern
    select(list(scenario.tools))


def test_a_change_that_touches_nothing_takes_the_loop_alone() -> None:
    choice = choose(["README.md"])
    assert choice.files == ()
    assert choice.tools == scenarios.LOOP_TOOLS
    assert len(choice.left) == len(SCENARIOS)


def test_a_touched_scenario_is_taken_with_its_tools() -> None:
    choice = choose(["app/fetch/download.py"])
    assert choice.files == ("test_download.py",)
    assert set(scenarios.LOOP_TOOLS) < set(choice.tools)
    assert "test_download.py" not in choice.left


def test_what_does_not_fit_into_the_time_is_named_and_edited_tests_come_first() -> None:
    choice = choose(["tests/e2e/test_observe.py", "charts/ml-model/templates/deployment.yaml"])
    seconds = {scenario.file: scenario.seconds for scenario in SCENARIOS}
    assert choice.files[0] == "test_observe.py"
    assert sum(seconds[name] for name in choice.files) <= scenarios.TOUCHED_SECONDS
    assert "test_chart.py" in choice.no_time
    assert not {*choice.files, *choice.no_time} & {*choice.left}


@pytest.mark.parametrize(
    ("template", "file"),
    [
        ("horizontalpodautoscaler.yaml", "test_scaling.py"),
        ("prometheusrule.yaml", "test_observe.py"),
        ("deployment.yaml", "test_sources.py"),
        ("_download.tpl", "test_download.py"),
        ("_signature.tpl", "test_supply_chain.py"),
        ("service.yaml", "test_chart.py"),
    ],
)
def test_the_scenario_that_guards_a_template_most_closely_is_taken(
    template: str, file: str
) -> None:
    assert choose([f"charts/ml-model/templates/{template}"]).files[0] == file


def test_everything_leaves_nothing() -> None:
    choice = scenarios.everything()
    assert choice.left == choice.no_time == ()
    assert len(choice.files) == len(SCENARIOS)
