"""`python -m app.batch` as a Job runs it: exit codes, log, metrics, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest

from modelctl.docs.log_schema import EVENTS
from tests import trained
from tests.modelctl.batch.test_run import FEATURES, modelctl, rows, write
from tests.observability import loglines
from tests.paths import ROOT
from tests.ports import free_port


def start(*words: object, **environ: str) -> subprocess.Popen[str]:
    """A pod, started."""
    variables = {"MODEL_DIR": str(trained.bundle("penguins")), **environ}
    return subprocess.Popen(
        [sys.executable, "-m", "app.batch", *map(str, words)],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def heard(process: subprocess.Popen[str], code: int = 0) -> list[dict[str, Any]]:
    """Its lines, after its exit code is as expected."""
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (code, ""), output
    lines = [orjson.loads(line) for line in output.splitlines()]
    loglines.check(lines)
    return lines


def run(*words: object, code: int = 0, **environ: str) -> list[dict[str, Any]]:
    """Its lines, run to its end."""
    return heard(start(*words, **environ), code)


def test_every_event_of_a_pod_is_declared() -> None:
    source = "".join((ROOT / f"app/batch/{name}.py").read_text() for name in ("pod", "__main__"))
    used = set(re.findall(r'"((?:batch|parts?|plan|run)_\w+)"', source))
    declared = {event.name for event in EVENTS if "batch" in event.loggers}
    assert declared == used & set(loglines.EVENTS)
    assert len(declared) == 12


def asked(tmp_path: Path, count: int = 210, *more: object) -> tuple[object, ...]:
    """The arguments for some rows, in parts of 70."""
    file = write(rows(count), tmp_path / "rows.parquet")
    return ("--input", file, "--out", tmp_path / "out", "--ignore", "id", "--shard-rows", 70, *more)


def test_each_pod_has_its_parts_and_the_last_one_finishes(tmp_path: Path) -> None:
    words = asked(tmp_path, 210, "--pods", 2)
    late = start(*words, JOB_COMPLETION_INDEX="1")
    first = heard(start(*words, JOB_COMPLETION_INDEX="0"))
    second = heard(late)
    written = [
        sorted(line["part"] for line in lines if line["event"] == "part_written")
        for lines in (first, second)
    ]
    assert written == [[0, 2], [1]]
    assert "run_completed" in {line["event"] for line in (*first, *second)}
    modelctl("verify", tmp_path / "out")
    again = run(*words, JOB_COMPLETION_INDEX="0")
    assert [line["event"] for line in again[-3:]] == ["part_kept", "part_kept", "run_was_complete"]
    # More pods than parts are no harm.
    assert run(*words[:-1], 9, JOB_COMPLETION_INDEX="8")[-1]["event"] == "run_was_complete"


def test_a_plan_of_modelctl_is_taken(tmp_path: Path) -> None:
    words = asked(tmp_path)
    bundle = ("--bundle", trained.bundle("penguins"))
    modelctl("plan", *bundle, *words)
    before = (tmp_path / "out/plan.json").read_bytes()
    assert run(*words)[-1]["event"] == "run_completed"
    assert (tmp_path / "out/plan.json").read_bytes() == before
    assert "3 parts kept" in modelctl("run", tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--shard-rows", "71"), "another --shard-rows"),
        (("--chunk-rows", "71"), "another --chunk-rows"),
        (("--passthrough", "id"), "another --passthrough"),
        (("--probabilities",), "another --probabilities"),
    ],
)
def test_a_plan_with_other_options_is_refused(
    change: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    words = asked(tmp_path)
    run(*words)
    assert said in run(*words, *change, code=3)[-1]["what"]


def test_a_plan_of_another_bundle_or_input_is_refused(tmp_path: Path) -> None:
    words = asked(tmp_path)
    run(*words)
    other = str(trained.bundle("penguins", "sklearn"))
    assert "another bundle" in run(*words, code=3, MODEL_DIR=other)[-1]["what"]
    more = write(rows(10), tmp_path / "more.csv")
    assert "another input" in run(*words, "--input", more, code=3)[-1]["what"]
    digest = "sha256:" + "0" * 64
    assert "wrong digest" in run(*words, code=3, MODEL_DIGEST=digest)[-1]["what"]


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        (("--out", "o"), {}, "--input"),
        (("--input", "i", "--out", "o", "--pods", "2"), {}, "JOB_COMPLETION_INDEX"),
        (
            ("--input", "i", "--out", "o", "--pods", "2"),
            {"JOB_COMPLETION_INDEX": "2"},
            "JOB_COMPLETION_INDEX",
        ),
        (("--input", "i", "--out", "o", "--max-rejected", "2"), {}, "share"),
        (("--input", "i", "--out", "https://example.org/o"), {}, "cannot be written"),
        (("--input", "i", "--out", "o"), {"METRICS_PORT": "x"}, "METRICS_PORT"),
        (("--input", "/nowhere", "--out", "o"), {}, "no input at /nowhere"),
    ],
)
def test_what_cannot_be_understood_is_refused_in_one_line(
    words: tuple[str, ...], environ: dict[str, str], said: str
) -> None:
    line = run(*words, code=3, **environ)[-1]
    assert line["level"] == "ERROR"
    assert said in line["what"]


def test_a_pod_without_a_plan_waits_no_longer_than_it_is_told(tmp_path: Path) -> None:
    words = (*asked(tmp_path), "--pods", 2, "--plan-timeout", 1)
    line = run(*words, code=1, JOB_COMPLETION_INDEX="1")[-1]
    assert line["what"] == f"{tmp_path}/out/plan.json is not there"
    assert line["expected"] == "a plan by the pod of index 0 within 1 s"
    assert not (tmp_path / "out").exists()


def test_a_part_that_fails_each_time_is_no_reason_to_try_again(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    words = asked(tmp_path)
    file = tmp_path / "rows.parquet"
    chunk = pq.read_metadata(file).row_group(1).column(1)
    data = bytearray(file.read_bytes())
    start_at = chunk.dictionary_page_offset or chunk.data_page_offset
    data[start_at : start_at + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    file.write_bytes(data)
    lines = run(*words, code=3)
    events = [line["event"] for line in lines]
    assert events.count("part_written") == 2
    assert events[-1] == "batch_failed"
    assert (
        "row group 1 of rows.parquet"
        in json.loads((tmp_path / "out/failed/part-00001.json").read_text())["what"]
    )


def test_a_disk_that_is_full_is_a_reason_to_try_again(tmp_path: Path) -> None:
    words = asked(tmp_path)
    run(*words)
    (tmp_path / "out/part-00001.parquet").unlink()
    limited = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); "
    code = f"{limited}runpy.run_module('app.batch', run_name='__main__')"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        env=os.environ | {"MODEL_DIR": str(trained.bundle("penguins"))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert "File too large" in orjson.loads(output.splitlines()[-1])["what"]
    assert run(*words)[-1]["event"] == "run_completed"


def test_sigterm_ends_at_once_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    words = asked(tmp_path, 30_000, "--chunk-rows", 10)
    process = start(*words)
    out = tmp_path / "out"
    deadline = time.monotonic() + 60
    while not list(out.glob(".part-*.tmp")):
        assert process.poll() is None
        assert time.monotonic() < deadline
    asked_at = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert time.monotonic() - asked_at < 5
    assert not list(out.rglob("*.tmp"))
    assert not (out / "_SUCCESS.json").exists()


def test_sigterm_is_heard_before_the_libraries_are_there(tmp_path: Path) -> None:
    """As the first process of a container: what nobody handles then is lost."""
    process = start(*asked(tmp_path))
    proc = Path(f"/proc/{process.pid}")
    deadline = time.monotonic() + 60
    while (
        not int(proc.joinpath("status").read_text().partition("SigCgt:")[2].split()[0], 16)
        >> (signal.SIGTERM - 1)
        & 1
    ):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    libraries = proc.joinpath("maps").read_text()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert "pyarrow" not in libraries


def test_metrics_are_there_while_it_runs(tmp_path: Path) -> None:
    port = free_port()
    words = asked(tmp_path, 30_000)
    # The image sets the folder of the service's workers, which nobody made here.
    process = start(*words, METRICS_PORT=str(port), PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "no"))
    deadline = time.monotonic() + 60
    page = ""
    while 'ml_batch_job_parts{state="written"}' not in page or 'written"} 0.0' in page:
        assert process.poll() is None, page
        assert time.monotonic() < deadline
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                page = answer.read().decode()
        except OSError:
            continue
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    values = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    states = [values[f'ml_batch_job_parts{{state="{state}"}}'] for state in ("written", "waiting")]
    # Row groups of 70 rows are the shards.
    assert sum(map(float, states)) == -(-30_000 // 70)
    assert float(values['ml_batch_job_rows_total{result="predicted"}']) > 0
    assert 'model="penguins"' in page


@pytest.mark.parametrize(
    ("share", "code"), [(None, 0), ("0.1", 0), ("0.09", 3), ("0", 3), ("1", 0)]
)
def test_too_many_rejected_rows_are_no_success(
    share: str | None, code: int, tmp_path: Path
) -> None:
    words = asked(tmp_path)
    limit = ("--max-rejected", share) if share is not None else ()
    lines = run(*words, *limit, code=code)
    assert (tmp_path / "out/_SUCCESS.json").exists() == (code == 0)
    if code:
        assert lines[-1]["what"] == "too many rows are rejected"
        assert lines[-1]["found"] == "21 of 210 rows"
        modelctl("run", tmp_path / "out", *limit, "--bundle", trained.bundle("penguins"), code=1)
        assert run(*words)[-1]["event"] == "run_completed"


def test_a_run_without_a_prediction_is_no_success_unless_it_may_be(tmp_path: Path) -> None:
    frame = rows(30).assign(sex="?")
    file, out = write(frame, tmp_path / "rows.csv"), tmp_path / "out"
    bundle = ("--bundle", trained.bundle("penguins"))
    modelctl("plan", *bundle, "--input", file, "--out", out, "--ignore", "id")
    assert "too many rows are rejected" in modelctl("run", out, code=1)
    assert "30 rejected" in modelctl("run", out, "--max-rejected", "1")


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ({"a": 1}, "the first line of rows.jsonl has no feature"),
        ({**dict.fromkeys(FEATURES), "a": 1}, "keys that are no features: a"),
    ],
)
def test_wrong_keys_of_json_are_said_when_it_is_planned(
    first: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file, out = tmp_path / "rows.jsonl", tmp_path / "out"
    file.write_text(f"\n{json.dumps(first)}\n" * 3)
    asked_for = ("plan", "--bundle", trained.bundle("penguins"), "--input", file, "--out", out)
    assert said in modelctl(*asked_for, code=3)
    assert not out.exists()
    if len(first) > 1:
        modelctl(*asked_for, "--ignore", "a")


@pytest.mark.parametrize("first", ["[1, 2]", "{", '"x"', json.dumps({FEATURES[0]: 1})])
def test_a_first_line_that_is_only_a_bad_row_is_rejected_as_one(first: str, tmp_path: Path) -> None:
    file, out = tmp_path / "rows.jsonl", tmp_path / "out"
    good = pd.DataFrame(rows(20)[FEATURES]).to_json(orient="records", lines=True)
    file.write_text(f"{first}\n{good}")
    modelctl("plan", "--bundle", trained.bundle("penguins"), "--input", file, "--out", out)
    assert "21 rows" in modelctl("run", out)
