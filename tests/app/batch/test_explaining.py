"""Explained batches beside what the service answers over loopback, and Shapley's formula."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from app.batch import parts
from app.batch.arrow import Predictor
from app.model.bundle import digest_of
from tests import trained
from tests.app.batch.test_pod import run as run_pod
from tests.app.explanations.explained import Explained, plain, serve, shapley
from tests.app.explanations.test_second_opinion import MIXED, NUMBERS, Case, diabetes, iris, served
from tests.app.live import LiveService
from tests.modelctl.batch.test_run import contents, modelctl, plan, read, rows, write
from tests.modelctl.packaging.test_explanations import private

ASKED = 12
NAMES = {
    "forest": "parquet",
    "neighbours, the engine of scikit-learn": "jsonl",
    "two numbers": "csv",
    "anomalies": "parquet",
    "ridge": "csv",
    "decisions of three classes": "jsonl",
    "open categories": "csv",
    "gaps that the trees take": "parquet",
}


@contextmanager
def live(bundle: Path, folder: Path) -> Iterator[LiveService]:
    """The service, as clients reach it."""
    service = LiveService(bundle, folder / "service.log", {"WORKERS": "1"})
    try:
        service.wait_ready()
        yield service
    finally:
        service.stop()


def asked(bundle: Path, frame: pd.DataFrame, file: Path, *more: object) -> Path:
    """The folder of a run that explains these rows."""
    out = file.with_suffix(".out")
    if file.suffix == ".parquet":
        frame.to_parquet(file, row_group_size=5)
    else:
        write(frame, file)
    words = ("--bundle", bundle, "--input", file, "--out", out, "--explain", *more)
    modelctl("plan", *words, "--chunk-rows", 5)
    modelctl("run", out, "--processes", 1)
    modelctl("verify", out)
    return out


def named(prefix: str, form: Any, output: dict[str, Any]) -> dict[str, float]:
    """The numbers of one form by the names that their columns shall have."""
    if isinstance(form, dict):
        by_target = {target["name"]: target.get("classes") for target in output["targets"]}
        found: dict[str, float] = {}
        for target, inner in form.items():
            found |= named(f"{prefix}_{target}", inner, {"classes": by_target[target]})
        return found
    if isinstance(form, list):
        classes = output.get("classes") or []
        keys = classes if len(classes) == len(form) else range(len(form))
        return {f"{prefix}_{key}": each for key, each in zip(keys, form, strict=True)}
    return {prefix: form}


def columns(explanation: dict[str, Any], output: dict[str, Any]) -> dict[str, float]:
    """An explanation of the service as the columns of a row."""
    found = named("base", explanation["base"], output)
    for feature, form in explanation["contributions"].items():
        found |= named(f"contribution_{feature}", form, output)
    return {**found, "standard_error": explanation["standard_error"]}


def require_equal(bundle: Path, frame: pd.DataFrame, out: Path, folder: Path) -> None:
    """Each row of a run has the numbers, to the last digit, that the service answers for it."""
    found = read(out / "part-*.parquet")
    with live(bundle, folder) as service:
        output = service.client.get("/model/info").json()["output"]
        for at in range(len(frame)):
            response = service.client.post("/explain", json={"features": plain(frame.iloc[at])})
            if response.status_code != 200:
                assert at not in set(found["row"])
                continue
            expected = columns(response.json()["explanation"], output)
            given = found[found["row"] == at].iloc[0]
            assert {name: given[name] for name in expected} == expected
    prefixes = ("base", "contribution_", "standard_error")
    assert {name for name in found if name.startswith(prefixes)} == set(expected)


def require_same(explained: Explained, file: Path) -> Path:
    """Explain rows of the sample, a strange one among them."""
    frame = explained.features.sample(ASKED, random_state=2).reset_index(drop=True)
    number = frame.select_dtypes("number").columns[0]
    frame[number] = frame[number].astype(float)
    frame.loc[3, number] = 1e300
    out = asked(explained.bundle, frame, file)
    require_equal(explained.bundle, frame, out, file.parent)
    return out


@pytest.mark.parametrize("name", NAMES)
def test_each_row_is_explained_as_by_the_service(name: str, tmp_path: Path) -> None:
    explained, _ = served(NUMBERS.get(name) or MIXED[name], tmp_path)
    require_same(explained, tmp_path / f"rows.{NAMES[name]}")


def test_classes_of_several_targets_have_a_column_each(tmp_path: Path) -> None:
    frame = iris().assign(wide=lambda rows: rows["sepal width"] > 3)
    targets = ["species", "wide"]
    features = frame.drop(columns=targets)
    model = MultiOutputClassifier(RandomForestClassifier(5, random_state=0))
    model.fit(features, frame[targets].astype(str))
    explained = serve(tmp_path, model, frame.astype({"wide": str}), targets)
    require_same(explained, tmp_path / "rows.parquet")


def test_drawn_orders_are_those_of_the_service(tmp_path: Path) -> None:
    model = RandomForestRegressor(5, random_state=0)
    case = Case(model, diabetes, "target", "predict", "sampled", "prediction")
    explained, _ = served(case, tmp_path)
    out = require_same(explained, tmp_path / "rows.parquet")
    assert (read(out / "part-*.parquet")["standard_error"] > 0).all()


def test_sensitive_features_have_no_column_and_their_base_is_the_row_s(tmp_path: Path) -> None:
    model, frame, hidden = private()
    inputs = {name: {"sensitive": True, "example": frame[name].iloc[0]} for name in hidden}
    inputs["flipper_length_mm"]["example"] = 200
    explained = serve(tmp_path, model, frame, "species", inputs=inputs)
    out = require_same(explained, tmp_path / "rows.csv")
    found = read(out / "part-*.parquet")
    assert not [name for name in found if any(word in name for word in hidden)]
    assert found["base_Adelie"].nunique() > 1


@pytest.mark.parametrize("name", ["forest", "open categories"])
def test_columns_agree_with_the_formula(name: str, tmp_path: Path) -> None:
    explained, ask = served(NUMBERS.get(name) or MIXED[name], tmp_path)
    frame = explained.features.sample(4, random_state=1).reset_index(drop=True)
    found = read(asked(explained.bundle, frame, tmp_path / "rows.csv") / "part-*.parquet")
    labels = [column.removeprefix("base_") for column in found if column.startswith("base_")]
    for at in range(len(frame)):
        expected = shapley(ask, frame.iloc[[at]], explained.background)
        for feature, right in zip(explained.background, expected, strict=True):
            given = found.loc[at, [f"contribution_{feature}_{label}" for label in labels]]
            np.testing.assert_allclose(given.astype(float), right, rtol=1e-6, atol=1e-6)


def differences() -> tuple[Any, pd.DataFrame]:
    """A model that answers for no row whose end is before its start."""
    random = np.random.default_rng(0)
    start = random.uniform(0, 100, 60)
    frame = pd.DataFrame({"start": start, "end": start + random.uniform(1, 5, 60)})
    # Whatever it is mixed with.
    frame.loc[0] = [0.0, 105.0]
    features = frame.copy()
    model = make_pipeline(
        FunctionTransformer(np.diff), FunctionTransformer(np.log), LinearRegression()
    )
    model.fit(features, np.sqrt(frame["end"] - frame["start"]))
    return model, frame.assign(root=np.sqrt(frame["end"] - frame["start"]))


def test_a_row_whose_mixes_are_refused_is_rejected_with_the_service_s_word(tmp_path: Path) -> None:
    model, frame = differences()
    explained = serve(tmp_path, model, frame, "root")
    wanted = explained.features.head(20)
    out = asked(explained.bundle, wanted, tmp_path / "rows.parquet")
    require_equal(explained.bundle, wanted, out, tmp_path)
    rejected = read(out / "rejected/*.parquet")
    assert 0 not in set(rejected["row"])
    assert set(rejected["reason"]) == {"not-explainable"}
    assert len(rejected) + len(read(out / "part-*.parquet")) == 20
    digest = digest_of((explained.bundle / "manifest.json").read_bytes())
    table = Predictor(explained.bundle, digest, explain=True)(pa.table(wanted))
    refused = [at for at, reason in enumerate(table["reason"].to_pylist()) if reason is not None]
    assert refused == rejected["row"].tolist()
    assert table["base"].null_count == table["prediction"].null_count == len(refused)


def test_engines_of_tables_get_the_same_columns(tmp_path: Path) -> None:
    bundle = trained.bundle("iris")
    frame = pd.read_csv(trained.training("iris") / "sample.csv").drop(columns="species").head(20)
    found = read(asked(bundle, frame, tmp_path / "rows.parquet") / "part-*.parquet")
    digest = digest_of((bundle / "manifest.json").read_bytes())
    table = Predictor(bundle, digest, explain=True)(pa.table(frame))
    for name in found.columns.drop(["file", "row"]):
        assert table[name].to_pylist() == found[name].tolist()


def test_a_part_says_what_its_columns_are_and_the_run_knows_that_it_explains(
    tmp_path: Path,
) -> None:
    bundle = trained.bundle("iris")
    frame = pd.read_csv(trained.training("iris") / "sample.csv").drop(columns="species").head(7)
    out = asked(bundle, frame, tmp_path / "rows.parquet")
    assert json.loads((out / "plan.json").read_bytes())["explain"] is True
    query = "SELECT key, value FROM parquet_kv_metadata(?)"
    facts = duckdb.execute(query, [str(out / "part-00000.parquet")])
    about = json.loads(dict(facts.fetchall())[b"ml-model.explanation"])
    assert {key: about[key] for key in ("of", "method", "background_rows", "permutations")} == {
        "of": "probability", "method": "exact", "background_rows": 100, "permutations": None,
    }  # fmt: skip
    found = read(out / "part-*.parquet")
    assert set(about["columns"]) < set(found)
    name = "contribution_petal_length_setosa"
    assert about["columns"][name] == {"feature": "petal_length", "class": "setosa"}
    assert about["columns"]["base_setosa"] == {"class": "setosa"}
    # Another question, another run; a plan of before has no such key.
    words = ("--bundle", bundle, "--input", tmp_path / "rows.parquet", "--chunk-rows", 5)
    other = tmp_path / "other"
    plain_run = modelctl("plan", *words, "--out", other)
    assert "explain" not in json.loads((other / "plan.json").read_bytes())
    assert json.loads((out / "_SUCCESS.json").read_bytes())["run"] not in plain_run
    assert "another run" in modelctl("plan", *words, "--out", out, code=3)
    given = ("--input", tmp_path / "rows.parquet", "--chunk-rows", 5, "--out")
    said = run_pod(*given, out, code=3, MODEL_DIR=str(bundle))[-1]["what"]
    assert said == f"{out}/plan.json was planned with another --explain"
    run_pod(*given, tmp_path / "pod", "--explain", MODEL_DIR=str(bundle))
    assert contents(tmp_path / "pod")["part-00000.parquet"][:4] == b"PAR1"
    assert read(tmp_path / "pod/part-*.parquet").equals(found)


def test_a_bundle_without_a_background_is_refused_when_it_is_planned(tmp_path: Path) -> None:
    file = write(rows(10), tmp_path / "rows.csv")
    said = plan(file, tmp_path / "out", "--ignore", "id", "--explain", code=3)
    assert "the predictions cannot be explained" in said
    assert "modelctl package --explain" in " ".join(said.split())
    assert not (tmp_path / "out").exists()
    words = ("--input", file, "--out", tmp_path / "out", "--ignore", "id", "--explain")
    line = run_pod(*words, code=3)[-1]
    assert line["what"] == "the predictions cannot be explained (--explain)"
    assert "explain: true" in line["fix"]
    assert not (tmp_path / "out").exists()


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [0.0, 1, 2, 3] * 5, "a_b": [1.0, 0, 2, 5] * 5})
    labels = pd.Series(["b_c", "c", "c", "b_c"] * 5)
    explained = serve(
        tmp_path, LogisticRegression().fit(frame, labels), frame.assign(y=labels), "y"
    )
    file = write(frame, tmp_path / "rows.csv")
    words = ("plan", "--bundle", explained.bundle, "--input", file, "--out", tmp_path / "out")
    assert "'contribution_a_b_c'" in modelctl(*words, "--explain", code=3)
    modelctl(*words)
    taken = write(frame.assign(base_c=1), tmp_path / "taken.csv")
    words = ("plan", "--bundle", trained.bundle("iris"), "--input", taken, "--out", tmp_path / "o")
    assert "'standard_error' cannot be passed through" in modelctl(
        *words, "--explain", "--passthrough", "standard_error", code=3
    )


def test_wide_parts_are_written_in_small_row_groups(tmp_path: Path) -> None:
    """So that a part of many contributions takes no more memory than a narrow one."""
    import io

    import pyarrow.parquet as pq

    stream = io.BytesIO()
    kept: list[bytes] = []
    schema = pa.schema([pa.field(f"c{at}", pa.float64()) for at in range(1000)])
    from app.batch.folders import Writing

    with parts.PartWriter(Writing(stream, lambda: kept.append(stream.getvalue())), schema) as part:
        for _ in range(12):
            part.write([pa.array(np.zeros(1000))] * 1000)
        part.commit(parts.Facts("run", "bundle", 0, 12_000, 12_000, 0))
    metadata = pq.read_metadata(io.BytesIO(kept[0]))
    sizes = [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)]
    assert sizes == [9000, 3000]
