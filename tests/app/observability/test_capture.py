"""The sampled capture: what it keeps, what it never keeps, and that it is in nobody's way."""

from __future__ import annotations

import errno
import os
import random
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.errors import SettingRefusedError
from app.model.contract import Contract, Output
from app.model.feature import Feature
from app.model.validation import Batch, Validator
from app.observability import capture
from app.observability.capture import Capture
from app.observability.capture_files import TIMESTAMP_FORMAT, CaptureFiles
from app.settings import Settings
from tests import trained
from tests.app.conftest import make_service
from tests.app.live import LiveService
from tests.observability import loglines
from tests.paths import ROOT

IDENTITY = {"model": "m", "version": "1.0.0", "digest": "sha256:" + "0" * 64}
FEATURES = (
    Feature("size", "float", None, None, None, "allow"),
    Feature("count", "integer", None, None, None, "allow"),
    Feature("open", "boolean", None, None, None, "allow"),
    Feature("kind", "string", None, None, ("a", "b"), "allow"),
    Feature("note", "string", None, None, None, "allow"),
)
CONTRACT = Contract(FEATURES, Output("classifier", "y", ("no", "yes"), probabilities=False))
ROWS: list[list[Any]] = [[1.5, 2, True, "b", "hello"], [None] * 5, [-0.25, -7, False, "a", ""]]
MIB = 1_048_576


def batch(rows: list[list[Any]]) -> Batch:
    places: list[tuple[str | int, ...]] = [(index,) for index in range(len(rows))]
    return Validator(CONTRACT).batch(rows, places, len(rows))


