"""A bundle as a function of Arrow tables, as engines call it."""

from __future__ import annotations

import hashlib
import pickle
from typing import Any

import joblib
import pandas as pd
import pyarrow as pa
import pytest

from app.batch.arrow import CHUNK_ROWS, Predictor
from app.batch.errors import BatchRefusedError
from app.errors import BundleRefusedError
from tests import trained


def predictor(name: str, **options: Any) -> Predictor:
    """Of a sample model, pickled and unpickled, as every engine does it."""
    bundle = trained.bundle(name)
    digest = f"sha256:{hashlib.sha256((bundle / 'manifest.json').read_bytes()).hexdigest()}"
    made = Predictor(bundle, digest, **options)
    found: Predictor = pickle.loads(pickle.dumps(made))
    return found


def sample(name: str, times: int = 1) -> pd.DataFrame:
    """The features of the training's sample."""
    frame = pd.read_csv(trained.training(name) / "sample.csv")
    estimator = joblib.load(trained.training(name) / "model.joblib")
    return pd.concat([frame[list(estimator.feature_names_in_)]] * times, ignore_index=True)


@pytest.mark.parametrize("name", ["iris", "penguins", "diabetes"])
def test_more_rows_than_a_chunk_are_answered_in_their_order(name: str) -> None:
    frame = sample(name)
    frame = pd.concat([frame] * (CHUNK_ROWS // len(frame) + 2), ignore_index=True)
    rows = pa.table({**{key: frame[key] for key in frame}, "id": range(len(frame))})
    found = predictor(name, passthrough=["id"])(rows)
    assert found["id"].to_pylist() == list(range(len(frame)))
    estimator = joblib.load(trained.training(name) / "model.joblib")
    expected = estimator.predict(frame)
    if name == "diabetes":
        assert found["prediction"].to_pylist() == pytest.approx(expected.tolist(), rel=1e-5)
    else:
        assert found["prediction"].to_pylist() == expected.tolist()
    assert found["reason"].null_count == found["errors"].null_count == len(frame)


def test_no_row_and_none_that_is_right() -> None:
    rows = pa.Table.from_pandas(sample("iris").head(3), preserve_index=False)
    predicts = predictor("iris", probabilities=True)
    none = predicts(rows.slice(0, 0))
    assert (none.num_rows, none.schema) == (0, predicts.schema(rows.schema))
    wrong = rows.set_column(0, rows.column_names[0], pa.array([None, None, None], pa.float64()))
    found = predicts(wrong)
    assert found["prediction"].null_count == 3
    assert found["reason"].to_pylist() == ["contract"] * 3
    assert list(predicts.batches([])) == []


def test_columns_are_those_of_the_contract() -> None:
    rows = pa.Table.from_pandas(sample("iris"), preserve_index=False)
    more = rows.append_column("shop", pa.array(["a"] * rows.num_rows))
    with pytest.raises(BatchRefusedError, match="no features"):
        predictor("iris")(more)
    assert "shop" not in predictor("iris", ignore=["shop"])(more).column_names
    with pytest.raises(BatchRefusedError, match="lacks"):
        predictor("iris")(rows.drop_columns([rows.column_names[0]]))
    with pytest.raises(BatchRefusedError, match="prediction"):
        predictor("iris", passthrough=["prediction"])


def test_another_bundle_is_refused() -> None:
    with pytest.raises(BundleRefusedError):
        Predictor(trained.bundle("iris"), "sha256:" + "0" * 64)
