"""Every case is packaged, served, and answered as the estimator answers."""

from __future__ import annotations

import itertools
import json
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from app.model.bundle import verify
from modelctl.cli import cli
from modelctl.packaging import candidates
from tests.app.conftest import make_client
from tests.cases import boosters, columns, custom, outputs, texts, wrapped
from tests.cases.case import Case, Fitted, json_rows, one_row

CASES = list(
    itertools.chain(
        custom.CASES, boosters.CASES, texts.CASES, columns.CASES, wrapped.CASES, outputs.CASES
    )
)
TOLERANCE = 1e-6


@pytest.fixture(autouse=True)
def fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "PERTURBED_ROWS", 500)
    monkeypatch.setattr(candidates, "MAX_NEIGHBOUR_ROWS", 1000)


def package(fitted: Fitted, folder: Path) -> Path:
    """Write what a user has, and run the command on it; returns the bundle."""
    folder.mkdir(exist_ok=True)
    joblib.dump(fitted.estimator, folder / "model.joblib")
    sample = folder / ("sample.parquet" if fitted.parquet else "sample.csv")
    if fitted.parquet:
        fitted.sample.to_parquet(sample)
    else:
        fitted.sample.to_csv(sample, index=False)
    config = {"name": "case", "version": "1.0.0", "target": fitted.target} | fitted.config
    (folder / "model.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    out = folder / "bundle"
    arguments = ["package", str(folder / "model.joblib"), "--sample", str(sample)]
    arguments += ["--config", str(folder / "model.yaml"), "--out", str(out)]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return out


def right_answers(fitted: Fitted, asked: Any) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = fitted.estimator
        found = model.predict(asked) if hasattr(model, "predict") else model.transform(asked)
    array = np.asarray(found)
    # CatBoost answers classes as a column.
    answers: list[Any] = (array.ravel() if array.shape[1:] == (1,) else array).tolist()
    return answers


def assert_equal(actual: Any, expected: Any) -> None:
    if isinstance(expected, list):
        # Several targets, in the order of y's columns; or a vector.
        parts = list(actual.values()) if isinstance(actual, dict) else actual
        assert len(parts) == len(expected)
        for one, other in zip(parts, expected, strict=True):
            assert_equal(one, other)
    elif isinstance(expected, float):
        assert actual == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)
    else:
        assert actual == expected


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_service_answers_as_the_estimator(case: Case, tmp_path: Path) -> None:
    fitted = case.fit()
    bundle = package(fitted, tmp_path)
    manifest = verify(bundle).manifest
    if fitted.engine:
        assert manifest["engine"] == fitted.engine, manifest["engines_tried"]
    client = make_client(bundle)
    rows = json_rows(fitted.asked)
    expected = right_answers(fitted, fitted.asked)
    assert len(rows) == len(expected)
    together = client.post("/predict", json={"instances": rows})
    assert together.status_code == 200, together.text
    predictions = [one["prediction"] for one in together.get_json()["predictions"]]
    for actual, wanted in zip(predictions, expected, strict=True):
        assert_equal(actual, wanted)
    for row, wanted in zip(rows[:5], expected[:5], strict=True):
        alone = client.post("/predict", json={"instances": [row]})
        assert alone.status_code == 200, alone.text
        assert_equal(alone.get_json()["predictions"][0]["prediction"], wanted)
    if fitted.refused is not None:
        assert_refused(client, fitted)


def assert_refused(client: Any, fitted: Fitted) -> None:
    """What scikit-learn refuses is a client's error, alone and among others."""
    rows = json_rows(fitted.refused)
    good = json_rows(fitted.asked)[0]
    for at, row in enumerate(rows):
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the estimator raises
            right_answers(fitted, one_row(fitted.refused, at))
        for body in ({"instances": [row]}, {"instances": [good, row]}):
            answer = client.post("/predict", json=body)
            assert answer.status_code == 422, (row, json.dumps(answer.json)[:300])
