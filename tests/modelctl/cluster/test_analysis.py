"""What `status` and `wait` make of AnalysisRuns; their fields are those of Argo Rollouts' API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelctl.cluster import analysis, wait
from modelctl.errors import ModelctlError
from tests.modelctl import kubectl
from tests.modelctl.cluster.test_transition import rollout
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, run

Object = dict[str, Any]
BOUNDS = "len(result) > 0 && all(result, {# > 0.1})"
COUNT = "len(result) > 0 && result[0] > 0"


def result(name: str, phase: str, *values: str, **more: Any) -> Object:
    """A metric's result; by default each look was what the metric is."""
    looks = [{"phase": phase, "value": value} for value in values]
    return {"name": name, "phase": phase, "measurements": looks, "count": len(values), **more}


def analysis_run(name: str, conditions: dict[str, str], *results: Object) -> Object:
    return {
        "metadata": {"name": name, "namespace": "ml-dev"},
        "spec": {"metrics": [{"name": n, "failureCondition": c} for n, c in conditions.items()]},
        "status": {"phase": "Running", "metricResults": list(results)},
    }


@pytest.mark.parametrize(
    ("found", "condition", "said"),
    [
        (
            result("predictions", "Failed", "[0.52,0.31]"),
            BOUNDS,
            "predictions Failed: 0.31 to 0.52, tolerated 0.1",
        ),
        (
            result("latency", "Running", "[]", "[-0.0025,0.013]", inconclusive=2),
            "len(result) > 0 && all(result, {# > 0.01})",
            "latency Running: -0.0025 to 0.013, tolerated 0.01, undecided in 2 of 2 looks",
        ),
        (result("restarts", "Failed", "[1]"), COUNT, "restarts Failed: 1, tolerated 0"),
        (
            result("shed", "Running", "[]", inconclusive=1),
            BOUNDS,
            "shed Running: no data, tolerated 0.1, undecided in 1 of 1 looks",
        ),
        (
            result("own", "Failed", "7"),
            "result[0] > 5 or isNaN(result[0])",
            "own Failed: 7, fails when result[0] > 5 or isNaN(result[0])",
        ),
        (
            result("own", "Error", error=2, message="dial\n tcp: refused"),
            "",
            "own Error: no data, dial tcp: refused",
        ),
        (
            {
                "name": "odd",
                "phase": "Error",
                "measurements": [{"phase": "Error", "message": "no such host"}],
            },
            "",
            "odd Error: no data, no such host",
        ),
        ({"name": "new", "phase": "Pending"}, BOUNDS, "new Pending: no data, tolerated 0.1"),
    ],
)
def test_a_check_says_its_value_and_why(found: Object, condition: str, said: str) -> None:
    (check,) = analysis.read([analysis_run("a", {found["name"]: condition}, found)])
    assert str(check) == said


def test_of_two_runs_the_worse_word_about_a_check_counts() -> None:
    """The verdict passes once, the watch goes on; and the other way round."""
    conditions = {"latency": BOUNDS, "digest": COUNT}
    one = analysis_run(
        "a", conditions, result("latency", "Successful", "[0,0]"), result("digest", "Failed", "[1]")
    )
    other = analysis_run(
        "b", conditions, result("latency", "Failed", "[1,2]"), result("digest", "Running", "[0]")
    )
    expected = [("latency", "Failed"), ("digest", "Failed")]
    assert [(each.name, each.phase) for each in analysis.read([one, other])] == expected
    assert sorted(str(each) for each in analysis.read([other, one])) == sorted(
        str(each) for each in analysis.read([one, other])
    )


@pytest.fixture
def canary(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Iris in mid-canary, judged by two runs, beside one of another release."""
    image = f"registry.example/iris:1.0.0@{DIGEST_A}"
    asked = kubectl.install(
        tmp_path / "bin", monkeypatch, [kubectl.application(image=image)], deployments=[]
    )
    found = rollout(
        phase="Degraded",
        stableRS="old",
        abort=True,
        abortedAt="2026-01-02T00:00:00Z",
        message="RolloutAborted",
        canary={
            "currentStepAnalysisRunStatus": {"name": "iris-2-1", "status": "Successful"},
            "currentBackgroundAnalysisRunStatus": {"name": "iris-2", "status": "Failed"},
        },
    )
    found["metadata"] |= kubectl.deployment(image=image, digest=DIGEST_B)["metadata"]
    found["metadata"]["generation"] = 3
    runs = [
        analysis_run("iris-2-1", {"latency": BOUNDS}, result("latency", "Running", "[0,0.02]")),
        analysis_run("iris-2", {"predictions": BOUNDS}, result("predictions", "Failed", "[1,2]")),
        analysis_run("other-2", {"digest": COUNT}, result("digest", "Failed", "[1]")),
    ]
    kubectl.answer(asked.parent, "rollouts", {"items": [found]})
    kubectl.answer(asked.parent, "analysisruns", {"items": runs})
    return asked


def test_status_shows_each_check_of_a_rollout_that_is_not_promoted(canary: Path) -> None:
    lines = [line for line in run("status").splitlines() if " check " in line]
    assert lines == [
        "dev-iris check latency Running: 0 to 0.02, tolerated 0.1",
        "dev-iris check predictions Failed: 1 to 2, tolerated 0.1",
    ]
    assert '"name": "predictions"' in run("status", "--output", "json")


def test_wait_says_why_it_waited_for_nothing(canary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "INTERVAL_SECONDS", 0.01)
    with pytest.raises(ModelctlError) as error:
        run("wait", "iris", "--env", "dev", "--seconds", "0.05")
    assert "predictions Failed: 1 to 2, tolerated 0.1" in error.value.found


def test_a_reader_without_the_permission_still_sees_the_rest(canary: Path) -> None:
    (canary.parent / "analysisruns.json").unlink()
    assert "canary aborted at 2026-01-02" in " ".join(run("status").split())