def rows_in(folder: Path) -> list[dict[str, Any]]:
    return [
        orjson.loads(line)
        for path in sorted(folder.glob("rows-*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]


Start = Callable[..., Capture]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Start]:
    """Start a capture of everything into `tmp_path`."""
    started: list[Capture] = []

    def starter(**environ: str) -> Capture:
        given = {"CAPTURE_RATIO": "1", "CAPTURE_DIR": str(tmp_path), **environ}
        made = Capture(Settings.from_environ(given), CONTRACT, IDENTITY)
        made.start_worker()
        started.append(made)
        return made

    yield starter
    for made in started:
        made.close()


def test_rows_are_kept_as_they_were_sent(begin: Start, tmp_path: Path) -> None:
    kept = begin()
    before = time.time()
    kept.sample(batch(ROWS), ["yes", "no", "yes"], "request-1")
    kept.close()
    found = rows_in(tmp_path)
    names = [feature.name for feature in FEATURES]
    assert [list(row["features"]) for row in found] == [names] * 3
    assert [list(row["features"].values()) for row in found] == ROWS
    assert [row["prediction"] for row in found] == ["yes", "no", "yes"]
    assert [row["row"] for row in found] == [0, 1, 2]
    assert {(row["request_id"], row["model"], row["digest"]) for row in found} == {
        ("request-1", "m", IDENTITY["digest"])
    }
    assert abs(datetime.fromisoformat(found[0]["time"]).timestamp() - before) < 60
    assert kept.results() == {"written": 3}


def test_excluded_features_are_never_written(begin: Start, tmp_path: Path) -> None:
    kept = begin(CAPTURE_EXCLUDE="note, kind")
    kept.sample(batch(ROWS), ["yes", "no", "yes"], "r")
    kept.close()
    assert [list(row["features"]) for row in rows_in(tmp_path)] == [["size", "count", "open"]] * 3
    assert b"hello" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_files_are_for_the_service_alone(begin: Start, tmp_path: Path) -> None:
    kept = begin()
    kept.sample(batch(ROWS), ["no"] * 3, "r")
    kept.close()
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("environ", "name", "found"),
    [
        pytest.param({"CAPTURE_EXCLUDE": "notes"}, "CAPTURE_EXCLUDE", "'notes'", id="no feature"),
        pytest.param({"CAPTURE_DIR": ""}, "CAPTURE_DIR", "''", id="no folder"),
        pytest.param({"CAPTURE_DIR": "/nowhere"}, "CAPTURE_DIR", "'/nowhere'", id="not there"),
    ],
)
def test_a_setting_that_cannot_be_kept_to_is_refused(
    tmp_path: Path, environ: dict[str, str], name: str, found: str
) -> None:
    given = {"CAPTURE_RATIO": "1", "CAPTURE_DIR": str(tmp_path), **environ}
    with pytest.raises(SettingRefusedError) as refused:
        Capture(Settings.from_environ(given), CONTRACT, IDENTITY)
    assert refused.value.what == f"environment variable {name} is invalid"
    assert refused.value.found == found


def test_nothing_is_there_unless_it_is_asked_for(tmp_path: Path) -> None:
    service = make_service(trained.bundle("iris"), CAPTURE_DIR=str(tmp_path))
    assert service._capture is None
    assert not any(thread.name == "capture" for thread in threading.enumerate())


def test_the_share_of_requests_is_as_asked_for(begin: Start, tmp_path: Path) -> None:
    random.seed(8)
    kept = begin(CAPTURE_RATIO="0.3")
    one = batch(ROWS[:1])
    for number in range(2000):
        kept.sample(one, ["no"], str(number))
    kept.close()
    # Six standard deviations of a binomial: 0.3 * 2000 +- 123.
    assert 477 < len(rows_in(tmp_path)) < 723


def fill(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """A disk with room for so many more bytes."""
    write, left = os.write, [room]

    def limited(descriptor: int, data: bytes) -> int:
        part = data[: left[0]]
        left[0] -= len(part)
        if data and not part:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, part)

    monkeypatch.setattr("app.observability.capture_files.os.write", limited)


def test_a_full_disk_costs_rows_and_no_line_is_torn(
    begin: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fill(monkeypatch, room=8000)
    kept = begin()
    for number in range(100):
        kept.sample(batch(ROWS), ["no"] * 3, str(number))
    kept.close()
    found = rows_in(tmp_path)
    assert 0 < len(found) < 300
    assert kept.results() == {"written": len(found), "no_disk": 300 - len(found)}
    said = [record for record in caplog.records if record.message == "capture_failed"]
    assert [vars(record)["reason"] for record in said] == ["No space left on device"]


def test_a_disk_that_hangs_makes_nobody_wait(begin: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, released = threading.Event(), threading.Event()
    write = os.write

    def hang(descriptor: int, data: bytes) -> int:
        entered.set()
        released.wait(60)
        return write(descriptor, data)

    monkeypatch.setattr("app.observability.capture_files.os.write", hang)
    monkeypatch.setattr(capture, "CLOSE_SECONDS", 0.1)
    kept = begin()
    hundred = batch(ROWS[:1] * 100)
    kept.sample(hundred, ["no"] * 100, "r")
    assert entered.wait(60)
    started = time.perf_counter()
    for _ in range(2 * capture.MAX_QUEUED_ROWS // 100):
        kept.sample(hundred, ["no"] * 100, "r")
    kept.close()
    assert time.perf_counter() - started < 10
    released.set()
    monkeypatch.setattr(capture, "CLOSE_SECONDS", 60)
    kept.close()
    # What waited was written after all; what found no room in memory was counted.
    most = capture.MAX_QUEUED_ROWS
    assert kept.results() == {"written": 100 + most, "no_memory": most}


def files(folder: Path, **more: Any) -> CaptureFiles:
    given = {"max_bytes": MIB, "max_seconds": 3600.0, "writers": 1, **more}
    return CaptureFiles(folder, **given)


def total(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("rows-*.jsonl"))


@pytest.mark.parametrize("writers", [1, 3])
def test_the_folder_never_holds_more_than_is_allowed(tmp_path: Path, writers: int) -> None:
    made = [files(tmp_path, writers=writers) for _ in range(writers)]
    chance = random.Random(3)  # noqa: S311
    largest = 0
    for number in range(3000):
        line = b"%05d" % number + b"x" * chance.randrange(3000) + b"\n"
        chance.choice(made).append(line)
        largest = max(largest, total(tmp_path))
    assert MIB / 2 < largest <= MIB
    assert b"02999" in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_row_larger_than_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="CAPTURE_MAX_BYTES"):
        files(tmp_path).append(b"x" * MIB)


def named(folder: Path, age: timedelta, host: str) -> Path:
    moment = (datetime.now(UTC) - age).strftime(TIMESTAMP_FORMAT)
    path = folder / f"rows-{moment}-{host}-17-1.jsonl"
    path.write_bytes(b"{}\n")
    return path


def test_old_rows_go_whoever_wrote_them_and_nothing_else_does(tmp_path: Path) -> None:
    gone = [named(tmp_path, timedelta(hours=2), host) for host in ("this-pod-1", "other")]
    young = named(tmp_path, timedelta(minutes=30), "other")
    others = [tmp_path / "notes.jsonl", tmp_path / "rows-of-mine.jsonl"]
    for path in others:
        path.write_text("mine\n")
        os.utime(path, (0, 0))
    files(tmp_path).clean()
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in (young, *others))


def test_a_file_ends_before_its_rows_differ_much_in_age(tmp_path: Path) -> None:
    made = files(tmp_path, max_seconds=36_000.0)
    made.append(b"1\n")
    for hours, count in ((0.9, 1), (0.2, 2)):
        made._started -= hours * 3600
        made.append(b"2\n")
        assert len(list(tmp_path.iterdir())) == count


def test_a_file_that_another_worker_deleted_is_not_written_to(tmp_path: Path) -> None:
    made = files(tmp_path)
    made.append(b"1\n")
    for path in tmp_path.iterdir():
        path.unlink()
    made.append(b"2\n")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"2\n"]


def test_what_waits_is_written_when_the_process_ends(tmp_path: Path) -> None:
    script = """
import sys
from app.observability import capture
from app.settings import Settings
from tests.app.observability.test_capture import CONTRACT, IDENTITY, ROWS, batch

capture.WRITE_SECONDS = 3600.0
settings = Settings.from_environ({"CAPTURE_RATIO": "1", "CAPTURE_DIR": sys.argv[1]})
kept = capture.Capture(settings, CONTRACT, IDENTITY)
kept.start_worker()
kept.sample(batch(ROWS), ["no"] * 3, "r")
"""
    argv = [sys.executable, "-c", script, str(tmp_path)]
    subprocess.run(argv, check=True, timeout=120, cwd=ROOT)
    assert len(rows_in(tmp_path)) == 3


def test_a_folder_that_is_gone_is_no_reason_not_to_answer(
    start: Callable[..., LiveService], tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    service = start(trained.bundle("iris"), CAPTURE_RATIO="1", CAPTURE_DIR=str(folder))
    folder.rmdir()
    answer = service.client.post("/predict", json={"features": [5.1, 3.5, 1.4, 0.2]})
    assert answer.status_code == 200
    service.wait_until("said", lambda: service.events("capture_failed"))
    (line,) = service.events("capture_failed")
    assert line["reason"] == "No such file or directory"
    assert loglines.check([line]) == {"capture_failed"}
    dropped = r'ml_capture_rows_total\{result="no_disk"\}'
    service.wait_until("counted", lambda: service.metric(dropped) == 1)


def test_every_row_of_all_workers_is_there_after_the_end(
    start: Callable[..., LiveService], tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    service = start(
        trained.bundle("penguins"), WORKERS="2", CAPTURE_RATIO="1", CAPTURE_DIR=str(folder)
    )
    sample = orjson.loads((trained.bundle("penguins") / "sample.json").read_bytes())
    rows, values = sample["rows"], sample["predictions"]
    sent: list[str] = []

    def both_have_answered() -> bool:
        # A new connection each time: the kernel decides which worker gets it.
        service.reconnect()
        request_id = f"request-{len(sent)}"
        many = {"instances": rows}
        one = {"features": rows[len(sent) % len(rows)]}
        answer = service.client.post(
            "/predict", json=many if len(sent) % 2 else one, headers={"X-Request-ID": request_id}
        )
        assert answer.status_code == 200
        sent.append(request_id)
        lines = service.events("prediction_completed")
        return len(sent) >= 20 and len({line["pid"] for line in lines}) == 2

    service.wait_until("answered by both workers", both_have_answered)
    assert service.client.post("/predict", json={"features": [1]}).status_code == 422
    rows_sent = sum(len(rows) if number % 2 else 1 for number in range(len(sent)))
    written = r'ml_capture_rows_total\{result="written"\}'
    service.wait_until("counted", lambda: service.metric(written) == rows_sent)
    assert service.terminate() == 0
    found = rows_in(folder)
    assert Counter(row["request_id"] for row in found) == {
        request_id: len(rows) if number % 2 else 1 for number, request_id in enumerate(sent)
    }
    expected = {orjson.dumps(row): value for row, value in zip(rows, values, strict=True)}
    for row in found:
        assert expected[orjson.dumps(list(row["features"].values()))] == row["prediction"]
    assert len({path.name.split("-")[-2] for path in folder.iterdir()}) == 2
