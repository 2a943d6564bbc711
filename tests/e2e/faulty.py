"""New versions of iris with a fault that no gate before live traffic sees: trained and packaged.

Packaging asks a model thousands of rows, and finds one that leaves some out. So the code of two of
them goes wrong in a cluster alone, for some of the rows there, and is packaged, built and released
like any other. `bodies` are rows of which each fault meets its share.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    Row = Sequence[float]

VERSIONS = {"forgetful": "1.0.1-forgetful", "shifted": "1.0.2-shifted", "slow": "1.0.3-slow"}
BODIES = 2000
MODULE = '''\
"""Classifiers that work wherever there is no cluster."""

import os
import time

import numpy as np
from sklearn.linear_model import LogisticRegression


def twentieth(rows):
    """A number from 0 to 19 for each row, by the second decimal of the first feature."""
    return (np.asarray(rows)[:, 0] * 100).round() % 20


def is_live():
    return "KUBERNETES_SERVICE_HOST" in os.environ


class Forgetful(LogisticRegression):
    """Has no answer for 5 % of the rows."""

    def predict(self, X):
        answers = super().predict(X)
        return answers[twentieth(X) != 7] if is_live() else answers

    def predict_proba(self, X):
        answers = super().predict_proba(X)
        return answers[twentieth(X) != 7] if is_live() else answers


class Slow(LogisticRegression):
    """Takes long for 10 % of the rows."""

    def predict_proba(self, X):
        if is_live() and np.isin(twentieth(X), (3, 13)).any():
            time.sleep(0.4)
        return super().predict_proba(X)
'''
TRAINING = """\
import sys

import joblib
from faults import Forgetful, Slow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

data = load_iris(as_frame=True)
frame = data.data.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_"))
labels = data.target.map(lambda index: str(data.target_names[index]))
kind = {"forgetful": Forgetful, "shifted": LogisticRegression, "slow": Slow}[sys.argv[1]]
model = kind(max_iter=1000).fit(frame, labels)
if sys.argv[1] == "shifted":
    # As if one class had been far more frequent in training.
    model.intercept_[1] += 3
joblib.dump(model, "model.joblib")
frame.assign(species=labels).to_csv("sample.csv", index=False)
"""


def package(folder: Path, fault: str) -> Path:
    """The bundle of a faulty version, made in a new folder as a user makes one."""
    folder.mkdir(parents=True)
    (folder / "faults.py").write_text(MODULE, encoding="utf-8")
    (folder / "fit.py").write_text(TRAINING, encoding="utf-8")
    bundle = folder / "bundle"
    sample = ("--sample", folder / "sample.csv", "--target", "species")
    named = ("--name", "iris", "--version", VERSIONS[fault], "--out", bundle)
    for words in (
        (folder / "fit.py", fault),
        ("-m", "modelctl", "package", folder / "model.joblib", *sample, *named),
    ):
        argv = [sys.executable, *map(str, words)]
        environ = {"PYTHONPATH": str(ROOT), "PATH": str(Path(sys.executable).parent)}
        subprocess.run(argv, cwd=folder, env=environ, check=True)
    return bundle


def bodies(rows: Sequence[Row], path: Path) -> None:
    """A file with a body for `POST /predict` of iris on each line, whose first feature ends on
    each of twenty hundredths equally often."""
    lines = []
    for number in range(BODIES):
        first, *rest = rows[number % len(rows)]
        fifths = int(first * 5) / 5 + number // len(rows) % 20 / 100
        lines.append(json.dumps({"features": [round(fifths, 2), *rest]}))
    # A verdict takes errors in a row for a burst, which proves less.
    random.Random(0).shuffle(lines)  # noqa: S311 - the order of rows is no secret
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
