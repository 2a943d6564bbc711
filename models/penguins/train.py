"""Train the penguin classifier: numbers with missing values, string categories, a random forest.

Writes model.joblib, sample.csv and evaluation.json into --out, for `modelctl package`.
"""

import argparse
import json
from pathlib import Path

import joblib
from palmerpenguins import load_penguins
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

TARGET = "species"
NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
CATEGORIES = ["island", "sex"]


def build() -> Pipeline:
    """Impute, scale and encode by column, then a forest."""
    prepare = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
            (
                "categories",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"),
                    OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                ),
                CATEGORIES,
            ),
        ]
    )
    forest = RandomForestClassifier(n_estimators=100, random_state=0)
    return Pipeline([("prepare", prepare), ("forest", forest)])


def main() -> None:
    """Fit on everything; the evaluation is cross-validated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    frame = load_penguins()[[*NUMBERS, *CATEGORIES, TARGET]]
    features, labels = frame.drop(columns=TARGET), frame[TARGET]
    model = build()
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_validate(model, features, labels, cv=folds, scoring=["accuracy", "f1_macro"])
    model.fit(features, labels)
    out.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, out / "model.joblib")
    frame.to_csv(out / "sample.csv", index=False)
    evaluation = {
        "accuracy": round(float(scores["test_accuracy"].mean()), 4),
        "f1_macro": round(float(scores["test_f1_macro"].mean()), 4),
    }
    (out / "evaluation.json").write_text(json.dumps(evaluation, indent=2) + "\n")
    print(f"penguins: {len(frame)} rows, accuracy {evaluation['accuracy']} -> {out}")


if __name__ == "__main__":
    main()
