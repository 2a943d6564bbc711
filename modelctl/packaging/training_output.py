"""Read the output of a training: a fitted estimator, a sample of its data, and their metadata."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError
from modelctl.packaging import model_file
from modelctl.packaging.alignment import text_columns
from modelctl.packaging.answerable import ensure_answers
from modelctl.packaging.codes import ensure_no_codes
from modelctl.packaging.explanations import read_rule
from modelctl.packaging.input_rules import read_rules
from modelctl.packaging.origins import origin, sample_in
from modelctl.packaging.own_code import look_in
from modelctl.packaging.samples import read_sample
from modelctl.packaging.sources import read_config

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from modelctl.packaging.explanations import ExplainRule
    from modelctl.packaging.input_rules import InputRules

MODEL = "model.joblib"


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
    key: str = ""
    # A folder with modules that the model's file needs, beside that of the file and of --config.
    code: Path | None = None
    # Whether the bundle gets a background of rows for explanations, whatever model.yaml says.
    explain: bool = False


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
    # Named targets that the sample does not have.
    absent_targets: list[str]
    rules: InputRules
    metrics: dict[str, Any]
    training: dict[str, Any]
    created: str | None = field(default=None)
    # How predictions are explained; None: not at all.
    explain: ExplainRule | None = None


def read_training_output(request: Request) -> TrainingOutput:
    """Read all inputs. Raises ModelctlError.

    `request.path` is a joblib file, or a folder with model.joblib and sample.csv.
    """
    folder = request.path if request.path.is_dir() else request.path.parent
    model = _model_path(request.path)
    sample = request.sample or sample_in(folder)
    config = read_config(request.config) if request.config else {}
    name = request.name or str(config.get("name", ""))
    version = request.version or str(config.get("version", ""))
    if not name or not version:
        raise ModelctlError(
            "the model's name or version is missing",
            found=f"name {name!r}, version {version!r}",
            fix="pass --name and --version, or --config models/<name>/model.yaml",
        )
    for place in (request.code, request.config and request.config.parent, folder):
        if place is not None:
            look_in(place)
    loaded = model_file.load(model, request.key)
    estimator = loaded.estimator
    ensure_answers(estimator, str(model))
    rules = read_rules(config)
    target = request.target or named_targets(config.get("target", ""))
    columns = [name for name in ([target] if isinstance(target, str) else target) if name]
    frame = read_sample(sample, lambda names: _texts(estimator, names, columns, rules))
    features = frame.drop(columns=[name for name in columns if name in frame.columns])
    ensure_no_codes(sample, features, estimator, rules)
    commit, created = origin(request.config.parent if request.config else folder)
    return TrainingOutput(
        name=name,
        version=version,
        description=str(config.get("description", "")),
        target=target or "prediction",
        estimator=estimator,
        model_bytes=loaded.data,
        features=features,
        labels=frame[target] if isinstance(target, str) and target in frame.columns else None,
        absent_targets=[name for name in columns if name not in frame.columns],
        rules=rules,
        metrics=_metrics(request.metrics or folder / "evaluation.json", request.metrics),
        training={
            "rows": len(frame),
            "data_sha256": hashlib.sha256(_read(sample, "the sample")).hexdigest(),
            "commit": commit,
        },
        created=created,
        explain=read_rule(config, asked=request.explain),
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


def named_targets(value: Any) -> str | tuple[str, ...]:
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


def _model_path(path: Path) -> Path:
    """The model file: `path` itself, or model.joblib in that folder. Raises ModelctlError."""
    if not path.is_dir() or (path / MODEL).exists():
        return path / MODEL if path.is_dir() else path
    names = sorted(each.name for each in path.iterdir())
    others = [name for name in names if name.endswith((".joblib", ".pkl", ".pickle", ".skops"))]
    raise ModelctlError(
        f"{path} has no {MODEL}",
        expected="a joblib file, or a folder with model.joblib and sample.csv",
        found=", ".join(names[:8]) or "an empty folder",
        fix=f"pass {path / others[0]} and --sample" if others else "pass the path of the model",
    )


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
