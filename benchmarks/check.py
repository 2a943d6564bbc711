"""Measure `modelctl check` with 2 to 1,000 models: the full check, and the change of one model.

    python -m benchmarks.check [--models 2 100 500 1000] [--runs 5]

A required check of every pull request must not become slower with every model: the target for
`modelctl check --base` with 1,000 models is 1.5 times its time with 2. The time without the start
of Python and its libraries is shown separately.

Every round measures each size, and the fastest round counts: other programs only add time.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.promotion import branch_rules, check, merge_rules
from modelctl.repository import branch, codeowners
from modelctl.repository.checkout import Repository
from modelctl.repository.environments import FILE

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
SIZES = [2, 100, 500, 1000]
RUNS = 5
TARGET_RATIO = 1.5
VERSION = f"""\
image:
  repository: registry.example/model
  tag: 1.0.0
  digest: sha256:{"a" * 64}
model:
  version: 1.0.0
  digest: sha256:{"b" * 64}
chart:
  version: 0.1.0
"""


def generate(folder: Path, models: int) -> Repository:
    """Create a repository with that many models in each environment, one of them changed."""
    (folder / "charts/ml-model").mkdir(parents=True)
    for name in ("values.yaml", "Chart.yaml"):
        text = (ROOT / "charts/ml-model" / name).read_text(encoding="utf-8")
        (folder / "charts/ml-model" / name).write_text(text, encoding="utf-8")
    (folder / FILE).parent.mkdir()
    (folder / FILE).write_text((ROOT / FILE).read_text(encoding="utf-8"), encoding="utf-8")
    repository = Repository.find(folder)
    owners = folder / codeowners.FILE
    owners.parent.mkdir()
    owners.write_text(codeowners.text("", repository.environments), encoding="utf-8")
    for environment in repository.environments:
        home = folder / "environments" / environment.name
        home.mkdir()
        (home / "common.yaml").write_text("config:\n  logLevel: info\n", encoding="utf-8")
        for index in range(models):
            model = home / f"model-{index:04}"
            model.mkdir()
            (model / "settings.yaml").write_text("config:\n  maxBatchRows: 100\n", encoding="utf-8")
            (model / "capacity.yaml").write_text("replicaCount: 1\n", encoding="utf-8")
            (model / "version.yaml").write_text(VERSION, encoding="utf-8")
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, *identity, "commit", "--quiet", "--message", "start")
    first = repository.environments[0].name
    changed = folder / "environments" / first / "model-0000" / "version.yaml"
    changed.write_text(VERSION.replace("1.0.0", "1.1.0"), encoding="utf-8")
    return repository


def git(folder: Path, *arguments: str) -> None:
    """Run git in the repository."""
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def one_change(repository: Repository) -> None:
    """Do the work of `check --base HEAD`."""
    changed = branch.between(repository.root, "HEAD")
    problems = list(branch_rules.kind_violations(changed))
    problems += check.file_violations(repository, changed.changes)
    problems += merge_rules.judge(changed, datetime.now(UTC)).violations
    assert len(changed.changed) == 1  # noqa: S101
    assert problems == [], problems  # noqa: S101 - a check that fails early would look fast


def command(repository: Repository) -> None:
    """Run `check --base HEAD` as users and workflows do."""
    argv = [sys.executable, "-m", "modelctl", "check", "--base", "HEAD"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        argv, cwd=repository.root, env=environ, check=True, capture_output=True, text=True
    )
    assert done.stdout == "1 changed file: no problems\n", done.stdout  # noqa: S101


def everything(repository: Repository) -> None:
    """Do the work of `check`."""
    problems = check.file_violations(repository)
    assert problems == [], problems  # noqa: S101


def seconds(work: Callable[[Repository], None], repository: Repository) -> float:
    """Return the wall time of one call, in seconds."""
    started = time.perf_counter()
    work(repository)
    return time.perf_counter() - started


def processor_seconds(work: Callable[[Repository], None], repository: Repository) -> float:
    """Return the CPU time of one call: not affected by other programs, so once is enough."""
    started = time.process_time()
    work(repository)
    return time.process_time() - started


def fastest(work: Callable[[Repository], None], among: list[Repository], runs: int) -> list[float]:
    """Return the shortest time for each repository, after a run that warms the file cache."""
    for repository in among:
        work(repository)
    rounds = [[seconds(work, repository) for repository in among] for _ in range(runs)]
    return [min(times) for times in zip(*rounds, strict=True)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, nargs="+", default=SIZES)
    parser.add_argument("--runs", type=int, default=RUNS)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        among = []
        for models in arguments.models:
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="ml-model-check-"))
            among.append(generate(Path(name), models))
        commands = fastest(command, among, arguments.runs)
        works = fastest(one_change, among, arguments.runs)
        full = [processor_seconds(everything, repository) for repository in among]
    print("| models | `check --base`, one model changed | without start-up | `check`, CPU time |")
    print("|---|---|---|---|")
    for models, one, work, all_of in zip(arguments.models, commands, works, full, strict=True):
        print(f"| {models:,} | {1000 * one:.0f} ms | {1000 * work:.0f} ms | {all_of:.2f} s |")
    print(f"\n`check` per additional model: {', '.join(slopes(arguments.models, full))}")
    ratio = commands[-1] / commands[0]
    print(
        f"{arguments.models[-1]:,} models take {ratio:.2f} times as long as {arguments.models[0]}"
    )
    if ratio > TARGET_RATIO:
        print(f"target missed: expected at most {TARGET_RATIO} times", file=sys.stderr)
        return 1
    return 0


def slopes(models: list[int], full: list[float]) -> list[str]:
    """Return the time per additional model between sizes: constant when growth is linear."""
    steps = itertools.pairwise(zip(models, full, strict=True))
    return [
        f"{1000 * (t2 - t1) / (n2 - n1):.1f} ms from {n1:,} to {n2:,}"
        for (n1, t1), (n2, t2) in steps
    ]


if __name__ == "__main__":
    sys.exit(main())
