"""Read the output of a training: a fitted estimator, a sample of its data, and their metadata."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import joblib
from ruamel.yaml import YAML

from modelctl.errors import ModelctlError
from modelctl.packaging.alignment import text_columns
from modelctl.packaging.input_rules import read_rules
from modelctl.packaging.outputs import ensure_answers
from modelctl.packaging.samples import read_sample

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from modelctl.packaging.input_rules import InputRules

# Beside the training code, but not inputs of it: see `quality/metric_baselines.py` and
# `quality/data_expectations.py`.
QUALITY_FILES = ("baseline.yaml", "data.yaml")


@dataclass(frozen=True)
class Request:
    """The options of `modelctl package`; None and empty mean "not given"."""

    path: Path
    sample: Path | None = None
    config: Path | None = None
    metrics: Path | None = None
    name: str = ""
    version: str = ""
    # The name of the target's column, or of several targets'.
    target: str | tuple[str, ...] = ""


@dataclass(frozen=True)
class TrainingOutput:
    """The inputs of packaging."""

    name: str
    version: str
    description: str
    target: str | tuple[str, ...]
    estimator: Any
    model_bytes: bytes
    features: pd.DataFrame
    labels: pd.Series[Any] | None
    rules: InputRules
    metrics: dict[str, Any]
    training: dict[str, Any]
    created: str | None = field(default=None)


def read_training_output(request: Request) -> TrainingOutput:
    """Read all inputs. Raises ModelctlError.

    `request.path` is a joblib file, or a folder with model.joblib and sample.csv.
    """
    folder = request.path if request.path.is_dir() else request.path.parent
    model = folder / "model.joblib" if request.path.is_dir() else request.path
    sample = request.sample or folder / "sample.csv"
    config = _config(request.config)
    name = request.name or str(config.get("name", ""))
    version = request.version or str(config.get("version", ""))
    if not name or not version:
        raise ModelctlError(
            "the model's name or version is missing",
            found=f"name {name!r}, version {version!r}",
            fix="pass --name and --version, or --config models/<name>/model.yaml",
        )
    model_bytes = _read(model, "the fitted estimator")
    estimator = _estimator(model)
    rules = read_rules(config)
    target = request.target or _targets(config.get("target", ""))
    columns = [target] if isinstance(target, str) else list(target)
    frame = read_sample(sample, lambda names: _texts(estimator, names, columns, rules))
    commit, created = origin(request.config.parent if request.config else folder)
    return TrainingOutput(
        name=name,
        version=version,
        description=str(config.get("description", "")),
        target=target or "prediction",
        estimator=estimator,
        model_bytes=model_bytes,
        features=frame.drop(columns=[name for name in columns if name in frame.columns]),
        labels=frame[target] if isinstance(target, str) and target in frame.columns else None,
        rules=rules,
        metrics=_metrics(request.metrics or folder / "evaluation.json", request.metrics),
        training={
            "rows": len(frame),
            "data_sha256": hashlib.sha256(_read(sample, "the sample")).hexdigest(),
            "commit": commit,
        },
        created=created,
    )


def _texts(
    estimator: Any, columns: list[str], targets: list[str], rules: InputRules
) -> dict[str, list[str]]:
    """The columns of strings in the sample: by the fitted steps, and by model.yaml."""
    texts = text_columns(estimator, [name for name in columns if name not in targets])
    named = {
        name: texts.get(name, []) for name, rule in rules.inputs.items() if rule.dtype == "string"
    }
    return {name: values for name, values in (texts | named).items() if name in columns}


def _config(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    document = YAML(typ="safe").load(_read(path, "the model's configuration").decode())
    if not isinstance(document, dict):
        raise ModelctlError(f"{path} is not a mapping", expected="name, version, target as keys")
    return document


def _targets(value: Any) -> str | tuple[str, ...]:
    """`target` of model.yaml: a name, or a list of the names of several targets."""
    if isinstance(value, list):
        return str(value[0]) if len(value) == 1 else tuple(map(str, value))
    return str(value)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelctlError(
            f"{what} cannot be read: {path}", found=error.strerror or str(error)
        ) from error


def _estimator(path: Path) -> Any:
    try:
        estimator = joblib.load(path)
    except Exception as error:  # unpickling runs whatever the estimator's classes do
        raise ModelctlError(
            f"{path} cannot be loaded",
            expected="a fitted estimator written by joblib.dump, with its classes installed here",
            found=f"{type(error).__name__}: {error}"[:500],
            fix=_remedy(error),
        ) from error
    ensure_answers(estimator, str(path))
    return estimator


def _remedy(error: Exception) -> str:
    if "__main__" in str(error):
        return (
            "move that class or function from the training script into a module (steps.py), import "
            "it from there, train again, and run `PYTHONPATH=<its folder> modelctl package ...`"
        )
    if isinstance(error, ImportError):
        return "install that module here, or run `PYTHONPATH=<its folder> modelctl package ...`"
    return "train with the locked scikit-learn (requirements/), and pass a file of joblib.dump"


def _metrics(path: Path, asked_for: Path | None) -> dict[str, Any]:
    if asked_for is None and not path.exists():
        return {}
    try:
        document = json.loads(_read(path, "the evaluation"))
    except ValueError as error:
        raise ModelctlError(f"{path} is not JSON", found=str(error)) from error
    if not isinstance(document, dict):
        raise ModelctlError(f"{path} is not an object", expected='{"accuracy": 0.97, ...}')
    return document


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
