"""Where a model comes from: the commit, with the time that its bundle carries, and its sample."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Beside the training code, but not inputs of it: see `quality/metric_baselines.py` and
# `quality/data_expectations.py`.
QUALITY_FILES = ("baseline.yaml", "data.yaml")


def sample_in(folder: Path) -> Path:
    """The sample of a training: sample.csv, or sample.parquet."""
    parquet = folder / "sample.parquet"
    return parquet if parquet.is_file() else folder / "sample.csv"


def origin(folder: Path) -> tuple[str | None, str | None]:
    """The commit that last changed a folder, and its time; never the current time.

    SOURCE_DATE_EPOCH (seconds) overrides the commit's time, as in reproducible builds.
    """
    # A new metric baseline or data expectation does not change the model, nor its digest.
    paths = (".", *(f":(exclude,glob)**/{name}" for name in QUALITY_FILES))
    line = _git(folder, "log", "-1", "--format=%H %ct", "--", *paths)
    commit, epoch = line.split() if line else (None, None)
    if commit and _git(folder, "status", "--porcelain", "--", *paths):
        commit = f"{commit}-dirty"
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or epoch
    if not epoch:
        return commit, None
    return commit, datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _git(folder: Path, *arguments: str) -> str:
    """The output of git; empty without a repository or git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
