"""The models of this repository, whichever there are: each trains, and passes what it is held to.

The only tests that look into `models/`; all others use models of their own (`tests/samples`).
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from modelctl.quality import data_expectations, metric_baselines
from tests.paths import ROOT

FOLDER = ROOT / "models"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/train.py"))
each_model = pytest.mark.parametrize("name", NAMES)


@functools.cache
def trained_model(name: str) -> Path:
    """What its train.py writes."""
    out = Path(tempfile.mkdtemp(prefix="ml-model-tests-")) / name
    argv = [sys.executable, str(FOLDER / name / "train.py"), "--out", str(out)]
    subprocess.run(argv, check=True, capture_output=True, timeout=300)
    return out


def with_file(file: str) -> pytest.MarkDecorator:
    """Each model that has such a file: what is held to nothing has nothing to pass."""
    return pytest.mark.parametrize("name", [n for n in NAMES if (FOLDER / n / file).is_file()])


@each_model
def test_a_model_folder_has_a_complete_configuration(name: str) -> None:
    config = YAML(typ="safe").load((FOLDER / name / "model.yaml").read_text())
    assert {"name", "version"} <= set(config)
    assert config["name"] == name


@each_model
def test_training_writes_what_packaging_reads(name: str) -> None:
    out = trained_model(name)
    config = YAML(typ="safe").load((FOLDER / name / "model.yaml").read_text())
    assert {"model.joblib", "sample.csv"} <= {path.name for path in out.iterdir()}
    if "target" in config:
        assert config["target"] in pd.read_csv(out / "sample.csv").columns


@with_file(metric_baselines.FILE)
def test_training_is_as_good_as_its_baseline(name: str) -> None:
    evaluation = json.loads((trained_model(name) / "evaluation.json").read_text())
    baseline = metric_baselines.read(FOLDER / name / metric_baselines.FILE, name)
    verdicts = metric_baselines.judge(baseline, evaluation)
    assert [verdict.problem for verdict in verdicts if verdict.problem] == []
    # A metric without a baseline could decline unnoticed.
    assert [verdict.name for verdict in verdicts if verdict.metric is None] == []


@with_file(data_expectations.FILE)
def test_the_rows_of_a_model_are_as_expected(name: str) -> None:
    expected = data_expectations.read(FOLDER / name / data_expectations.FILE, name)
    rows = data_expectations.read_rows(trained_model(name) / "sample.csv", expected)
    assert data_expectations.row_violations(rows, expected) == []
