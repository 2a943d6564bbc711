"""Run the unit tests and say which share of our code they run (`make coverage`).

    python -m tests.measure_coverage [PYTEST ARGUMENTS]

Counts lines and branches, also those of services that tests start as processes; what only other
suites run (downloads, chart, end to end) counts as not run. Prints a table by package, and fails
when a test does or when the whole is below `fail_under` of pyproject.toml. With arguments only the
tests that they name are run, and the floor does not count.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.paths import ROOT
from tests.run import UNIT
from tests.runner.execution import PYTEST

FOLDER = ROOT / "build" / "coverage"
COUNTED = ("covered_lines", "num_statements", "covered_branches", "num_branches")
# By how much a result has to exceed the floor for that to be raised.
POINTS = 1.0


def package_of(path: str) -> str:
    """The room of a file: two folders at most, one where there is only one."""
    return "/".join(Path(path).parent.parts[:2])


def by_package(files: dict[str, Any]) -> dict[str, dict[str, int]]:
    """The counts of each package, from coverage's JSON."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COUNTED, 0))
    for path, entry in files.items():
        for name in COUNTED:
            found[package_of(path)][name] += entry["summary"][name]
    return dict(sorted(found.items()))


def percent(counts: dict[str, Any]) -> float:
    """Of lines and branches together, as coverage counts; of nothing all is covered."""
    possible = counts["num_statements"] + counts["num_branches"]
    done = counts["covered_lines"] + counts["covered_branches"]
    return 100.0 * float(done) / possible if possible else 100.0


def line(name: str, counts: dict[str, Any]) -> str:
    lines = f"{counts['covered_lines']}/{counts['num_statements']}"
    branches = f"{counts['covered_branches']}/{counts['num_branches']}"
    return f"{name:<28} {lines:>13} {branches:>13} {percent(counts):>7.1f}"


def verdict(found: float, floor: float) -> tuple[bool, str]:
    """Whether the floor holds, and what to do about it; it only rises."""
    if found < floor:
        return False, f"{found:.1f}% is below the floor of {floor:g}%: test what was added"
    if found >= floor + POINTS:
        raised = int(found * 2) / 2
        return (
            True,
            f"{found:.1f}%: raise fail_under in pyproject.toml from {floor:g} to {raised:g}",
        )
    return True, f"{found:.1f}%, and {floor:g}% is the floor"


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    chosen = sys.argv[1:]
    arguments = chosen or list(UNIT.argv[len(PYTEST) :])
    environment = {**os.environ, "TRAINED_FOLDER": str(FOLDER / "trained")}
    coverage = (sys.executable, "-m", "coverage")
    tests = subprocess.run(
        [*coverage, "run", "-m", "pytest", *arguments], cwd=ROOT, env=environment, check=False
    )
    report = FOLDER / "coverage.json"
    for command in (("combine", "--quiet"), ("json", "--quiet", "--fail-under=0", "-o", report)):
        subprocess.run([*coverage, *command], cwd=ROOT, check=True)
    content = json.loads(report.read_text("utf-8"))
    print(f"\n{'package':<28} {'lines':>13} {'branches':>13} {'percent':>7}")
    for name, counts in by_package(content["files"]).items():
        print(line(name, counts))
    print(line("all", content["totals"]))
    if chosen:
        return tests.returncode
    with (ROOT / "pyproject.toml").open("rb") as stream:
        floor = tomllib.load(stream)["tool"]["coverage"]["report"]["fail_under"]
    holds, text = verdict(percent(content["totals"]), floor)
    print(text)
    if tests.returncode:
        print(f"FAILED: tests ended with exit code {tests.returncode}")
    return 0 if holds and not tests.returncode else 1


if __name__ == "__main__":
    sys.exit(main())
