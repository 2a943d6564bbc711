"""Every model folder keeps to the form that `make models` expects, and to what it is held to."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from ruamel.yaml import YAML

from modelctl.quality import data_expectations, metric_baselines
from tests import trained


@pytest.mark.parametrize("name", trained.NAMES)
def test_a_model_folder_has_a_complete_configuration(name: str) -> None:
    path = trained.ROOT / "models" / name / "model.yaml"
    config = YAML(typ="safe").load(path.read_text())
    assert set(config) == {"name", "version", "description", "target"}
    assert config["name"] == name


@pytest.mark.parametrize("name", trained.NAMES)
def test_training_writes_what_packaging_reads(name: str) -> None:
    out = trained.training(name)
    config = YAML(typ="safe").load((trained.ROOT / "models" / name / "model.yaml").read_text())
    assert {path.name for path in out.iterdir()} == {
        "model.joblib",
        "sample.csv",
        "evaluation.json",
    }
    assert config["target"] in pd.read_csv(out / "sample.csv").columns
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert all(isinstance(value, float) for value in evaluation.values())
    assert evaluation


@pytest.mark.parametrize("name", trained.NAMES)
def test_training_is_as_good_as_its_baseline(name: str) -> None:
    found = json.loads((trained.training(name) / "evaluation.json").read_text())
    folder = trained.ROOT / "models" / name
    verdicts = metric_baselines.judge(
        metric_baselines.read(folder / metric_baselines.FILE, name), found
    )
    assert [verdict.problem for verdict in verdicts if verdict.problem] == []
    # A metric without a baseline could decline unnoticed.
    assert [verdict.name for verdict in verdicts if verdict.metric is None] == []


@pytest.mark.parametrize("name", trained.NAMES)
def test_the_rows_of_a_model_are_as_expected(name: str) -> None:
    expected = data_expectations.read(trained.ROOT / "models" / name / data_expectations.FILE, name)
    rows = data_expectations.read_rows(trained.training(name) / "sample.csv", expected)
    assert data_expectations.row_violations(rows, expected) == []
