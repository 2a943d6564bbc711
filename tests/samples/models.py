"""Three small models: numbers and classes, mixed columns with gaps, and a regressor.

Each writes what a `models/<name>/train.py` writes (model.joblib, sample.csv, evaluation.json), and
beside it the model.yaml that packaging reads.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import yaml
from palmerpenguins import load_penguins
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

TARGETS = {"diabetes": "progression", "iris": "species", "penguins": "species"}
NAMES = sorted(TARGETS)
CLASSES = {"accuracy": accuracy_score, "f1_macro": partial(f1_score, average="macro")}
METRICS = {"diabetes": {"r2": r2_score}, "iris": CLASSES, "penguins": CLASSES}
CONFIG = "model.yaml"


def train(name: str, out: Path) -> None:
    """Fit the model of that name and write its files into a new folder."""
    target = TARGETS[name]
    model, frame = _MAKE[name](target)
    features, labels = frame.drop(columns=target), frame[target]
    model.fit(features, labels)
    out.mkdir(parents=True)
    joblib.dump(model, out / "model.joblib")
    frame.to_csv(out / "sample.csv", index=False)
    predicted = model.predict(features)
    evaluation = {
        metric: float(score(labels, predicted)) for metric, score in METRICS[name].items()
    }
    (out / "evaluation.json").write_text(json.dumps(evaluation))
    config = {"name": name, "version": "1.0.0", "description": f"{name} of the tests"}
    # One of them is explained, the others are not.
    more = {"explain": True} if name == "iris" else {}
    (out / CONFIG).write_text(yaml.safe_dump({**config, "target": target, **more}))


def _iris(target: str) -> tuple[Any, pd.DataFrame]:
    data = load_iris(as_frame=True)
    frame = data.data.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_"))
    frame[target] = data.target.map(lambda index: str(data.target_names[index]))
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)), frame


def _penguins(target: str) -> tuple[Any, pd.DataFrame]:
    numbers = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    words = ["island", "sex"]
    encoder = OneHotEncoder(sparse_output=False)
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), encoder), words),
    )
    forest = RandomForestClassifier(n_estimators=100, random_state=0)
    return make_pipeline(prepare, forest), load_penguins()[[*numbers, *words, target]]


def _diabetes(target: str) -> tuple[Any, pd.DataFrame]:
    frame = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": target})
    return RandomForestRegressor(n_estimators=100, random_state=0), frame


_MAKE = {"diabetes": _diabetes, "iris": _iris, "penguins": _penguins}
