"""Run the suites one after another: a line for each that passes, all output of one that fails.

    python tests/run.py [--fast]

A few failed tests are run once more, alone, because a busy machine can break a promise of time;
when they pass then, they are named loudly and their first output is printed all the same.
`--fast` leaves out what needs the sandbox. Without it, leaving something out (no root, not Linux)
is said loudly, and with CI=true it is a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = (".venv/bin/python", "-m", "pytest")
# A file's tests stay together: they share what was started for them.
PARALLEL = ("--numprocesses=auto", "--dist=loadfile")
TESTS_FAILED = 1
# More than this is no accident of the moment.
MOST_RUN_AGAIN = 5


@dataclass(frozen=True)
class Suite:
    """One command; a live one prints as it goes because it takes minutes."""

    name: str
    argv: tuple[str, ...]
    live: bool = False


FAST = (
    Suite("lint", ("make", "--no-print-directory", "lint")),
    Suite(
        "unit",
        (
            *PYTEST,
            "tests",
            *PARALLEL,
            "--durations=10",
            "--ignore=tests/chart",
            "--ignore=tests/argocd",
            "--ignore=tests/e2e",
            "--ignore=tests/fetch",
        ),
    ),
    Suite("stores", ("python3", "-m", "tools", "build", "stores"), live=True),
    Suite("downloads", (*PYTEST, "tests/fetch")),
    Suite("chart tools", ("python3", "-m", "tools", "build", "chart"), live=True),
    Suite("chart scanner", ("make", "--no-print-directory", "checkov")),
    Suite("chart", (*PYTEST, "tests/chart", "tests/argocd", *PARALLEL)),
)
AZURITE = Suite("azure emulator", ("make", "--no-print-directory", "azurite"))
# Programs that tests drive, and Debian's packages of them: a browser for the page that tries a
# model, a gateway for deploy/compose.
DEBIAN = {"chromium": "chromium", "nginx": "nginx-light"}
SANDBOX = (
    Suite("end-to-end tools", ("python3", "-m", "tools", "build", "e2e"), live=True),
    Suite("end to end", (*PYTEST, "tests/e2e", "-v", "--capture=no", "--tb=short"), live=True),
)


def execute(suite: Suite, *more: str) -> tuple[int, str]:
    """Exit code and output of a suite's command; a live one has printed its output already."""
    argv = (*suite.argv, *more)
    if suite.live:
        return subprocess.run(argv, cwd=ROOT, check=False).returncode, ""
    done = subprocess.run(
        argv,
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def last_failed() -> list[str]:
    """The tests that failed in the last run of pytest; empty if none is on record."""
    record = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
    return sorted(json.loads(record.read_text())) if record.exists() else []


def passes_again(suite: Suite) -> list[str]:
    """The failed tests of a suite, if they are few and pass when they are run once more."""
    failed = last_failed()
    if not 0 < len(failed) <= MOST_RUN_AGAIN:
        return []
    print(f"--- {suite.name}: once more: {', '.join(failed)}", flush=True)
    code, output = execute(suite, "--last-failed", "--last-failed-no-failures=none")
    print(output, end="", flush=True)
    return [] if code else failed


def run(suite: Suite) -> bool:
    """Run one suite and print how it went; True when it passed."""
    started = time.monotonic()
    print(f"--- {suite.name}", flush=True)
    if suite.argv[: len(PYTEST)] == PYTEST:
        # What failed in another suite or another run is not this one's.
        shutil.rmtree(ROOT / ".pytest_cache", ignore_errors=True)
    code, output = execute(suite)
    unsteady: list[str] = []
    if code:
        print(output, flush=True)
        if code == TESTS_FAILED and suite.argv[: len(PYTEST)] == PYTEST:
            unsteady = passes_again(suite)
    seconds = time.monotonic() - started
    if code and not unsteady:
        print(f"FAILED {suite.name} (exit code {code}, {seconds:.0f} s): {' '.join(suite.argv)}")
        return False
    if unsteady:
        print(f"\n*** UNSTEADY, passed when run again: {', '.join(unsteady)} ***\n")
    closing = output.strip().splitlines()[-1:] or [""]
    print(f"passed {suite.name} in {seconds:.0f} s  {closing[0]}", flush=True)
    return True


def found(program: str) -> bool:
    """Whether a program is there; Debian keeps some where only root looks."""
    return bool(shutil.which(program) or shutil.which(program, path="/usr/sbin"))


def sandbox_missing() -> str:
    """Why the sandbox cannot run here; empty when it can."""
    if platform.system() != "Linux":
        return f"it needs Linux, this is {platform.system()}"
    if os.geteuid() != 0:
        return "it needs root: `sudo make test`"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, usage="run.py [--fast]")
    parser.add_argument("--fast", action="store_true")
    fast = parser.parse_args().fast
    started = time.monotonic()
    # The sample models, which several processes need, are trained and packaged once.
    trained = tempfile.TemporaryDirectory(prefix="ml-model-tests-")
    os.environ["TRAINED_FOLDER"] = trained.name
    suites = FAST
    packages = [package for program, package in DEBIAN.items() if not found(program)]
    if packages and not sandbox_missing():
        install = ("python3", "-m", "sandbox", "packages", *packages)
        suites = (Suite("Debian packages", install), *suites)
    # Without npm the tests of downloads from Azure are skipped.
    npm = shutil.which("npm") is not None
    if npm:
        suites = (AZURITE, *suites)
    missing = "" if fast else sandbox_missing()
    if not fast and not missing:
        suites += SANDBOX
    with trained:
        failed = [suite.name for suite in suites if not run(suite)]
    if not npm:
        print("\n*** LEFT OUT: downloads from the emulator of Azure: it needs npm ***\n")
        if os.environ.get("CI") == "true":
            failed.append("azure emulator (left out)")
    for program in DEBIAN:
        if not found(program):
            print(f"\n*** LEFT OUT: what needs {program} ***\n")
    if missing:
        print(f"\n*** LEFT OUT: the end-to-end suite on the sandbox: {missing} ***\n")
        if os.environ.get("CI") == "true":
            failed.append("end to end (left out)")
    print(
        f"{len(suites) - len(failed)} suites passed, {len(failed)} failed "
        f"in {(time.monotonic() - started) / 60:.1f} min"
        + (f": {', '.join(failed)}" if failed else "")
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
