"""The models of this repository, whichever there are: each builds, and passes what it is held to.

The only tests that look into `models/`; all others use models of their own (`tests/samples`).
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from modelctl.packaging import build, sources
from modelctl.packaging.evaluation import with_metrics
from modelctl.packaging.origins import sample_in
from modelctl.packaging.remote_file import download
from modelctl.packaging.training_output import Request, read_training_output
from modelctl.quality import data_expectations, metric_baselines
from tests.paths import ROOT

FOLDER = ROOT / "models"
NAMES = build.models(ROOT)
each_model = pytest.mark.parametrize("name", NAMES)


@functools.cache
def trained_model(name: str) -> Path:
    """What its train.py writes, or its finished files."""
    out = Path(tempfile.mkdtemp(prefix="ml-model-tests-")) / name
    out.mkdir()
    home = build.Home(ROOT, name)
    if (source := home.source()) is not None:
        cache = out.with_name("downloads")
        sources.collect(
            source, home.folder, ROOT, out, lambda url, sha: download(url, sha, cache, os.environ)
        )
        return out
    argv = [sys.executable, str(FOLDER / name / "train.py"), "--out", str(out)]
    subprocess.run(argv, check=True, capture_output=True, timeout=300)
    return out


def evaluation(name: str) -> dict[str, Any]:
    """Its metrics; those of a finished model without any are computed when it is packaged."""
    home = build.Home(ROOT, name)
    source = home.source()
    key = source.key if source is not None else ""
    read = read_training_output(Request(trained_model(name), config=home.config, key=key))
    return (read if source is None else with_metrics(read)).metrics


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
    assert (out / "model.joblib").is_file()
    rows = data_expectations.read_rows(sample_in(out))
    if "target" in config and (FOLDER / name / "train.py").exists():
        assert config["target"] in rows.columns


@with_file(metric_baselines.FILE)
def test_training_is_as_good_as_its_baseline(name: str) -> None:
    baseline = metric_baselines.read(FOLDER / name / metric_baselines.FILE, name)
    verdicts = metric_baselines.judge(baseline, evaluation(name))
    assert [verdict.problem for verdict in verdicts if verdict.problem] == []
    # A metric without a baseline could decline unnoticed.
    assert [verdict.name for verdict in verdicts if verdict.metric is None] == []


@with_file(data_expectations.FILE)
def test_the_rows_of_a_model_are_as_expected(name: str) -> None:
    expected = data_expectations.read(FOLDER / name / data_expectations.FILE, name)
    rows = data_expectations.read_rows(sample_in(trained_model(name)), expected)
    assert data_expectations.row_violations(rows, expected) == []
