"""Any plan over any rows: each row is predicted as by the user's estimator, or rejected, once."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.batch import planning, results
from app.batch.attempts import Attempts, Failure
from app.batch.folders import LocalFolder
from app.batch.model import Model, load
from app.batch.shard import ShardRunner
from app.model.bundle import verify
from tests import trained
from tests.modelctl.batch.test_run import FEATURES, WRONG, read, write

SAMPLE = pd.read_csv(trained.training("penguins") / "sample.csv")[FEATURES]
ESTIMATOR = joblib.load(trained.training("penguins") / "model.joblib")
MODELS: list[Model] = []


def model() -> Model:
    """Loaded once."""
    if not MODELS:
        bundle = trained.bundle("penguins")
        MODELS.append(load(bundle, verify(bundle).digest))
    return MODELS[0]


@st.composite
def inputs(draw: st.DrawFn) -> list[tuple[str, pd.DataFrame, set[int]]]:
    """Files of each format: name, rows with texts beside them, and which rows are bad."""
    made = []
    endings = st.lists(st.sampled_from(["parquet", "csv", "jsonl"]), min_size=1, max_size=3)
    for number, ending in enumerate(draw(endings)):
        count = draw(st.integers(1, 40))
        seed = draw(st.integers(0, 2**32 - 1))
        random = np.random.default_rng(seed)
        frame = SAMPLE.iloc[random.integers(0, len(SAMPLE), count)].reset_index(drop=True)
        bad = draw(st.sets(st.integers(0, count - 1), max_size=count))
        for at in bad:
            column, value = WRONG[int(random.integers(len(WRONG)))]
            frame[column] = frame[column].astype(object if isinstance(value, str) else float)
            frame.loc[at, column] = value
        texts = st.text(st.sampled_from('aä ,"\n;\u2028'), min_size=1, max_size=4)
        notes = [f"n{text}" for text in draw(st.lists(texts, min_size=count, max_size=count))]
        made.append((f"f{number}.{ending}", frame.assign(note=notes), bad))
    return made


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(
    files=inputs(),
    shard_rows=st.integers(1, 50),
    chunk_rows=st.integers(1, 50),
    has_notes=st.booleans(),
    probabilities=st.booleans(),
)
def test_rows_in_are_rows_out_and_rejected(
    files: list[tuple[str, pd.DataFrame, set[int]]],
    shard_rows: int,
    chunk_rows: int,
    has_notes: bool,
    probabilities: bool,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name), LocalFolder(Path(name) / "out")
        for file, frame, _ in files:
            write(frame, folder / file)
        request = planning.Request(
            bundle=verify(trained.bundle("penguins")),
            path="",
            inputs=tuple(str(folder / file) for file, _, _ in files),
            shard_rows=shard_rows,
            chunk_rows=chunk_rows,
            passthrough=("note",) if has_notes else (),
            ignore=() if has_notes else ("note",),
            probabilities=probabilities,
        )
        plan = planning.make(request, out)
        planning.write(plan, out)
        attempts = Attempts(ShardRunner(plan, out, model()), out)
        for index in range(len(plan.shards)):
            assert not isinstance(attempts.write(index, lambda _: None), Failure)
        totals = results.finish(plan, out, max_rejected=1)
        predicted = read(out.path / "part-*.parquet")
        rejected = read(out.path / "rejected/*.parquet")
    count = sum(len(frame) for _, frame, _ in files)
    assert (totals.rows, totals.predicted) == (count, len(predicted))
    assert totals.rejected == len(rejected) == sum(len(bad) for _, _, bad in files)
    for file, frame, bad in files:
        good = predicted[predicted["file"] == file]
        assert set(rejected[rejected["file"] == file]["row"]) == bad
        assert sorted([*good["row"], *bad]) == list(range(len(frame)))
        require_right(good, frame, has_notes=has_notes, probabilities=probabilities)


def require_right(
    good: pd.DataFrame, frame: pd.DataFrame, *, has_notes: bool, probabilities: bool
) -> None:
    """The predicted rows of a file are those of the estimator."""
    if good.empty:
        return
    given_rows = frame.loc[good["row"], FEATURES].astype(dict[str, Any](SAMPLE.dtypes))
    assert good["prediction"].tolist() == ESTIMATOR.predict(given_rows).tolist()
    if has_notes:
        assert good["note"].tolist() == frame["note"][good["row"]].tolist()
    if probabilities:
        shares = good[[f"probability_{label}" for label in ESTIMATOR.classes_]].to_numpy()
        assert np.abs(shares - ESTIMATOR.predict_proba(given_rows)).max() < 1e-9
