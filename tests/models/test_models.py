"""Every model folder keeps to the form that `make models` expects."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from ruamel.yaml import YAML

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
