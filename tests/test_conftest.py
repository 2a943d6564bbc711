"""What the tests may rely on, wherever they were started."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

IGNORING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
"""


def test_a_program_under_test_hears_ctrl_c() -> None:
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


@pytest.mark.parametrize("workers", ["--numprocesses=0", "--numprocesses=1"])
def test_it_does_so_below_a_shell_that_has_it_ignored(workers: str) -> None:
    mine = f"{__file__}::{test_a_program_under_test_hears_ctrl_c.__name__}"
    environ = {name: value for name, value in os.environ.items() if "XDIST" not in name}
    argv = [sys.executable, "-c", IGNORING, mine, workers, "-p", "no:cacheprovider"]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
