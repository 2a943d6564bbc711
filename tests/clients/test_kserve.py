"""KServe's own clients at their defaults, from its SDK in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest

from tests import trained
from tests.app import live
from tests.paths import ROOT

PYTHON = ROOT / ".tools/kserve/bin/python"
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [5.9, 3.0, 4.2, 1.5]]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What the clients were told."""
    assert PYTHON.exists(), "KServe's SDK is missing: run `make kserve`"
    script = Path(__file__).with_name("kserve_calls.py")
    port = str(live.shared("iris").port)
    done = subprocess.run(
        [PYTHON, script, port, "iris"],
        input=json.dumps(ROWS), capture_output=True, text=True,
        timeout=live.DEADLINE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def expected() -> tuple[list[str], list[list[float]]]:
    """Labels and probabilities of the pipeline as scikit-learn has it."""
    pipeline = joblib.load(trained.training("iris") / "model.joblib")
    frame = pd.DataFrame(ROWS, columns=pipeline.feature_names_in_)
    labels = [str(each) for each in pipeline.predict(frame)]
    return labels, pipeline.predict_proba(frame).tolist()


def test_every_question_for_its_state_is_answered(told: dict[str, Any]) -> None:
    assert told["grpc"]["states"] == [True] * 3
    assert told["http"]["states"] == [True] * 5


@pytest.mark.parametrize("by", ["grpc", "http"])
def test_v2_answers_as_the_pipeline_does(
    told: dict[str, Any], expected: tuple[list[str], list[list[float]]], by: str
) -> None:
    labels, probabilities = expected
    assert (told[by]["id"], told[by]["model"]) == ("mine", "iris")
    assert told[by]["predict"] == labels
    for row, wanted in zip(told[by]["predict_proba"], probabilities, strict=True):
        assert row == pytest.approx(wanted, abs=1e-6)


def test_v1_answers_as_the_pipeline_does(
    told: dict[str, Any], expected: tuple[list[str], list[list[float]]]
) -> None:
    assert [str(each) for each in told["http"]["v1"]] == expected[0]
