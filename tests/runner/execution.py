"""Run suites: a line for each that passes, all output of one that fails.

A few failed tests are run once more, alone: when they pass then, they are named as UNSTEADY and
their first output is printed all the same. That tells a fault of the code from one of the test; it
excuses neither.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.paths import ROOT
from tests.runner.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PYTEST = (".venv/bin/python", "-m", "pytest")
TESTS_FAILED = 1
# Of a suite that passed and left programs behind: none of pytest's own codes.
HUNG = 99
# More than this is no accident of the moment.
MAX_RERUN = 5
# How lines begin that are worth reading when everything passed.
MEASURED = "    measured:"
# What runs beside suites that mostly wait takes only what they leave.
LOW_PRIORITY = ("nice", "-n", "19")


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


@dataclass
class Report:
    """What came of a run: seconds of each suite, names of failed suites and of unsteady tests."""

    seconds: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    unsteady: list[str] = field(default_factory=list)

    def table(self) -> str:
        """Suite and seconds, in the order in which they ran."""
        width = max(map(len, self.seconds), default=0)
        return "\n".join(f"  {name:<{width}} {took:>6.0f} s" for name, took in self.seconds.items())


def execute(suite: Suite, *more: str, before: tuple[str, ...] = ()) -> Done:
    """Run the suite's command; `before`: what runs it."""
    started = time.monotonic()
    cache = ("-o", f"cache_dir={suite.cache}") if suite.cache else ()
    argv = (*before, *suite.argv, *cache, *more)
    watch = Watch(suite.name, suite.live)
    with subprocess.Popen(
        argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        watch.follow(process)
    seconds = time.monotonic() - started
    if watch.problem:
        problem = f"\n*** {suite.name} {watch.problem} ***\n"
        if suite.live:
            print(problem, flush=True)
        return Done(process.returncode or HUNG, f"{watch.output}\n{problem}", seconds)
    return Done(process.returncode, watch.output, seconds)


def last_failed(suite: Suite) -> list[str]:
    """The tests that failed in the last run of pytest; empty if none is on record."""
    record = suite.cache / "v" / "cache" / "lastfailed" if suite.cache else None
    return sorted(json.loads(record.read_text())) if record and record.exists() else []


def run(report: Report, *suites: Suite) -> bool:
    """Run suites side by side and print how each went; whether all passed."""
    for suite in suites:
        _begin(suite)
    with ThreadPoolExecutor(len(suites)) as pool:
        results = list(pool.map(execute, suites))
    # Each is printed, whatever the ones before it said.
    passed = [_passed(report, suite, done) for suite, done in zip(suites, results, strict=True)]
    return all(passed)


@contextlib.contextmanager
def beside(report: Report, *suites: Suite) -> Iterator[None]:
    """Run suites one after another while the block does something that mostly waits."""

    def run_low(suite: Suite) -> None:
        _begin(suite, " (beside the others)")
        _passed(report, suite, execute(suite, before=LOW_PRIORITY))

    with ThreadPoolExecutor(1) as pool:
        running = [pool.submit(run_low, suite) for suite in suites]
        yield
        for each in running:
            each.result()


def _begin(suite: Suite, how: str = "") -> None:
    print(f"--- {suite.name}{how}", flush=True)
    if suite.cache:
        # What failed in another run is not this one's.
        shutil.rmtree(suite.cache, ignore_errors=True)


def _passed(report: Report, suite: Suite, done: Done) -> bool:
    """Print how a suite went; True if all its tests passed, a few of them in a second run."""
    report.seconds[suite.name] = done.seconds
    unsteady: list[str] = []
    if done.code:
        if not suite.live:
            print(done.output, flush=True)
        if done.code == TESTS_FAILED and suite.cache:
            unsteady = _pass_when_rerun(suite)
    else:
        lines = [] if suite.live else done.output.splitlines()
        measured = [line for line in lines if line.startswith(MEASURED)]
        print("\n".join(measured), end="\n" if measured else "", flush=True)
    if done.code and not unsteady:
        command = " ".join(suite.argv)
        print(f"FAILED {suite.name} (exit code {done.code}, {done.seconds:.0f} s): {command}")
        report.failed.append(suite.name)
        return False
    if unsteady:
        print(f"\n*** UNSTEADY, passed when run again: {', '.join(unsteady)} ***\n")
        report.unsteady += unsteady
    closing = done.output.strip().splitlines()[-1:] or [""]
    print(f"passed {suite.name} in {done.seconds:.0f} s  {closing[0]}", flush=True)
    return True


def _pass_when_rerun(suite: Suite) -> list[str]:
    """The failed tests of a suite, if they are few and pass when they are run once more."""
    failed = last_failed(suite)
    if not 0 < len(failed) <= MAX_RERUN:
        return []
    print(f"--- {suite.name}: once more: {', '.join(failed)}", flush=True)
    done = execute(suite, "--last-failed", "--last-failed-no-failures=none")
    if not suite.live:
        print(done.output, end="", flush=True)
    # One that is not found again makes pytest run everything else, which proves nothing.
    # What tests print may say so too; pytest's own line is the last.
    ran = re.findall(r"(\d+) passed", done.output)[-1:]
    same = ran == [str(len(failed))]
    return failed if done.code == 0 and same else []
