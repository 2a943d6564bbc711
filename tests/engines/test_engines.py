"""Spark and Ray score a file by a bundle's function: each row once, as scikit-learn would."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import duckdb
import joblib
import numpy as np
import pandas as pd
import pytest

from tests import trained
from tests.paths import ROOT

PYTHON = ROOT / ".tools/engines/bin/python"
ROWS = 5_000
# Both start a cluster of processes first.
DEADLINE_SECONDS = 300
WRONG = (17, 1_234)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A file with two rows that the contract refuses, and what is in it."""
    chance = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "id": np.arange(ROWS),
            "bill_length_mm": chance.uniform(33, 59, ROWS),
            "bill_depth_mm": chance.uniform(13.5, 21, ROWS),
            "flipper_length_mm": chance.uniform(173, 230, ROWS),
            "body_mass_g": chance.uniform(2_800, 6_200, ROWS),
            "island": chance.choice(["Biscoe", "Dream", "Torgersen"], ROWS),
            "sex": chance.choice(["female", "male"], ROWS),
        }
    )
    for at in WRONG:
        frame.loc[at, "body_mass_g"] = np.inf
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    frame.to_parquet(path, row_group_size=700)
    return path, frame


@pytest.mark.parametrize("engine", ["spark", "ray"])
def test_an_engine_scores_each_row_once(
    engine: str, rows: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    assert PYTHON.exists(), "Spark and Ray are missing: run `make engines`"
    path, frame = rows
    bundle = trained.bundle("penguins")
    # What `modelctl package` prints, and git says.
    digest = f"sha256:{hashlib.sha256((bundle / 'manifest.json').read_bytes()).hexdigest()}"
    out = tmp_path / "scored"
    done = subprocess.run(
        [PYTHON, "-m", "tests.engines.score", engine, bundle, digest, path, out],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0",
             "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    scored = duckdb.connect().execute(f"SELECT * FROM '{out}/*.parquet' ORDER BY id").df()  # noqa: S608
    assert scored["id"].tolist() == frame["id"].tolist()
    refused = scored[scored["reason"].notna()]
    assert refused["id"].tolist() == list(WRONG)
    assert refused["prediction"].isna().all()
    assert [entry[0]["field"] for entry in refused["errors"]] == ["body_mass_g"] * 2
    good = scored[scored["reason"].isna()]
    pipeline = joblib.load(trained.training("penguins") / "model.joblib")
    features = frame.drop(index=list(WRONG)).drop(columns="id")
    assert good["prediction"].tolist() == pipeline.predict(features).tolist()
    shares = good[[f"probability_{label}" for label in pipeline.classes_]].to_numpy()
    np.testing.assert_allclose(shares, pipeline.predict_proba(features), atol=1e-6)
