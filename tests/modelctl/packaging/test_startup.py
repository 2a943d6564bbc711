"""`modelctl package` takes seconds, most of them imports: what it does not need stays out."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from palmerpenguins import load_penguins
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from app.model.prediction import Prediction
from app.model.validation import Batch
from modelctl.packaging import engines
from modelctl.packaging.oracle import Oracle
from tests.paths import ROOT

# Of ours: the rooms of other commands. Of others: what they use, and libraries with a name near to
# what packaging does, each of which takes longer to import than the sample to read.
UNNEEDED = {
    *(f"modelctl.{name}" for name in ("cluster", "delivery", "docs", "drift", "promotion")),
    *(f"modelctl.{name}" for name in ("quality", "rendering", "repository", "service", "supply")),
    *(
        "app.factory",
        "app.fetch",
        "app.observability",
        "app.openapi",
        "app.protocols",
        "app.server",
    ),
    *("pydantic", "ruamel", "yaml", "jsonschema", "flask", "gunicorn", "prometheus_client"),
    *("obstore", "requests", "urllib3", "httpx", "pytest", "IPython", "matplotlib", "statsmodels"),
    *(
        "onnx.reference",
        "onnx.backend",
        "onnxruntime.tools",
        "onnxruntime.quantization",
        "skl2onnx",
    ),
    *("xgboost", "lightgbm", "catboost", "skops", "polars", "pandas.plotting._matplotlib"),
    *(
        "scipy.signal",
        "sklearn.datasets",
        "sklearn.inspection",
        "sklearn.manifold",
        "pyarrow.parquet",
    ),
}
PROGRAM = """
import gc, sys
from modelctl.__main__ import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print([sorted(sys.modules), gc.isenabled(), gc.get_freeze_count()])
"""


@pytest.fixture(scope="module")
def penguins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Numbers and words with gaps: a file of joblib, and its sample."""
    folder = tmp_path_factory.mktemp("penguins")
    numbers, words = ["bill_length_mm", "body_mass_g"], ["island", "sex"]
    frame = load_penguins()[[*numbers, *words, "species"]]
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), words),
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=500))
    joblib.dump(model.fit(frame[[*numbers, *words]], frame["species"]), folder / "model.joblib")
    frame.to_csv(folder / "sample.csv", index=False)
    return folder


def test_packaging_imports_nothing_of_other_commands(penguins: Path) -> None:
    argv = [
        *("package", str(penguins / "model.joblib"), "--sample", str(penguins / "sample.csv")),
        *("--target", "species", "--name", "penguins", "--version", "1.0.0"),
        *("--out", str(penguins / "bundle")),
    ]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *argv], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    modules, collects, frozen = ast.literal_eval(done.stdout.splitlines()[-1])
    parts = {
        ".".join(name.split(".")[: n + 1]) for name in modules for n in range(name.count(".") + 1)
    }
    assert {"modelctl.packaging.package", "sklearn", "scipy", "pandas", "onnx"} <= parts
    assert sorted(UNNEEDED & parts) == []
    # The modules are out of the collector's sight, and nothing else.
    assert collects
    assert frozen > 100_000


@pytest.mark.parametrize("command", ["package", "serve", "verify", "predict"])
def test_a_command_without_a_checkout_imports_nothing_of_one(command: str) -> None:
    program = f"import sys, modelctl.commands.{command}\nprint(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    modules = ast.literal_eval(done.stdout)
    unneeded = ("modelctl.repository", "pydantic", "ruamel.yaml", "yaml", "numpy", "pandas")
    assert [name for name in modules if name.startswith(unneeded)] == []


class Slow:
    """An engine that needs longer for one call than a round of timing takes."""

    name = "slow"

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, batch: Batch) -> Prediction:
        self.calls += 1
        time.sleep(engines.TIMING_SECONDS * 1.5)
        return Prediction([0.0] * len(batch), None)


def test_a_slow_engine_is_timed_by_one_call() -> None:
    engine = Slow()
    batch: Any = [[1.0]]
    assert engines.seconds_per_call(engine, batch) >= engines.TIMING_SECONDS
    assert engine.calls == 1


class Counting(BaseEstimator):  # type: ignore[misc]
    """Notes how many filters of warnings a forest would pass on to each tree."""

    n_features_in_ = 1

    def predict(self, rows: Any) -> Any:
        warnings.warn("for who trains the model", UserWarning, stacklevel=1)
        self.filters_ = len(warnings.filters)
        return np.zeros(len(rows))


def test_the_estimator_is_asked_under_one_filter_of_warnings() -> None:
    estimator = Counting()
    before = list(warnings.filters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Oracle(estimator, "array").accepts(pd.DataFrame({"a": [1.0]}))
    assert estimator.filters_ == 1
    assert list(warnings.filters) == before
