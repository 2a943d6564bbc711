"""`modelctl predict`: a file in, a file out, in the rows' order, through a busy service too."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from modelctl.cli import cli
from modelctl.errors import ModelctlError
from modelctl.packaging.rows import read_rows
from modelctl.service import client
from tests import standin, trained
from tests.app import live
from tests.app.conftest import start as start  # the fixture, under its own name
from tests.app.live import LiveService
from tests.ports import free_port

Start = Callable[..., LiveService]


def run(url: str, path: Path, *options: str) -> tuple[int, str]:
    """The command's exit code and output."""
    result = CliRunner().invoke(cli, ["predict", url, "--file", str(path), *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_a_file_is_predicted_in_its_order(tmp_path: Path) -> None:
    service = live.shared("penguins")
    sample = trained.training("penguins") / "sample.csv"
    out = tmp_path / "out.csv"
    options = ("--out", str(out), "--batch-rows", "7", "--connections", "3")
    code, text = run(str(service.client.base_url), sample, *options)
    assert (code, text.strip()) == (0, f"penguins 1.0.0: 344 rows -> {out}")
    with out.open() as stream:
        rows = list(csv.DictReader(stream))
    truth = pd.read_csv(sample)["species"].tolist()
    right = sum(row["prediction"] == name for row, name in zip(rows, truth, strict=True))
    # The forest was fitted on these very rows.
    assert right >= 340
    shares = [float(value) for name, value in rows[0].items() if name != "prediction"]
    assert sum(shares) == pytest.approx(1)


def test_a_busy_service_is_asked_again(start: Start, tmp_path: Path) -> None:
    service = start(trained.slow_bundle(), MAX_IN_FLIGHT="1")
    frame = pd.read_csv(trained.training("iris") / "sample.csv").head(12)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    out = tmp_path / "out.csv"
    options = ("--batch-rows", "1", "--connections", "4", "--out", str(out))
    code, text = run(str(service.client.base_url), tmp_path / "rows.csv", *options)
    assert code == 0
    assert "12 rows" in text
    assert "retries" in text
    assert len(out.read_text().splitlines()) == 13


def test_who_is_refused_goes_on_while_the_service_answers_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four threads at a service for one: the unlucky one is not to end the whole run."""
    monkeypatch.setattr(client, "BACKOFF_SECONDS", 0.005)
    answered: list[bytes] = []

    class Unfair(standin.Quiet):
        """Answers this one only after sixty others."""

        def do_POST(self) -> None:
            body = self.asked()
            if body == b'"last"' and len(answered) < 60:
                self.reply(503)
                return
            answered.append(body)
            self.reply(200, b"{}")

    with (
        standin.serving(Unfair) as place,
        client.Client(f"http://{place}") as asking,
        ThreadPoolExecutor(1) as pool,
    ):
        last = pool.submit(asking.post, "/", "last")
        while not last.done():
            asking.post("/", "other")
            time.sleep(0.01)
        assert last.result() == {}
    assert len(answered) > 60


def test_who_is_refused_by_a_service_that_answers_nobody_gives_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "BACKOFF_SECONDS", 0.001)

    class Full(standin.Quiet):
        """Never has room."""

        def do_POST(self) -> None:
            self.asked()
            self.reply(503)

    with standin.serving(Full) as place, client.Client(f"http://{place}") as asking:
        with pytest.raises(ModelctlError, match="10 attempts"):
            asking.post("/", {})
        assert asking.retries == 10


def test_wrong_cells_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("x,flag,name\n1.5,true,a\ntwo,maybe,b\n,,\n")
    inputs = [
        {"name": "x", "dtype": "float"},
        {"name": "flag", "dtype": "boolean"},
        {"name": "name", "dtype": "string"},
    ]
    with pytest.raises(ModelctlError) as refused:
        read_rows(path, inputs)
    assert refused.value.found == (
        "line 3, x: expected float, found 'two'; line 3, flag: expected boolean, found 'maybe'"
    )
    path.write_text("x,flag,name\n1.5,true,a\n,,\n")
    assert read_rows(path, inputs) == [
        {"x": 1.5, "flag": True, "name": "a"},
        {"x": None, "flag": None, "name": None},
    ]


def test_parquet_rows_are_the_rows_of_the_same_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "x": [1.5, None],
            "count": pd.array([3, None], dtype="Int64"),
            "flag": pd.array([True, None], dtype="boolean"),
            # A category with the name of a missing value stays one.
            "garage": ["None", None],
        }
    )
    inputs: list[dict[str, Any]] = [
        {"name": "x", "dtype": "float"},
        {"name": "count", "dtype": "integer"},
        {"name": "flag", "dtype": "boolean"},
        {"name": "garage", "dtype": "string", "categories": ["Attached", "None"]},
    ]
    frame.to_parquet(tmp_path / "rows.parquet")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    expected = [
        {"x": 1.5, "count": 3, "flag": True, "garage": "None"},
        {"x": None, "count": None, "flag": None, "garage": None},
    ]
    for ending in ("parquet", "csv"):
        assert read_rows(tmp_path / f"rows.{ending}", inputs) == expected


def test_whole_numbers_with_a_point_are_whole_and_infinity_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    inputs = [{"name": "count", "dtype": "integer"}, {"name": "x", "dtype": "float"}]
    path.write_text("count,x\n3.0,1\n")
    assert read_rows(path, inputs) == [{"count": 3, "x": 1.0}]
    path.write_text("count,x\n3.5,inf\n")
    with pytest.raises(ModelctlError) as refused:
        read_rows(path, inputs)
    assert refused.value.found == (
        "line 2, count: expected integer, found '3.5'; line 2, x: expected float, found 'inf'"
    )


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("y\n1\n")
    with pytest.raises(ModelctlError, match="lacks columns of the model: x"):
        read_rows(path, [{"name": "x", "dtype": "float"}])


def test_a_refused_row_ends_the_command_with_the_reason(tmp_path: Path) -> None:
    service = live.shared("penguins")
    frame = pd.read_csv(trained.training("penguins") / "sample.csv").head(2)
    frame.assign(island="Atlantis").to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(ModelctlError) as refused:
        run(str(service.client.base_url), tmp_path / "rows.csv")
    assert "unknown category" in refused.value.found


def test_no_service_at_the_url_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("modelctl.service.client.BACKOFF_SECONDS", 0)
    path = tmp_path / "rows.csv"
    path.write_text("x\n1\n")
    with pytest.raises(ModelctlError, match="failed after 10 attempts"):
        run(f"http://127.0.0.1:{free_port()}", path)
