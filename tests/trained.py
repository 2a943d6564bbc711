"""The sample models, trained and packaged once per test run by the very files users run."""

from __future__ import annotations

import atexit
import functools
import runpy
import shutil
import sys
import tempfile
from pathlib import Path
from unittest import mock

import joblib
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier

from modelctl.material import Request, gather
from modelctl.package import plan, write

ROOT = Path(__file__).parent.parent
NAMES = sorted(path.parent.name for path in ROOT.glob("models/*/train.py"))


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ml-model-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def training(name: str) -> Path:
    """The folder that models/<name>/train.py wrote."""
    out = _folder() / "training" / name
    script = ROOT / "models" / name / "train.py"
    with mock.patch.object(sys, "argv", [str(script), "--out", str(out)]):
        runpy.run_path(str(script), run_name="__main__")
    return out


@functools.cache
def slow_bundle() -> Path:
    """Iris by a forest of 500 stumps on the sklearn engine: tens of milliseconds for one row."""
    out = _folder() / "bundles" / "slow"
    frame = pd.read_csv(training("iris") / "sample.csv")
    forest = ExtraTreesClassifier(n_estimators=500, max_depth=1, random_state=0)
    folder = _folder() / "training" / "slow"
    folder.mkdir(parents=True)
    joblib.dump(
        forest.fit(frame.drop(columns="species"), frame["species"]), folder / "model.joblib"
    )
    frame.to_csv(folder / "sample.csv", index=False)
    request = Request(folder, name="slow", version="1.0.0", target="species")
    write(plan(gather(request), engine="sklearn", tolerance=1e-6), out)
    return out


@functools.cache
def bundle(name: str, engine: str = "auto") -> Path:
    """The bundle of a sample model. Shared by tests: copy it before changing it."""
    out = _folder() / "bundles" / f"{name}-{engine}"
    request = Request(training(name), config=ROOT / "models" / name / "model.yaml")
    write(plan(gather(request), engine=engine, tolerance=1e-6), out)
    return out
