"""How long `modelctl check` takes with 2, 100 and 1,000 models: all of it, and one model's change.

    python -m benchmarks.check [--models 2 100 1000] [--runs 5]

A required check of every pull request must not get slower with every model: the time of
`check --base` at 1,000 models is held to 1.5 times that at 2. Runs in one process, so that what
Python needs to start does not hide the difference.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl import changes, check, gitrepo
from modelctl.environments import FILE, Repository

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
SIZES = (2, 100, 1000)
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
    """A repository with that many models in each environment of ours, one of them changed."""
    (folder / "charts/ml-model").mkdir(parents=True)
    for name in ("values.yaml", "Chart.yaml"):
        text = (ROOT / "charts/ml-model" / name).read_text(encoding="utf-8")
        (folder / "charts/ml-model" / name).write_text(text, encoding="utf-8")
    (folder / FILE).parent.mkdir()
    (folder / FILE).write_text((ROOT / FILE).read_text(encoding="utf-8"), encoding="utf-8")
    repository = Repository.find(folder)
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
    """Run git there."""
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def one_change(repository: Repository) -> None:
    """What `check --base HEAD` does."""
    changed = changes.since(repository, gitrepo.merge_base(repository.root, "HEAD"))
    problems = check.problems(repository, changed)
    problems += changes.problems(repository, changed, datetime.now(UTC))
    assert len(changed.names) == 1  # noqa: S101
    assert problems == [], problems  # noqa: S101 - a check that fails early would look fast


def everything(repository: Repository) -> None:
    """What `check` does."""
    problems = check.problems(repository)
    assert problems == [], problems  # noqa: S101


def seconds(work: Callable[[Repository], None], repository: Repository, runs: int) -> float:
    """The median of some runs, after one that warms the file cache."""
    work(repository)
    measured = []
    for _ in range(runs):
        started = time.perf_counter()
        work(repository)
        measured.append(time.perf_counter() - started)
    return statistics.median(measured)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, nargs="+", default=SIZES)
    parser.add_argument("--runs", type=int, default=RUNS)
    arguments = parser.parse_args()
    found = []
    print("| models | `check --base`, one model changed | `check`, everything | for each model |")
    print("|---|---|---|---|")
    for models in arguments.models:
        with tempfile.TemporaryDirectory(prefix="ml-model-check-") as name:
            repository = generate(Path(name), models)
            one = seconds(one_change, repository, arguments.runs)
            full = seconds(everything, repository, 1)
        found.append(one)
        each = 1000 * full / models
        print(f"| {models:,} | {1000 * one:.0f} ms | {full:.2f} s | {each:.1f} ms |", flush=True)
    ratio = found[-1] / found[0]
    print(f"\n{arguments.models[-1]:,} models against {arguments.models[0]}: {ratio:.2f} times")
    if ratio > TARGET_RATIO:
        print(f"slower than the target of {TARGET_RATIO} times", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
