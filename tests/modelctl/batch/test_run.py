"""Whole runs by the command line, judged by the user's own estimator, duckdb and the service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import joblib
import numpy as np
import pandas as pd
import pytest

from tests import trained
from tests.app.conftest import make_client

FEATURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "island", "sex"]
WRONG: list[tuple[str, Any]] = [("island", "Atlantis"), ("sex", "?"), ("bill_depth_mm", 1e39)]


def modelctl(*arguments: object, code: int = 0) -> str:
    """Run `modelctl batch`; what it printed, after its exit code is as expected."""
    argv = [sys.executable, "-m", "modelctl", "batch", *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def plan(inputs: Path, out: Path, *more: object, code: int = 0) -> str:
    """Plan the penguins' rows."""
    bundle = trained.bundle("penguins")
    return modelctl("plan", "--bundle", bundle, "--input", inputs, "--out", out, *more, code=code)


def rows(count: int, seed: int = 0) -> pd.DataFrame:
    """Rows of the sample in any order, with gaps; some of them invalid."""
    sample = pd.read_csv(trained.training("penguins") / "sample.csv")[FEATURES]
    random = np.random.default_rng(seed)
    frame = sample.iloc[random.integers(0, len(sample), count)].reset_index(drop=True)
    frame = frame.mask(random.random(frame.shape) < 0.05)
    for at in random.choice(count, count // 10, replace=False):
        column, value = WRONG[at % len(WRONG)]
        frame.loc[at, column] = value
    frame.insert(0, "id", [f"row {at}" for at in range(count)])
    return frame


def write(frame: pd.DataFrame, path: Path) -> Path:
    """The rows in the format of the path's ending."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, row_group_size=70)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    return path


def read(pattern: Path) -> pd.DataFrame:
    """Parts in the order of their rows, by a reader that did not write them."""
    return duckdb.read_parquet(str(pattern)).order("file, row").df()


def contents(out: Path) -> dict[str, bytes]:
    """Every file of a run that matters."""
    found = [*out.glob("*.parquet"), *out.glob("rejected/*"), *out.glob("*.json")]
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize(("shard_rows", "chunk_rows"), [(70, 1000), (1000, 33)])
def test_each_row_is_predicted_as_by_the_estimator_or_rejected_as_by_the_service(
    ending: str, shard_rows: int, chunk_rows: int, tmp_path: Path
) -> None:
    frame = rows(300)
    file, out = write(frame, tmp_path / f"rows.{ending}"), tmp_path / "out"
    sizes = ("--shard-rows", shard_rows, "--chunk-rows", chunk_rows)
    plan(file, out, "--passthrough", "id", "--probabilities", *sizes)
    modelctl("run", out, "--processes", 2)
    assert "300 rows in" in modelctl("verify", out)
    predicted, rejected = read(out / "part-*.parquet"), read(out / "rejected/*.parquet")
    assert sorted([*predicted["row"], *rejected["row"]]) == list(range(300))
    assert len(rejected) == 30
    for part in (predicted, rejected):
        assert part["id"].tolist() == frame["id"][part["row"]].tolist()
    estimator = joblib.load(trained.training("penguins") / "model.joblib")
    given = frame.loc[predicted["row"], FEATURES]
    assert predicted["prediction"].tolist() == estimator.predict(given).tolist()
    shares = predicted[[f"probability_{label}" for label in estimator.classes_]]
    assert np.abs(shares.to_numpy() - estimator.predict_proba(given)).max() < 1e-9
    client = make_client(trained.bundle("penguins"))
    for row, reason, errors in zip(
        rejected["row"], rejected["reason"], rejected["errors"], strict=True
    ):
        instance = json.loads(frame.loc[row, FEATURES].to_json(double_precision=15))
        answer = client.post("/predict", json={"instances": [instance]})
        problem = answer.get_json()
        expected = [(".".join(map(str, e["loc"][2:])), e["msg"]) for e in problem["errors"]]
        assert answer.status_code == 422
        assert problem["type"].endswith(reason)
        assert [(error["field"], error["message"]) for error in errors] == expected


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_quoted_line_break_is_never_cut(line_end: str, mark: str, tmp_path: Path) -> None:
    frame = rows(50).assign(id=[f'say "{at}",{line_end}twice{line_end}' for at in range(50)])
    text = frame.to_csv(index=False, lineterminator=line_end)
    file = tmp_path / "rows.csv"
    file.write_bytes((mark + text.replace(line_end, line_end * 2, 1)).encode())
    plan(file, tmp_path / "out", "--passthrough", "id", "--shard-rows", 3)
    modelctl("run", tmp_path / "out")
    both = [read(tmp_path / "out/part-*.parquet"), read(tmp_path / "out/rejected/*.parquet")]
    found = pd.concat(both).sort_values("row")
    assert len(list((tmp_path / "out").glob("part-*.parquet"))) == 17
    assert found["id"].tolist() == frame["id"].tolist()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", 'id,x\n1,"2"3\n', "is not valid CSV"),
        ("a.csv", "id,x\n1,2\n", "lacks columns"),
        ("a.csv", "", "lacks columns"),
        ("a.parquet", "no", "cannot be read as Parquet"),
        ("a.csv.gz", "", "unknown ending"),
    ],
)
def test_a_file_that_cannot_be_read_is_not_planned(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text.replace('id,x\n1,"', ",".join(FEATURES) + '\n"'))
    argv = ["plan", "--bundle", trained.bundle("penguins"), "--input", tmp_path / name]
    done = subprocess.run(
        [sys.executable, "-m", "modelctl", "batch", *map(str, argv), "--out", str(tmp_path / "o")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 3)
    assert said in done.stderr
    assert not (tmp_path / "o").exists()


def test_a_column_that_is_no_feature_is_refused_unless_it_is_named(tmp_path: Path) -> None:
    file = write(rows(10), tmp_path / "rows.csv")
    assert "no features: id" in plan(file, tmp_path / "out", code=3)
    plan(file, tmp_path / "out", "--ignore", "id")
    assert "'row' cannot" in plan(file, tmp_path / "out", "--passthrough", "row", code=3)


def test_the_same_plan_is_the_same_run_and_parts_of_another_are_refused(tmp_path: Path) -> None:
    file, out = write(rows(20), tmp_path / "rows.parquet"), tmp_path / "out"
    first = plan(file, out, "--ignore", "id")
    assert plan(file, out, "--ignore", "id") == first
    modelctl("run", out)
    before = contents(out)
    assert "1 part kept" in modelctl("run", out)
    assert contents(out) == before
    assert "another run" in plan(file, out, "--passthrough", "id", code=3)
    plan(file, tmp_path / "other", "--passthrough", "id")
    (tmp_path / "other/part-00000.parquet").write_bytes(before["part-00000.parquet"])
    assert "another run" in modelctl("run", tmp_path / "other", code=3)


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("change", ["longer", "same size"])
def test_an_input_that_changed_is_refused(ending: str, change: str, tmp_path: Path) -> None:
    file, out = write(rows(100), tmp_path / f"rows.{ending}"), tmp_path / "out"
    plan(file, out, "--ignore", "id")
    data = bytearray(file.read_bytes())
    if change == "longer":
        data += b"\n"
    else:
        data[len(data) // 2 if ending != "parquet" else -20] ^= 1
    file.write_bytes(data)
    said = modelctl("run", out, code=3)
    assert "changed after it was planned" in said
    assert "expected" in said
    assert not (out / "_SUCCESS.json").exists()


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_an_input_that_changed_where_a_part_is_written_is_refused(
    ending: str, tmp_path: Path
) -> None:
    file, out = write(rows(210), tmp_path / f"rows.{ending}"), tmp_path / "out"
    plan(file, out, "--ignore", "id", "--shard-rows", 70)
    modelctl("run", out)
    (out / "part-00002.parquet").unlink()
    (out / "rejected/part-00002.parquet").unlink(missing_ok=True)
    (out / "_SUCCESS.json").unlink()
    data = bytearray(file.read_bytes())
    # In what the first part was made of.
    data[200] ^= 1
    file.write_bytes(data)
    assert "changed after it was planned" in modelctl("run", out, code=3)
    assert not (out / "_SUCCESS.json").exists()


@pytest.mark.parametrize("folder", [".", "rejected"])
def test_a_part_that_lost_a_file_is_written_again(folder: str, tmp_path: Path) -> None:
    file, out = write(rows(210), tmp_path / "rows.csv"), tmp_path / "out"
    plan(file, out, "--ignore", "id", "--shard-rows", 70)
    modelctl("run", out)
    before = contents(out)
    (out / folder / "part-00001.parquet").unlink()
    modelctl("verify", out, code=3)
    states = [one["state"] for one in json.loads(modelctl("status", out, "--output=json"))["parts"]]
    assert states == ["done", "missing", "done"]
    assert "2 parts kept" in modelctl("run", out)
    assert contents(out) == before


def test_a_corrupt_row_group_fails_its_part_and_no_other(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    file, out = write(rows(210), tmp_path / "rows.parquet"), tmp_path / "out"
    chunk = pq.read_metadata(file).row_group(1).column(1)
    data = bytearray(file.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    data[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    file.write_bytes(data)
    plan(file, out, "--ignore", "id", "--shard-rows", 70)
    said = modelctl("run", out, code=1)
    assert "row group 1 of rows.parquet cannot be read" in said
    states = [one["state"] for one in json.loads(modelctl("status", out, "--output=json"))["parts"]]
    assert states == ["done", "failed", "done"]
    assert "not complete" in modelctl("verify", out, code=3)


def test_what_verify_counts_is_what_is_there(tmp_path: Path) -> None:
    file, out = write(rows(210), tmp_path / "rows.parquet"), tmp_path / "out"
    plan(file, out, "--ignore", "id", "--shard-rows", 70)
    modelctl("run", out)
    part = out / "part-00001.parquet"
    data = bytearray(part.read_bytes())
    data[100] ^= 1
    part.write_bytes(data)
    assert "changed after the run" in modelctl("verify", out, code=3)


def test_what_is_damaged_beside_the_parts_is_said_and_written_again(tmp_path: Path) -> None:
    file, out = write(rows(210), tmp_path / "rows.csv"), tmp_path / "out"
    plan(file, out, "--ignore", "id", "--shard-rows", 70)
    modelctl("run", out)
    success, before = out / "_SUCCESS.json", contents(out)
    document = json.loads(before["_SUCCESS.json"])
    damaged = ["", "[]", "{}", json.dumps({"run": document["run"]})]
    wrong: list[Any] = [None, ["a"], [{}]]
    damaged += [json.dumps({**document, "parts": kept}) for kept in wrong]
    for text in damaged:
        success.write_text(text)
        assert "the run is not complete" in modelctl("verify", out, code=3), text
    changes: list[dict[str, Any]]
    changes = [{"parts": document["parts"][:2]}, {"parts": []}, {"rows": 211}]
    for change in changes:
        success.write_text(json.dumps({**document, **change}))
        assert "is not about these parts" in modelctl("verify", out, code=3), change
    assert "3 parts kept" in modelctl("run", out)
    assert contents(out) == before
    (out / "part-00001.parquet").unlink()
    (out / "failed").mkdir()
    (out / "failed/part-00001.json").write_text("[")
    assert "cannot be read" in modelctl("status", out, "--output=json")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 16 parts."""
    folder = tmp_path_factory.mktemp("undisturbed")
    rows(80_000).to_parquet(folder / "rows.parquet", row_group_size=5000)
    plan(folder / "rows.parquet", folder / "out", "--passthrough", "id", "--shard-rows", 5000)
    modelctl("run", folder / "out", "--processes", 2)
    return folder


def copied_plan(undisturbed: Path) -> Path:
    """A new folder beside it, with the same plan."""
    out = undisturbed / f"again-{time.monotonic_ns()}"
    plan(undisturbed / "rows.parquet", out, "--passthrough", "id", "--shard-rows", 5000)
    return out


def started(out: Path) -> subprocess.Popen[bytes]:
    """A run in a process group of its own."""
    argv = [sys.executable, "-m", "modelctl", "batch", "run", str(out), "--processes", "2"]
    return subprocess.Popen(argv, start_new_session=True, stderr=subprocess.PIPE)


def wait_for_parts(out: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Until so many parts are there."""
    deadline = time.monotonic() + 120
    while len(list(out.glob("part-*.parquet"))) < count:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_run_that_was_ended_goes_on_and_ends_the_same(
    how: signal.Signals, undisturbed: Path
) -> None:
    out = copied_plan(undisturbed)
    for count in (1, 5, 9):
        process = started(out)
        wait_for_parts(out, count, process)
        os.killpg(process.pid, how)
        process.communicate()
        assert process.returncode == (-9 if how is signal.SIGKILL else 130)
        assert len(list(out.glob("part-*.parquet"))) < 16
    modelctl("run", out)
    assert contents(out) == contents(undisturbed / "out")
    assert not list(out.rglob("*.tmp"))


def test_a_process_that_was_killed_is_replaced(undisturbed: Path) -> None:
    out = copied_plan(undisturbed)
    process = started(out)
    for count in (2, 6):
        wait_for_parts(out, count, process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        workers = [pid for pid in children if b"spawn_main" in cmdline(pid)]
        os.kill(int(workers[0]), signal.SIGKILL)
    process.communicate()
    assert process.returncode == 0
    assert contents(out) == contents(undisturbed / "out")


def cmdline(pid: str) -> bytes:
    """The command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize("share", ["nan", "-0.1", "1.1", "few"])
def test_a_share_of_rejected_rows_is_a_number_from_0_to_1(share: str, tmp_path: Path) -> None:
    assert "--max-rejected" in modelctl("run", tmp_path, "--max-rejected", share, code=2)
