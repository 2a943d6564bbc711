"""Train the diabetes regressor: a random forest over ten measurements in their own units.

Writes model.joblib, sample.csv and evaluation.json into --out, for `modelctl package`.
"""

import argparse
import json
from pathlib import Path

import joblib
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold, cross_validate

TARGET = "progression"


def main() -> None:
    """Fit on everything; the evaluation is cross-validated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    frame = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": TARGET})
    features, values = frame.drop(columns=TARGET), frame[TARGET]
    model = RandomForestRegressor(n_estimators=100, random_state=0)
    folds = KFold(5, shuffle=True, random_state=0)
    scoring = ["r2", "neg_mean_absolute_error"]
    scores = cross_validate(model, features, values, cv=folds, scoring=scoring)
    model.fit(features, values)
    out.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, out / "model.joblib")
    frame.to_csv(out / "sample.csv", index=False)
    evaluation = {
        "r2": round(float(scores["test_r2"].mean()), 4),
        "mean_absolute_error": round(-float(scores["test_neg_mean_absolute_error"].mean()), 4),
    }
    (out / "evaluation.json").write_text(json.dumps(evaluation, indent=2) + "\n")
    print(f"diabetes: {len(frame)} rows, r2 {evaluation['r2']} -> {out}")


if __name__ == "__main__":
    main()
