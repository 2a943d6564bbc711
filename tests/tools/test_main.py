"""The command runs with nothing but the standard library and prints errors, not tracebacks."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT
from tools import __main__, progress, state
from tools.catalog import CATALOG
from tools.errors import ToolsError
from tools.progress import BuildProgress
from tools.state import ToolPaths


def test_list_needs_no_virtual_environment() -> None:
    argv = [sys.executable, "-S", "-m", "tools", "list"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    listed = [line.split()[:2] for line in done.stdout.splitlines()]
    assert listed == [[tool.name, tool.version] for tool in CATALOG]


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(state, "ToolPaths", lambda: ToolPaths(tmp_path))


@pytest.mark.usefixtures("empty")
def test_the_path_of_what_is_not_built_is_an_error_that_says_how(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert __main__.main(["path", "kubelet"]) == 1
    assert capsys.readouterr().err == (
        "error: kubelet is not built\n  fix: run `python3 -m tools build kubernetes`\n"
    )


@pytest.mark.usefixtures("empty")
def test_the_path_of_an_unknown_binary_names_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert __main__.main(["path", "kubelt"]) == 1
    assert "expected: one of etcd, kube-apiserver," in capsys.readouterr().err


def test_a_long_build_is_heard_of_every_now_and_then(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0)
    stream = io.StringIO()
    with BuildProgress(stream).building("slow", "v1", 60) as step:
        step.run(["sleep", "1.2"], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
    # How many seconds it takes is the machine's affair.
    begun, *between, ended = re.sub(r": (.*?)\d+ s", r": \1N s", stream.getvalue()).splitlines()
    assert begun == "[1/0] slow v1: N s of about 60 s"
    assert between
    assert set(between) == {begun}
    assert ended == "[1/0] slow v1: built in N s"


def test_a_terminal_gets_one_line_that_changes(tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with (
        pytest.raises(ToolsError, match="exit code 3"),
        BuildProgress(stream).building("one", "v1", 60) as step,
    ):
        step.run(["sh", "-c", "exit 3"], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
    printed = re.sub(r"\d+ s\b", "N s", stream.getvalue())
    running = "\r\033[K[1/0] one v1: N s of about N s"
    assert printed.startswith(running)
    assert printed.replace(running, "") == "\r\033[K[1/0] one v1: failed after N s\n"
