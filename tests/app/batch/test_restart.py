"""A node that goes away takes all processes of a run at once; on the next one the run goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests import trained
from tests.modelctl.batch.test_run import contents, modelctl, plan, read, rows

KILLS = 6
PODS = 3
OPTIONS = ("--passthrough", "id", "--shard-rows", 2000, "--chunk-rows", 200)
Start = Callable[[Path, Path], list[subprocess.Popen[bytes]]]


def process(*words: object, **environ: str) -> subprocess.Popen[bytes]:
    """A process in a group of its own, as all of it ends together."""
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, words)],
        env=os.environ | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def on_one_machine(file: Path, out: Path) -> list[subprocess.Popen[bytes]]:
    """A run with two processes that predict."""
    if not (out / "plan.json").exists():
        plan(file, out, *OPTIONS)
    return [process("modelctl", "batch", "run", out, "--processes", 2)]


def as_pods(file: Path, out: Path) -> list[subprocess.Popen[bytes]]:
    """Pods that share a volume, the first of which plans."""
    words = ("app.batch", "--input", file, "--out", out, *OPTIONS, "--pods", PODS)
    bundle = str(trained.bundle("penguins"))
    return [
        process(*words, JOB_COMPLETION_INDEX=str(index), MODEL_DIR=bundle) for index in range(PODS)
    ]


def wait(started: list[subprocess.Popen[bytes]], seconds: float) -> bool:
    """Whether all of them ended within so many seconds."""
    deadline = time.monotonic() + seconds
    try:
        for one in started:
            one.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def wait_for_part(out: Path, started: list[subprocess.Popen[bytes]]) -> None:
    """Until a part is there, and another one in the making."""
    deadline = time.monotonic() + 120
    while not (list(out.glob("part-*")) and list(out.glob(".part-*.tmp"))):
        assert all(one.poll() is None for one in started)
        assert time.monotonic() < deadline
        time.sleep(0.001)


def kill(started: list[subprocess.Popen[bytes]]) -> None:
    """All groups, before any of them can notice that another one is gone."""
    for one in started:
        if one.poll() is None:
            os.killpg(one.pid, signal.SIGKILL)
    for one in started:
        one.wait()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Rows with their finished run of 20 parts, and how many seconds it took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    file = folder / "rows.parquet"
    rows(40_000).to_parquet(file, row_group_size=1000)
    plan(file, folder / "out", *OPTIONS)
    begun = time.monotonic()
    modelctl("run", folder / "out", "--processes", 2)
    return folder, time.monotonic() - begun


@pytest.mark.parametrize("start", [on_one_machine, as_pods])
@pytest.mark.parametrize("seed", range(2))
def test_all_processes_are_killed_at_once_and_the_next_ones_go_on(
    start: Start, seed: int, undisturbed: tuple[Path, float]
) -> None:
    folder, seconds = undisturbed
    file, chance = folder / "rows.parquet", random.Random(seed)  # noqa: S311
    out = folder / f"{start.__name__}-{seed}"
    # Once certainly while parts are written, else anywhere from the start of Python to the end.
    started = start(file, out)
    wait_for_part(out, started)
    kill(started)
    assert not (out / "_SUCCESS.json").exists()
    for _ in range(KILLS):
        started = start(file, out)
        is_over = wait(started, chance.uniform(0.1, seconds * 1.2))
        kill(started)
        if is_over and (out / "_SUCCESS.json").exists():
            break
    started = start(file, out)
    assert wait(started, 240)
    assert [one.returncode for one in started] == [0] * len(started)
    assert "40,000 rows in" in modelctl("verify", out)
    left = {path.name for path in out.rglob("*.tmp")}
    assert not left
    for folder_of_parts in (".", "rejected"):
        expected = read(folder / "out" / folder_of_parts / "part-*.parquet")
        found = read(out / folder_of_parts / "part-*.parquet")
        pd.testing.assert_frame_equal(found.astype(str), expected.astype(str))
    # Pods name the bundle by its digest alone, which makes their run another one.
    if start is on_one_machine:
        assert contents(out) == contents(folder / "out")
