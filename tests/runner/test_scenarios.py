"""What `make test` takes of the end-to-end tests: the loop always, and what a change touches."""

from __future__ import annotations

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.paths import ROOT
from tests.runner import scenarios
from tests.runner.scenarios import SCENARIOS, Scenario, choose, group_of, rounds
from tools.catalog import select

E2E = ROOT / "tests" / "e2e"
# A sandbox that runs meanwhile makes and removes files all the time.
FILES = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.splitlines()


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
    for group in (scenarios.ARGOCD, scenarios.RELEASES):
        own = [name for name in choice.files if group_of(name) == group]
        assert sum(seconds[name] for name in own) <= scenarios.TOUCHED_SECONDS
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


def test_groups_that_run_side_by_side_do_not_take_each_others_time() -> None:
    choice = choose(["tests/e2e/test_pipeline.py", "tests/e2e/test_images.py"])
    assert choice.files == ("test_images.py", "test_pipeline.py")
    assert [group_of(name) for name in choice.files] == [scenarios.RELEASES, scenarios.ARGOCD]


def test_every_chosen_file_runs_in_one_group_and_restarts_come_last() -> None:
    first, delivery, mesh, last = rounds(scenarios.everything())
    assert list(first) == [scenarios.ARGOCD, scenarios.RELEASES]
    assert list(delivery) == [scenarios.DELIVERY]
    assert list(mesh) == [scenarios.MESH]
    assert list(last) == [scenarios.RESTARTS]
    (bare,) = rounds(scenarios.everything(), scenarios.AFTERWARDS)
    assert list(bare) == [scenarios.BARE]
    groups = [item for each in (first, delivery, mesh, last, bare) for item in each.items()]
    assert len({title for _, title in groups}) == 6
    assert {group_of(each.file) for each in SCENARIOS} == {name for name, _ in groups}


def test_without_its_file_no_restart_is_waited_for() -> None:
    loop = [[scenarios.ARGOCD, scenarios.RELEASES], [scenarios.DELIVERY]]
    assert [list(each) for each in rounds(choose(["README.md"]))] == loop
    with_restarts = rounds(choose(["tests/e2e/test_restart.py"]))
    assert [list(each) for each in with_restarts] == [*loop, [scenarios.RESTARTS]]
    assert rounds(choose(["tests/e2e/test_restart.py"]), scenarios.AFTERWARDS) == []


def test_a_mark_takes_a_test_elsewhere_and_a_wrong_one_is_refused() -> None:
    assert group_of("test_observe.py") == scenarios.RELEASES
    assert group_of("test_observe.py", scenarios.ARGOCD) == scenarios.ARGOCD
    assert group_of("test_loop.py") == scenarios.ARGOCD
    with pytest.raises(ValueError, match="group 'besides': expected one of argocd, releases"):
        group_of("test_loop.py", "besides")


def test_what_runs_beside_argo_cds_tests_neither_edits_releases_nor_reads_them_from_git() -> None:
    """Those tests edit them meanwhile; `loop.found` is a copy of before."""
    words = re.compile(r"loop\.(releases?\b|push\(|change\(|wait_synced)|\bFork\(")
    for each in SCENARIOS:
        if each.group == scenarios.RELEASES:
            # Marked functions are in the other group.
            code = re.sub(
                r"@pytest\.mark\.group.*?(?=\n\n\n)", "", text(E2E / each.file), flags=re.S
            )
            assert [found[0] for found in words.finditer(code)] == [], each.file


# Collects once for each line of options: importing all tests takes longer than choosing of them.
COLLECT = """
import sys, pytest
for options in map(str.split, sys.stdin):
    print("collected by", options, flush=True)
    code = pytest.main(["tests/e2e", "--collect-only", "-p", "no:cacheprovider", *options])
    assert code == 0, code
"""


@pytest.mark.parametrize("choice", [choose([]), scenarios.everything()], ids=["loop", "all"])
def test_the_groups_share_the_chosen_tests_out_among_them(choice: scenarios.Choice) -> None:
    """Asked of pytest itself: each test runs in one group, and none is left out."""
    planned = (*rounds(choice), *rounds(choice, scenarios.AFTERWARDS))
    whole, *groups = collected(choice, ["", *(name for names in planned for name in names)])
    assert groups
    assert all(groups)
    assert sorted(test for group in groups for test in group) == sorted(whole)


def collected(choice: scenarios.Choice, groups: list[str]) -> list[list[str]]:
    """The tests that pytest would run of each group; of all groups without a name."""
    files = f"--scenarios={','.join(choice.files)}"
    options = "\n".join(f"{files} --group={group}" if group else files for group in groups)
    argv = [sys.executable, "-c", COLLECT]
    done = subprocess.run(
        argv, cwd=ROOT, input=options, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = done.stdout.split("collected by ")[1:]
    assert len(answers) == len(groups)
    return [
        [line for line in answer.splitlines() if line.startswith("tests/e2e/")]
        for answer in answers
    ]
