"""The tests' models, trained and packaged once for each state of what they are made from.

They lie in build/trained, in a folder named by the hash of its inputs, so that the next run finds
them; or in TRAINED_FOLDER, where one run wants its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import joblib
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier

from app.errors import BundleRefusedError
from app.model.bundle import verify
from modelctl.packaging import fingerprint
from modelctl.packaging.package import plan, write
from modelctl.packaging.training_output import Request, read_training_output
from tests.paths import ROOT
from tests.samples import models

NAMES = models.NAMES
MADE_AT = 1_700_000_000
# Instead of an engine: a bundle that explains.
EXPLAINED = "explained"
# States of the code whose models are kept.
KEPT = 5


@functools.cache
def _folder() -> Path:
    if shared := os.environ.get("TRAINED_FOLDER"):
        return Path(shared)
    code = {path.name: path.read_bytes() for path in (Path(__file__), Path(models.__file__))}
    inputs = fingerprint.of_code() | fingerprint.of_environment() | fingerprint.of_locks(ROOT)
    key = hashlib.sha256(repr((sorted(code.items()), sorted(inputs.items()))).encode()).hexdigest()
    folder = ROOT / "build" / "trained" / key[:16]
    folder.mkdir(parents=True, exist_ok=True)
    # Other states are kept for a while: branches are changed back and forth.
    states = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)
    for state in states[:-KEPT]:
        if state != folder:
            shutil.rmtree(state, ignore_errors=True)
    return folder


def _is_damaged(out: Path) -> bool:
    """Whether a test has changed a bundle that all share."""
    try:
        verify(out)
    except BundleRefusedError:
        return True
    return False


@contextlib.contextmanager
def _once(out: Path) -> Iterator[bool]:
    """Whether this process is the one that makes the folder; others wait until it is there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    made = out.with_name(f"{out.name}.made")
    with out.with_name(f"{out.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = not made.exists() or (out.parent.name == "bundles" and _is_damaged(out))
        if missing:
            # What an interrupted run left behind.
            made.unlink(missing_ok=True)
            shutil.rmtree(out, ignore_errors=True)
        yield missing
        if missing:
            made.touch()


@functools.cache
def training(name: str) -> Path:
    """What the training of a sample model has written."""
    out = _folder() / "training" / name
    with _once(out) as missing:
        if missing:
            models.train(name, out)
    return out


def config(name: str) -> Path:
    """Its model.yaml."""
    return training(name) / models.CONFIG


@functools.cache
def slow_bundle() -> Path:
    """Iris by a forest of 500 stumps on the sklearn engine: tens of milliseconds for one row."""
    return _made(_folder() / "bundles" / "slow", "slow", "sklearn")


@functools.cache
def explained_bundle(name: str) -> Path:
    """The bundle of a sample model that explains its predictions."""
    training(name)
    return _made(_folder() / "bundles" / f"{name}-explained", name, EXPLAINED)


@functools.cache
def bundle(name: str, engine: str = "auto") -> Path:
    """The bundle of a sample model. Shared by tests: copy it before changing it."""
    training(name)
    return _made(_folder() / "bundles" / f"{name}-{engine}", name, engine)


def _made(out: Path, name: str, engine: str) -> Path:
    with _once(out) as missing:
        if missing:
            # In a process of its own: a test may have replaced parts of the code that packages.
            argv = [sys.executable, "-m", "tests.trained", name, engine, str(out)]
            # There is no commit that would say when the model was made.
            environ = {**os.environ, "SOURCE_DATE_EPOCH": str(MADE_AT)}
            subprocess.run(argv, check=True, cwd=ROOT, env=environ)
    return out


def _package(name: str, engine: str, out: Path) -> None:
    """Package a model."""
    if name == "slow":
        request = Request(_slow(), name="slow", version="1.0.0", target="species", explain=True)
    else:
        is_explained = engine == EXPLAINED
        request = Request(training(name), config=config(name), explain=is_explained)
        engine = "auto" if is_explained else engine
    write(plan(read_training_output(request), engine=engine, tolerance=1e-6), out)


def _slow() -> Path:
    sample = training("iris") / "sample.csv"
    frame = pd.read_csv(sample)
    forest = ExtraTreesClassifier(n_estimators=500, max_depth=1, random_state=0)
    forest.fit(frame.drop(columns="species"), frame["species"])
    folder = _folder() / "training" / "slow"
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(forest, folder / "model.joblib")
    shutil.copy(sample, folder / "sample.csv")
    return folder


if __name__ == "__main__":
    _package(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
