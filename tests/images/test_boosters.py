"""The image variant with XGBoost, LightGBM and CatBoost: chosen, installed as locked, and right.

The same steps as in the Dockerfile with the same locked file, in an environment of its own, for the
Python here; tests/e2e/test_images.py builds the image itself.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostRegressor
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from xgboost import XGBClassifier

from app.model.bundle import verify
from modelctl.packaging import candidates
from modelctl.packaging.package import plan, write
from modelctl.packaging.training_output import Request, read_training_output
from modelctl.supply.builds import requirements_of
from tests.app.live import LiveService
from tests.paths import ROOT

ROWS = 12
MODELS: dict[str, Callable[[], Any]] = {
    "xgboost": lambda: XGBClassifier(n_estimators=20, max_depth=3),
    "lightgbm": lambda: LGBMClassifier(n_estimators=20, verbose=-1),
    "catboost": lambda: CatBoostRegressor(
        iterations=20, verbose=False, allow_writing_files=False, thread_count=1
    ),
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any, pd.DataFrame]]:
    """A bundle with the sklearn engine for each library, its estimator and some rows with gaps."""
    made = {}
    data = load_breast_cancer(as_frame=True)
    features = data.data.iloc[:, :6].copy()
    features.iloc[::7, 2] = np.nan
    for name, new in MODELS.items():
        folder = tmp_path_factory.mktemp(name)
        model = new().fit(features, data.target)
        joblib.dump(model, folder / "model.joblib")
        features.to_csv(folder / "sample.csv", index=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(candidates, "PERTURBED_ROWS", 500)
            request = Request(folder, name=name, version="1.0.0")
            write(
                plan(read_training_output(request), engine="sklearn", tolerance=1e-6),
                folder / "bundle",
            )
        made[name] = (folder / "bundle", model, features.head(ROWS))
    return made


@pytest.fixture(scope="module")
def python(
    bundles: dict[str, tuple[Path, Any, pd.DataFrame]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Python with the locked requirements that the build inputs of all three bundles name."""
    chosen = {requirements_of(verify(bundle).manifest) for bundle, _, _ in bundles.values()}
    assert chosen == {"serve-boosters"}
    home = tmp_path_factory.mktemp("image") / "venv"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(home)], check=True)
    install = ["pip", "install", "--quiet", "--python", str(home / "bin/python"), "--no-deps"]
    locked = ROOT / "requirements" / f"{chosen.pop()}.txt"
    subprocess.run([*uv, *install, "--require-hashes", "-r", str(locked)], check=True)
    return home / "bin/python"


class VariantService(LiveService):
    """The service in the environment of the image variant."""

    def __init__(self, python: Path, bundle: Path, log: Path) -> None:
        self.command = (str(python), "-m", "app")
        super().__init__(bundle, log, {"WORKERS": "1"})


@pytest.fixture
def service(
    request: pytest.FixtureRequest,
    python: Path,
    bundles: dict[str, tuple[Path, Any, pd.DataFrame]],
    tmp_path: Path,
) -> Iterator[VariantService]:
    started = VariantService(python, bundles[request.param][0], tmp_path / "log")
    try:
        started.wait_ready()
        yield started
    finally:
        started.stop()


@pytest.mark.parametrize(
    ("service", "name"), [(name, name) for name in MODELS], indirect=["service"], ids=MODELS
)
def test_the_variant_answers_as_the_library_itself(
    service: VariantService, name: str, bundles: dict[str, tuple[Path, Any, pd.DataFrame]]
) -> None:
    _, model, rows = bundles[name]
    instances = rows.astype(object).where(rows.notna(), None).to_dict("records")
    answer = service.client.post("/predict", json={"instances": instances}).json()
    assert service.client.get("/model/info").json()["engine"] == "sklearn"
    found = answer["predictions"]
    assert [one["prediction"] for one in found] == pytest.approx(
        np.asarray(model.predict(rows)).ravel().tolist(), rel=1e-9
    )
    if hasattr(model, "predict_proba"):
        right = model.predict_proba(rows)
        assert np.array([one["probability"] for one in found]) == pytest.approx(right, abs=1e-9)
