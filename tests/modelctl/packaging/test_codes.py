"""A code with leading zeros that only a step of the user's own reads is asked about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelctl.errors import ModelctlError
from modelctl.packaging.package import Plan, plan
from modelctl.packaging.training_output import Request, read_training_output

CODES = [f"{number:05d}" for number in range(500, 30_000, 700)]
FRAME = pd.DataFrame({"zip": CODES, "size": np.arange(float(len(CODES)))})


class Region(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The first digit of a zip code, whatever type the column has."""

    def fit(self, features: Any, _: Any = None) -> Region:
        self.feature_names_in_ = np.array(features.columns, dtype=object)
        self.n_features_in_ = features.shape[1]
        return self

    def transform(self, features: Any) -> Any:
        first = features["zip"].astype(str).str[0].astype(float)
        return np.column_stack([first, features["size"]])


def packaged(model: Any, folder: Path, inputs: dict[str, Any], ending: str = "csv") -> Plan:
    joblib.dump(model, folder / "model.joblib")
    sample = folder / f"sample.{ending}"
    if ending == "csv":
        FRAME.to_csv(sample, index=False)
    else:
        FRAME.to_parquet(sample)
    config = folder / "model.yaml"
    config.write_text(yaml.safe_dump({"name": "m", "version": "1.0.0", "inputs": inputs}))
    request = Request(folder, sample=sample, config=config)
    return plan(read_training_output(request), engine="auto", tolerance=1e-6)


def fitted(frame: pd.DataFrame) -> Any:
    return make_pipeline(Region(), LinearRegression()).fit(frame, frame["size"] * 2)


def test_its_type_is_asked(tmp_path: Path) -> None:
    with pytest.raises(ModelctlError, match="zip of the sample may be codes or numbers") as error:
        packaged(fitted(FRAME), tmp_path, {})
    assert error.value.found == "'00500', which is 500 as a number"


@pytest.mark.parametrize(("dtype", "first"), [("string", "00500"), ("integer", 500)])
def test_the_word_of_model_yaml_decides(dtype: str, first: Any, tmp_path: Path) -> None:
    frame = FRAME if dtype == "string" else FRAME.assign(zip=FRAME["zip"].astype(int))
    planned = packaged(fitted(frame), tmp_path, {"zip": {"dtype": dtype}})
    (zip_code, _) = planned.manifest["inputs"]
    assert zip_code["dtype"] == dtype
    assert first in [
        type(first)(row[0]) for row in yaml.safe_load(planned.files["sample.json"])["rows"]
    ]


def test_parquet_has_types(tmp_path: Path) -> None:
    assert (
        packaged(fitted(FRAME), tmp_path, {}, "parquet").manifest["inputs"][0]["dtype"] == "string"
    )


def test_steps_of_scikit_learn_say_themselves_what_they_take(tmp_path: Path) -> None:
    frame = FRAME.assign(zip=FRAME["zip"].astype(int))
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(frame, frame["size"])
    assert packaged(model, tmp_path, {}).manifest["inputs"][0]["dtype"] == "float"
