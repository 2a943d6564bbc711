"""`modelctl package` on the frames that people have, and the way out of what cannot be packaged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from palmerpenguins import load_penguins
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from modelctl.errors import ModelctlError
from modelctl.packaging import candidates
from modelctl.packaging.package import Plan, plan
from modelctl.packaging.training_output import Request, read_training_output
from tests import trained

NUMBERS = ["bill length (mm)", "körper.masse", "year", "constant"]
CATEGORIES = ["island", "sex", "is heavy?", "zip", "garage", "tagged"]


class Ratio(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A user's own first step: works on a DataFrame, records neither names nor widths."""

    def fit(self, _rows: Any, _target: Any = None) -> Ratio:
        """Nothing to learn."""
        self.is_fitted_ = True
        return self

    def transform(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One more column."""
        return rows.assign(ratio=rows["body_mass_g"] / rows["flipper_length_mm"])


def last_digit(frame: pd.DataFrame) -> pd.DataFrame:
    """Works on whole numbers only."""
    return frame % 10


def in_hours(frame: pd.DataFrame) -> pd.DataFrame:
    """Durations as numbers."""
    return frame / pd.Timedelta(hours=1)


def messy() -> pd.DataFrame:
    """Penguins as a database would give them: identifiers, dates, gaps, odd names."""
    raw = load_penguins()
    count = len(raw)
    tagged = pd.array(np.arange(count) % 3 == 0, dtype="boolean")
    tagged[5:9] = pd.NA
    return pd.DataFrame(
        {
            "bill length (mm)": raw["bill_length_mm"],
            "körper.masse": raw["body_mass_g"],
            "is heavy?": raw["body_mass_g"] > 4000,
            "island": raw["island"].astype("category"),
            "sex": raw["sex"],
            "year": raw["year"].astype("Int64").mask(np.arange(count) % 11 == 0),
            "seen": pd.date_range("2007-11-11", periods=count),
            "id": np.arange(count) + 2**60,
            "constant": 1,
            "zip": [f"{index % 40:05d}" for index in range(count)],
            # A category with the name of a missing value.
            "garage": np.where(np.arange(count) % 4 == 0, "None", "Attached"),
            "tagged": tagged,
            "species": raw["species"],
        }
    )


@pytest.fixture(autouse=True)
def fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "PERTURBED_ROWS", 1000)
    monkeypatch.setattr(candidates, "MAX_NEIGHBOUR_ROWS", 2000)


def packaged(
    model: Any, sample: pd.DataFrame, folder: Path, target: str = "species", ending: str = "csv"
) -> Plan:
    """What `modelctl package` would write for a model and a sample on disk."""
    joblib.dump(model, folder / "model.joblib")
    path = folder / f"sample.{ending}"
    sample.to_csv(path, index=False) if ending == "csv" else sample.to_parquet(path)
    request = Request(folder, sample=path, name="messy", version="1", target=target)
    return plan(read_training_output(request), engine="auto", tolerance=1e-6)


@pytest.fixture(scope="module")
def forest() -> Any:
    frame = messy()
    # scikit-learn takes no pandas.NA; everybody does this before fit.
    features = frame.drop(columns="species").assign(
        tagged=frame["tagged"].astype(object).where(frame["tagged"].notna(), np.nan)
    )
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    rare = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=9)
    columns = ColumnTransformer([("numbers", numbers, NUMBERS), ("strings", rare, CATEGORIES)])
    model = make_pipeline(columns, RandomForestClassifier(20, random_state=0))
    return model.fit(features, frame["species"])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_frame_as_a_database_gives_it_is_packaged_exactly(
    forest: Any, ending: str, tmp_path: Path
) -> None:
    planned = packaged(forest, messy(), tmp_path, ending=ending)
    assert planned.manifest["engine"] == "onnx", planned.manifest["engines_tried"]
    inputs = {entry["name"]: entry for entry in planned.manifest["inputs"]}
    assert set(inputs) == {*NUMBERS, *CATEGORIES}
    assert {name: inputs[name]["dtype"] for name in ("is heavy?", "tagged", "zip", "island")} == {
        "is heavy?": "boolean",
        "tagged": "boolean",
        "zip": "string",
        "island": "string",
    }
    assert inputs["zip"]["categories"][:2] == ["00000", "00001"]
    garage = inputs["garage"]
    assert (garage["categories"], garage["unseen"]) == (["Attached", "None"], "pass")
    assert inputs["tagged"]["missing"] == inputs["year"]["missing"] == "allow"
    assert planned.notes == ["the model drops seen, id: requests may contain them or not"]


def test_a_first_step_of_ones_own_gets_the_frame_and_a_note(tmp_path: Path) -> None:
    frame = load_penguins()[["flipper_length_mm", "body_mass_g", "species"]].dropna()
    model = make_pipeline(Ratio(), StandardScaler(), LogisticRegression())
    model.fit(frame.drop(columns="species"), frame["species"])
    planned = packaged(model, frame, tmp_path)
    assert planned.manifest["engine"] == "sklearn"
    assert planned.manifest["engines_tried"][0]["reason"] == (
        "step ratio: no exact translation of Ratio"
    )
    assert planned.manifest["environment"]["foreign_modules"] == [__name__]
    assert planned.notes[0].startswith("the bundle contains the model's own code, under code/: ")


@pytest.mark.parametrize("rows", [1, 5])
def test_a_sample_of_few_rows_is_packaged_with_a_note(rows: int, tmp_path: Path) -> None:
    frame = load_penguins()[["flipper_length_mm", "body_mass_g", "species"]].dropna()
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(frame.drop(columns="species"), frame["species"])
    planned = packaged(model, frame.head(rows), tmp_path)
    assert planned.manifest["engine"] == "onnx"
    word = "row" if rows == 1 else "rows"
    assert planned.notes[0].startswith(f"the sample has only {rows} {word}: ")


LARGE = [2**60 + offset for offset in range(6)]
LARGE_COLUMNS = {
    "calculated": (FunctionTransformer(last_digit), LARGE, "csv"),
    "int64": (OneHotEncoder(), LARGE, "csv"),
    "uint64": (OneHotEncoder(), np.array(LARGE, dtype=np.uint64) * 15, "parquet"),
    "nullable": (OneHotEncoder(), pd.array(LARGE, dtype="Int64"), "parquet"),
    "category": (OneHotEncoder(), pd.Categorical(LARGE), "parquet"),
}


@pytest.mark.parametrize(("step", "ids", "ending"), LARGE_COLUMNS.values(), ids=list(LARGE_COLUMNS))
def test_whole_numbers_beyond_a_double_are_named_with_the_way_out(
    step: Any, ids: Any, ending: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"id": ids, "y": [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]})
    model = make_pipeline(step, Ridge()).fit(frame[["id"]], frame["y"])
    with pytest.raises(ModelctlError) as refused:
        packaged(model, frame, tmp_path, target="y", ending=ending)
    assert refused.value.found.startswith("row 0, column 'id': expected an integer from -2^53 to ")
    assert refused.value.found.endswith("(and 5 more)")
    assert refused.value.fix.startswith("fit on them as texts: ")


def test_whole_numbers_beyond_64_bits_are_named_with_the_way_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [2**70 + offset for offset in range(3)], "y": [1.0, 2.0, 3.0]})
    model = make_pipeline(OneHotEncoder(), Ridge()).fit(frame[["id"]], frame["y"])
    with pytest.raises(ModelctlError, match="column 'id' of the sample") as refused:
        packaged(model, frame, tmp_path, target="y")
    assert refused.value.found == "whole numbers beyond 64 bits"
    assert refused.value.fix.startswith("fit on them as texts: ")


@pytest.mark.parametrize("start", [2**60, 2**70])
def test_large_whole_numbers_as_texts_are_answered(start: int, tmp_path: Path) -> None:
    texts = [str(start + offset) for offset in range(6)]
    frame = pd.DataFrame({"id": texts, "y": [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]})
    model = make_pipeline(OneHotEncoder(), Ridge()).fit(frame[["id"]], frame["y"])
    planned = packaged(model, frame, tmp_path, target="y")
    (entry,) = planned.manifest["inputs"]
    assert (planned.manifest["engine"], entry["categories"]) == ("onnx", texts)


def test_a_duration_that_the_model_uses_is_explained(tmp_path: Path) -> None:
    took = pd.to_timedelta(np.arange(9), unit="h")
    frame = pd.DataFrame({"took": took, "y": np.arange(9.0)})
    model = make_pipeline(FunctionTransformer(in_hours), Ridge())
    model.fit(frame[["took"]], frame["y"])
    with pytest.raises(ModelctlError, match="column 'took' of the sample has a type") as refused:
        packaged(model, frame, tmp_path, target="y", ending="parquet")
    assert refused.value.fix.startswith("convert durations and objects to numbers")


def test_an_unfitted_model_is_called_that(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0]})
    with pytest.raises(ModelctlError, match="is not fitted") as refused:
        packaged(Ridge(), frame, tmp_path, target="y")
    assert refused.value.fix == "call fit before joblib.dump"


def test_a_class_of_the_training_script_is_explained(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import joblib\nfrom sklearn.linear_model import Ridge\n"
        "class Mine(Ridge):\n    pass\n"
        "joblib.dump(Mine().fit([[1.0], [2.0]], [1.0, 2.0]), 'model.joblib')\n"
    )
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True)
    (tmp_path / "sample.csv").write_text("x\n1\n2\n")
    with pytest.raises(ModelctlError, match="cannot be loaded") as refused:
        read_training_output(Request(tmp_path, name="x", version="1"))
    assert refused.value.fix.startswith(
        "move that class or function from the training script into a module (steps.py)"
    )


def test_parquet_without_a_reader_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pd.DataFrame({"x": [1.0]}).to_parquet(tmp_path / "sample.parquet")

    def no_engine(*_: Any, **__: Any) -> Any:
        raise ImportError("Unable to find a usable engine; tried using: 'pyarrow', 'fastparquet'.")

    monkeypatch.setattr(pd, "read_parquet", no_engine)
    request = Request(
        trained.training("iris"), sample=tmp_path / "sample.parquet", name="x", version="1"
    )
    with pytest.raises(ModelctlError, match="Parquet support is not installed") as refused:
        read_training_output(request)
    assert refused.value.fix.startswith("pip install pyarrow")
