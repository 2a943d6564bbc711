"""Where a model comes from: the commit, with the time that its bundle carries, and its sample."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modelctl.errors import ModelctlError

# The file that says it where there is no git, as in the image of the trainer:
# {"iris": {"commit": ..., "created": ...}}
RECORD = "MODEL_ORIGINS"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

# Beside the training code, but not inputs of it: see `quality/metric_baselines.py` and
# `quality/data_expectations.py`.
QUALITY_FILES = ("baseline.yaml", "data.yaml")


def sample_in(folder: Path) -> Path:
    """The sample of a training: sample.csv, or sample.parquet."""
    parquet = folder / "sample.parquet"
    return parquet if parquet.is_file() else folder / "sample.csv"


def origin(folder: Path) -> tuple[str | None, str | None]:
    """The commit that last changed a folder, and its time; never the current time.

    SOURCE_DATE_EPOCH (seconds) overrides the commit's time, as in reproducible builds. Without a
    repository the file in MODEL_ORIGINS says both. Raises ModelctlError for a damaged one.
    """
    # A new metric baseline or data expectation does not change the model, nor its digest.
    paths = (".", *(f":(exclude,glob)**/{name}" for name in QUALITY_FILES))
    line = _git(folder, "log", "-1", "--format=%H %ct", "--", *paths)
    commit, epoch = line.split() if line else (None, None)
    if commit and _git(folder, "status", "--porcelain", "--", *paths):
        commit = f"{commit}-dirty"
    created = None
    if not line and (record := os.environ.get(RECORD)):
        commit, created = _recorded(Path(record), folder.name)
    if epoch := os.environ.get("SOURCE_DATE_EPOCH") or epoch:
        created = datetime.fromtimestamp(int(epoch), UTC).strftime(TIME_FORMAT)
    return commit, created


def as_record(commit: str | None, created: str | None) -> dict[str, str | None]:
    """What the file of MODEL_ORIGINS says of one model."""
    return {"commit": commit, "created": created}


def _recorded(path: Path, model: str) -> tuple[str | None, str | None]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        entry = document.get(model, as_record(None, None))
        return entry["commit"], entry["created"]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelctlError(
            f"{RECORD}={path} does not say where models come from",
            expected='{"MODEL": {"commit": ..., "created": ...}}',
            found=f"{type(error).__name__}: {error}",
            fix=f"unset {RECORD}, or build the image again with `make trainer-image`",
        ) from error


def _git(folder: Path, *arguments: str) -> str:
    """The output of git; empty without a repository or git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
