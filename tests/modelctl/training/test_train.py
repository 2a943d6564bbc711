"""`modelctl train`: what is published is what passed, and a request has one result."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelctl.errors import ModelctlError, RefusedError, UsageError
from sandbox.wait import Answer, wait_until
from tests.modelctl.conftest import run
from tests.modelctl.training import repository


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = repository.make(tmp_path / "work")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    return folder


def results(out: Path) -> list[dict[str, Any]]:
    """The documents, as anybody reads them."""
    return [json.loads(path.read_text()) for path in sorted(out.glob("tiny/results/*.json"))]


def test_a_bundle_that_passed_is_published_under_its_hash(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = run("train", "tiny", "--out", str(out), "--request", "monday/1")
    (result,) = results(out)
    bundle = out / "tiny/bundles" / result["digest"].removeprefix("sha256:")
    manifest = (bundle / "manifest.json").read_bytes()
    assert f"sha256:{hashlib.sha256(manifest).hexdigest()}" == result["digest"]
    for name, entry in json.loads(manifest)["files"].items():
        assert hashlib.sha256((bundle / name).read_bytes()).hexdigest() == entry["sha256"], name
    assert result["metrics"] == {"accuracy": 0.95}
    assert result["version"] == "1.0.0"
    assert str(bundle) in said
    assert f"modelctl bump tiny --env ENV --from {out}" in said


def test_a_request_that_has_a_result_is_not_trained_again(root: Path, tmp_path: Path) -> None:
    command = ("train", "tiny", "--out", str(tmp_path / "out"), "--request", "1", "--output=json")
    run(*command)
    before = results(tmp_path / "out")
    (root / "models/tiny/train.py").write_text("raise SystemExit('trained again')")
    assert json.loads(run(*command)[run(*command).index("{") :])["digest"] == before[0]["digest"]
    assert results(tmp_path / "out") == before


def test_without_a_name_each_training_is_a_request(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("train", "tiny", "--out", str(out))
    text = (root / "models/tiny/train.py").read_text()
    (root / "models/tiny/train.py").write_text(text.replace("range(20, 0, -1)", "range(20)"))
    run("train", "tiny", "--out", str(out))
    assert len({one["digest"] for one in results(out)}) == 2


@pytest.mark.parametrize(
    ("broken", "step"),
    [
        ('asked.get("accuracy", 0.5)', "gate"),
        ('asked.get("move", 90.0)', "validate"),
    ],
)
def test_what_is_refused_is_not_published(
    broken: str, step: str, root: Path, tmp_path: Path
) -> None:
    name = broken.partition('("')[2].partition('"')[0]
    path = root / "models/tiny/train.py"
    text = path.read_text()
    whole = text[text.index(f'asked.get("{name}"') :].partition(")")[0] + ")"
    path.write_text(text.replace(whole, broken))
    with pytest.raises(RefusedError, match=f"modelctl {step} tiny"):
        run("train", "tiny", "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_training_that_fails_says_why_and_may_be_tried_again(root: Path, tmp_path: Path) -> None:
    (root / "models/tiny/train.py").write_text("raise SystemExit('no data today')")
    with pytest.raises(ModelctlError, match="no data today") as failed:
        run("train", "tiny", "--out", str(tmp_path / "out"))
    assert failed.value.exit_code == 1


def test_one_request_has_one_way_in(root: Path) -> None:
    with pytest.raises(UsageError):
        run("train", "tiny", "--out", "out", "--queue", "--request", "1")


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_is_told_to_end_leaves_no_process(
    told: signal.Signals, root: Path, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    code = f"import pathlib, time\npathlib.Path({str(started)!r}).touch()\ntime.sleep(600)\n"
    (root / "models/tiny/train.py").write_text(code)
    argv = [sys.executable, "-m", "modelctl", "train", "tiny", "--out", str(tmp_path / "out")]
    environ = {**os.environ, "PYTHONPATH": str(Path(repository.__file__).parents[3])}
    with subprocess.Popen(argv, cwd=root, env=environ) as process:
        try:
            wait_until("it trains", lambda: Answer(started.exists(), ""), 60)
            process.send_signal(told)
            process.wait(60)
        finally:
            process.kill()
    assert process.returncode != 0
    assert at_work("models/tiny/train.py --out build/training/tiny", root) == []


def test_a_training_waits_for_nothing_that_it_left_behind(root: Path, tmp_path: Path) -> None:
    """A program of the training code keeps its output open."""
    path = root / "models/tiny/train.py"
    left = "import subprocess\nsubprocess.Popen(['sleep', '601'])\n"
    path.write_text(path.read_text().replace("import joblib\n", f"import joblib\n{left}", 1))
    assert left in path.read_text()
    assert "sha256:" in run("train", "tiny", "--out", str(tmp_path / "out"))
    assert at_work("sleep 601", root) == []


def at_work(pattern: str, folder: Path) -> list[str]:
    """Processes with such a command that work in a folder."""
    found = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False)
    places = {pid: Path(f"/proc/{pid}/cwd") for pid in found.stdout.split()}
    return [pid for pid, cwd in places.items() if cwd.exists() and cwd.resolve() == folder]
