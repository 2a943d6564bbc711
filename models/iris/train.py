"""Train the iris classifier: numbers only, a scaler and a logistic regression.

Writes model.joblib, sample.csv and evaluation.json into --out, for `modelctl package`.
"""

import argparse
import json
from pathlib import Path

import joblib
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TARGET = "species"


def load() -> pd.DataFrame:
    """The data set that ships with scikit-learn, in names that fit an API."""
    data = load_iris(as_frame=True)
    frame = data.data.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_"))
    frame[TARGET] = data.target.map(lambda index: str(data.target_names[index]))
    return frame


def main() -> None:
    """Fit on everything; the evaluation is cross-validated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    frame = load()
    features, labels = frame.drop(columns=TARGET), frame[TARGET]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    scores = cross_validate(model, features, labels, cv=5, scoring=["accuracy", "f1_macro"])
    model.fit(features, labels)
    out.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, out / "model.joblib")
    frame.to_csv(out / "sample.csv", index=False)
    evaluation = {
        "accuracy": round(float(scores["test_accuracy"].mean()), 4),
        "f1_macro": round(float(scores["test_f1_macro"].mean()), 4),
    }
    (out / "evaluation.json").write_text(json.dumps(evaluation, indent=2) + "\n")
    print(f"iris: {len(frame)} rows, accuracy {evaluation['accuracy']} -> {out}")


if __name__ == "__main__":
    main()
