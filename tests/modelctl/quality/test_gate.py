"""`modelctl gate`: a build that is worse than the committed baseline goes no further."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging import origins
from modelctl.quality import metric_baselines
from tests.modelctl.conftest import commit_all, make_bundle, run

BASELINE = """\
# ours
metrics:
  accuracy:
    value: 0.96
    better: higher
    tolerance: 0.02  # three of 150 rows
  mean_absolute_error: {value: 47, better: lower, tolerance: 1}
"""
AS_GOOD = {"accuracy": 0.96, "mean_absolute_error": 47.0}


def build(root: Path, metrics: dict[str, Any]) -> None:
    """A bundle of iris with those metrics where `make models` puts it."""
    make_bundle(root / "build/bundles/iris", "1.0.0", metrics=metrics)


@pytest.fixture
def held(repo: Path) -> Path:
    """The checkout with a baseline of iris, and a build that is as good."""
    (repo / ".gitignore").write_text("build/\n")
    path = repo / "models/iris/baseline.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(BASELINE)
    commit_all(repo, "baseline")
    build(repo, AS_GOOD)
    return repo


def test_a_build_as_good_as_its_baseline_passes(held: Path) -> None:
    rows = [line.split() for line in run("gate", "iris").splitlines()]
    assert rows[1] == ["accuracy", "0.96", "0.02", "0.96", "passes"]
    assert rows[2] == ["mean_absolute_error", "47", "1", "47", "passes"]


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        ({"accuracy": 0.9399}, "accuracy: expected at least 0.94, found 0.9399"),
        (
            {"mean_absolute_error": 48.001},
            "mean_absolute_error: expected at most 48, found 48.001",
        ),
        ({"accuracy": None}, "accuracy: missing"),
        ({"accuracy": "good"}, "accuracy: 'good' is not a number"),
        ({"accuracy": True}, "accuracy: True is not a number"),
        (
            {"accuracy": 0.5, "mean_absolute_error": 90},
            "accuracy: expected at least 0.94, found 0.5; "
            "mean_absolute_error: expected at most 48, found 90",
        ),
    ],
    ids=["lower", "higher", "missing", "text", "boolean", "both"],
)
def test_a_worse_build_is_refused_with_every_reason(
    held: Path, metrics: dict[str, Any], problem: str
) -> None:
    build(held, AS_GOOD | metrics)
    with pytest.raises(RefusedError) as refused:
        run("gate", "iris")
    assert refused.value.what == "'iris' is worse than its metric baseline"
    assert refused.value.found == problem
    assert (
        refused.value.expected
        == "the metrics in models/iris/baseline.yaml, within their tolerances"
    )
    assert "`modelctl gate iris --update`" in refused.value.fix
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("value", [0.94, 0.96, 0.98], ids=["the limit", "the same", "better"])
def test_what_is_within_the_tolerance_passes(held: Path, value: float) -> None:
    build(held, AS_GOOD | {"accuracy": value})
    assert "passes" in run("gate", "iris")


def test_a_much_better_build_says_how_to_keep_it_so(held: Path) -> None:
    build(held, AS_GOOD | {"accuracy": 0.99})
    note = "better by more than the tolerance; --update raises the baseline"
    assert note in run("gate", "iris")


def test_a_metric_that_the_baseline_does_not_know_is_named(held: Path) -> None:
    build(held, AS_GOOD | {"f1": 0.9})
    (row,) = [line for line in run("gate", "iris").splitlines() if line.startswith("f1")]
    assert " ".join(row.split()) == "f1 0.9 no baseline"


def test_programs_can_read_the_verdict(held: Path) -> None:
    found = json.loads(run("gate", "iris", "--output", "json"))
    assert found[0] == {
        "metric": "accuracy",
        "baseline": {"value": 0.96, "better": "higher", "tolerance": 0.02},
        "found": 0.96,
        "passes": True,
        "words": "passes",
    }


def test_without_a_baseline_nothing_passes(repo: Path) -> None:
    build(repo, AS_GOOD)
    with pytest.raises(ModelctlError, match="model 'iris' has no metric baseline") as error:
        run("gate", "iris")
    assert "`modelctl gate iris --update`" in error.value.fix


def test_update_keeps_tolerances_and_comments(held: Path) -> None:
    build(held, {"accuracy": 0.9, "mean_absolute_error": 46.5, "log_loss": 0.1234567})
    assert "wrote models/iris/baseline.yaml" in run("gate", "iris", "--update")
    path = held / "models/iris/baseline.yaml"
    assert path.read_text().startswith("# ours\n")
    metrics = metric_baselines.read(path, "iris").metrics
    assert metrics["accuracy"].model_dump() == {
        "value": 0.9,
        "better": "higher",
        "tolerance": 0.02,
    }
    assert metrics["mean_absolute_error"].limit == 47.5
    # A new one: of its value a hundredth.
    assert metrics["log_loss"].model_dump() == {
        "value": 0.1234567,
        "better": "lower",
        "tolerance": 0.0012,
    }
    assert "passes" in run("gate", "iris")


def test_update_twice_changes_nothing_the_second_time(held: Path) -> None:
    build(held, {"accuracy": 0.9})
    run("gate", "iris", "--update")
    commit_all(held, "lower")
    assert "already up to date" in run("gate", "iris", "--update")


def test_update_in_a_dry_run_writes_nothing(held: Path) -> None:
    build(held, {"accuracy": 0.9})
    assert "+    value: 0.9" in run("gate", "iris", "--update", "--dry-run")
    assert (held / "models/iris/baseline.yaml").read_text() == BASELINE


def test_update_asks_which_way_is_better_when_the_name_does_not_say(held: Path) -> None:
    build(held, AS_GOOD | {"profit": 12.5})
    with pytest.raises(ModelctlError, match="unknown direction of metric 'profit'") as error:
        run("gate", "iris", "--update")
    assert "`profit: {value: 12.5, better: higher, tolerance: 0.01}`" in error.value.fix


def test_what_a_model_is_held_to_does_not_change_its_digest(held: Path) -> None:
    folder = held / "models/iris"
    (folder / "train.py").write_text("print()\n")
    commit_all(held, "training code")
    before = origins.origin(folder)
    assert before[0]
    (folder / "baseline.yaml").write_text("metrics: {}\n")
    assert origins.origin(folder) == before
    commit_all(held, "another baseline")
    assert origins.origin(folder) == before
    (folder / "train.py").write_text("print(1)\n")
    assert origins.origin(folder)[0] == f"{before[0]}-dirty"
