"""The models that all servers serve, fitted by each server's own libraries.

Also runs in the peers' environments, so it imports nothing of ours: `python workloads.py DIR`.
"""

import sys
from pathlib import Path

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def build(folder: Path, penguins: Path) -> None:
    """Fit the three models into `folder`, each with its sample."""
    iris = load_iris()
    plain = [f"x{index}" for index in range(4)]
    _write(
        folder / "lr",
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        pd.DataFrame(iris.data, columns=plain).assign(target=iris.target),
    )
    cancer = load_breast_cancer()
    wide = [f"x{index}" for index in range(20)]
    _write(
        folder / "rf",
        RandomForestClassifier(100, random_state=0),
        pd.DataFrame(cancer.data[:, :20], columns=wide).assign(target=cancer.target),
    )
    frame = pd.read_csv(penguins).rename(columns={"species": "target"})
    _write(folder / "penguins", _mixed(), frame, as_frame=True)


def _mixed() -> Pipeline:
    numbers = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoded = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    columns = ColumnTransformer([("n", scaled, numbers), ("c", encoded, ["island", "sex"])])
    return make_pipeline(columns, RandomForestClassifier(100, random_state=0))


def _write(
    folder: Path,
    model: Pipeline | RandomForestClassifier,
    frame: pd.DataFrame,
    *,
    as_frame: bool = False,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    features = frame.drop(columns="target")
    model.fit(features if as_frame else features.to_numpy(), frame["target"])
    joblib.dump(model, folder / "model.joblib")
    frame.to_csv(folder / "sample.csv", index=False)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
