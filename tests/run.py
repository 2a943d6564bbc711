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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = (".venv/bin/python", "-m", "pytest")
# A file's tests stay together: they share what was started for them.
PARALLEL = ("--numprocesses=auto", "--dist=loadfile")
TESTS_FAILED = 1
# More than this is no accident of the moment.
MOST_RUN_AGAIN = 5
# How lines begin that are worth reading when everything passed.
MEASURED = "    measured:"


@dataclass(frozen=True)
class Suite:
    """One command; a live one prints as it goes because it takes minutes."""

    name: str
    argv: tuple[str, ...]
    live: bool = False

    @property
    def cache(self) -> Path | None:
        """Where pytest notes what failed: suites run side by side. None if it is not pytest."""
        if self.argv[: len(PYTEST)] != PYTEST:
            return None
        return ROOT / ".pytest_cache" / self.name.replace(" ", "-")


@dataclass(frozen=True)
class Done:
    """How a suite's command ended; what a live one said has been printed already."""

    code: int
    output: str
    seconds: float


FAST = (
    Suite("lint", ("make", "--no-print-directory", "lint")),
    Suite("monitoring tools", ("python3", "-m", "tools", "build", "monitoring"), live=True),
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
TOOLS = Suite("end-to-end tools", ("python3", "-m", "tools", "build", "e2e"), live=True)
E2E = (*PYTEST, "tests/e2e", "-v", "--capture=no", "--tb=short", "--durations=10")
SESSION = (".venv/bin/python", "-m", "tests.e2e.session")
UP = Suite("sandbox up", (*SESSION, "up"), live=True)
# Side by side, because both wait most of the time.
BESIDE = (
    Suite("end to end: Argo CD", (*E2E, "-m", "not beside and not alone"), live=True),
    Suite("end to end: releases of plain Helm", (*E2E, "-m", "beside")),
)
ALONE = Suite("end to end: restarts", (*E2E, "-m", "alone"), live=True)
DOWN = Suite("sandbox down", (*SESSION, "down"), live=True)


def execute(suite: Suite, *more: str) -> Done:
    """Run the suite's command."""
    started = time.monotonic()
    cache = ("-o", f"cache_dir={suite.cache}") if suite.cache else ()
    argv = (*suite.argv, *cache, *more)
    # Line by line, so that the output of two suites does not mix within a line.
    with subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            if suite.live:
                print(line, end="", flush=True)
            else:
                lines.append(line)
    return Done(process.returncode, "".join(lines), time.monotonic() - started)


def last_failed(suite: Suite) -> list[str]:
    """The tests that failed in the last run of pytest; empty if none is on record."""
    record = suite.cache / "v" / "cache" / "lastfailed" if suite.cache else None
    return sorted(json.loads(record.read_text())) if record and record.exists() else []


def passes_again(suite: Suite) -> list[str]:
    """The failed tests of a suite, if they are few and pass when they are run once more."""
    failed = last_failed(suite)
    if not 0 < len(failed) <= MOST_RUN_AGAIN:
        return []
    print(f"--- {suite.name}: once more: {', '.join(failed)}", flush=True)
    done = execute(suite, "--last-failed", "--last-failed-no-failures=none")
    print(done.output, end="", flush=True)
    return [] if done.code else failed


def run(*suites: Suite) -> list[str]:
    """Run suites side by side and print how each went; returns the names of those that failed."""
    for suite in suites:
        print(f"--- {suite.name}", flush=True)
        if suite.cache:
            # What failed in another run is not this one's.
            shutil.rmtree(suite.cache, ignore_errors=True)
    with ThreadPoolExecutor(len(suites)) as pool:
        results = list(pool.map(execute, suites))
    return [
        suite.name for suite, done in zip(suites, results, strict=True) if not passed(suite, done)
    ]


def passed(suite: Suite, done: Done) -> bool:
    """Print how a suite went; True if all its tests passed, a few of them in a second run."""
    unsteady: list[str] = []
    if done.code:
        print(done.output, flush=True)
        if done.code == TESTS_FAILED and suite.cache:
            unsteady = passes_again(suite)
    else:
        measured = [line for line in done.output.splitlines() if line.startswith(MEASURED)]
        print("\n".join(measured), end="\n" if measured else "", flush=True)
    if done.code and not unsteady:
        command = " ".join(suite.argv)
        print(f"FAILED {suite.name} (exit code {done.code}, {done.seconds:.0f} s): {command}")
        return False
    if unsteady:
        print(f"\n*** UNSTEADY, passed when run again: {', '.join(unsteady)} ***\n")
    closing = done.output.strip().splitlines()[-1:] or [""]
    print(f"passed {suite.name} in {done.seconds:.0f} s  {closing[0]}", flush=True)
    return True


def end_to_end() -> list[str]:
    """The suites on the sandbox, which is left as it was found; the names of those that failed."""
    failed = run(TOOLS)
    with tempfile.TemporaryDirectory(prefix="ml-model-tests-") as folder:
        os.environ["E2E_SANDBOX"] = f"{folder}/before.json"
        # Without a sandbox every test would only repeat why there is none.
        failed += run(UP) or [*run(*BESIDE), *run(ALONE)]
        return failed + run(DOWN)


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
    with trained:
        failed = [name for suite in suites for name in run(suite)]
        if not fast and not missing:
            failed += end_to_end()
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
    minutes = (time.monotonic() - started) / 60
    verdict = f"FAILED: {', '.join(failed)}" if failed else "everything passed"
    print(f"{verdict} in {minutes:.1f} min")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
