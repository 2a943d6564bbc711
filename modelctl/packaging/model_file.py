"""Load the fitted estimator from its file, or say in one error what the file is and what to do.

Unpickling runs the code of the file's classes, so load files of people you trust. What fails is
explained from the file's own bytes (`formats`, `pickles`), which runs nothing.
"""

from __future__ import annotations

import io
import stat
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import joblib
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from modelctl.errors import ModelctlError
from modelctl.packaging import load_errors
from modelctl.packaging.formats import other_format

if TYPE_CHECKING:
    from pathlib import Path

DUMP = "`joblib.dump(model, 'model.joblib')`"
# What makes an object an estimator; whether it answers new rows is asked later (`outputs`).
METHODS = ("predict", "fit")
MAX_SHOWN = 8


@dataclass(frozen=True)
class ModelFile:
    """A loaded estimator, and the bytes that the sklearn engine loads it from again."""

    estimator: Any
    data: bytes


def load(path: Path, key: str = "") -> ModelFile:
    """Load the estimator. Raises ModelctlError, whatever the file is.

    `key` names the estimator inside a dict, list or tuple: `model`, `0`, or `models.price` for one
    inside another.
    """
    data = _read(path)
    found = other_format(data)
    if found is not None:
        raise ModelctlError(
            f"{path} is {found.name}",
            expected=f"a fitted estimator written by {DUMP}",
            found=f"{len(data):,} bytes",
            fix=found.fix.replace("FILE", str(path)),
        )
    loaded = _unpickled(path, data)
    estimator = _taken(path, loaded, key)
    _require_model(path, estimator)
    _require_fitted(path, estimator)
    if estimator is not loaded or load_errors.has_side_files(data):
        # The pod loads one file, with the estimator itself in it.
        stream = io.BytesIO()
        joblib.dump(estimator, stream)
        data = stream.getvalue()
    return ModelFile(estimator, data)


def _read(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ModelctlError(
                f"{path} is not a file",
                expected=f"a file written by {DUMP}",
                found="a folder" if stat.S_ISDIR(mode) else "a device, pipe or socket",
                fix="pass the path of the joblib or pickle file",
            )
        data = path.read_bytes()
    except OSError as error:
        raise ModelctlError(
            f"the fitted estimator cannot be read: {path}", found=error.strerror or str(error)
        ) from error
    if not data:
        raise ModelctlError(
            f"{path} is empty",
            expected=f"a fitted estimator written by {DUMP}",
            found="0 bytes",
            fix="write it again; the program that wrote it may have been stopped",
        )
    return data


def _unpickled(path: Path, data: bytes) -> Any:
    with warnings.catch_warnings():
        # scikit-learn warns of a pickle of another version and goes on; its predictions may differ.
        warnings.simplefilter("error", InconsistentVersionWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        try:
            # Only the oldest format needs the path: its arrays are in files beside it.
            return joblib.load(path if load_errors.has_side_files(data) else io.BytesIO(data))
        except (Exception, SystemExit) as error:  # unpickling runs and imports the classes' code
            raise load_errors.explained(path, data, error) from error


def _taken(path: Path, loaded: Any, key: str) -> Any:
    """The object at `key` of a container; without a key, the object itself."""
    value = loaded
    for part in key.split(".") if key else ():
        entries = _entries(value)
        if part not in entries:
            raise ModelctlError(
                f"{path} has no entry '{key}'",
                expected=f"one of {_listed(entries)}" if entries else "a dict, list or tuple",
                found=f"{load_errors.described(value)}, without '{part}'",
                fix="correct --key, or `source.model.key` in model.yaml",
            )
        value = entries[part]
    entries = _entries(value)
    if entries or isinstance(value, dict | list | tuple):
        raise _container_error(path, key, value, entries)
    return value


def _entries(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {str(name): entry for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return {str(index): entry for index, entry in enumerate(value)}
    return {}


def _container_error(path: Path, key: str, value: Any, entries: dict[str, Any]) -> ModelctlError:
    prefix = f"{key}." if key else ""
    fitted = [name for name, entry in entries.items() if _is_model(entry)]
    # A scaler beside a model is a part of it; without any model, it may be meant itself.
    named = [name for name in fitted if callable(_attribute(entries[name], "predict"))] or fitted
    models = [prefix + name for name in named]
    others = [name for name in entries if name not in named]
    inner = [prefix + name for name, entry in entries.items() if _entries(entry)]
    if len(models) == 1:
        fix = f"pass --key {models[0]}"
        if others:
            fix += f"; {_listed(others)} will not be part of the bundle"
    elif models:
        fix = (
            "put every step into one Pipeline, fit it and write that; or pass "
            f"{' or '.join(f'--key {name}' for name in models[:3])} if one of them is the model"
        )
    elif inner:
        fix = f"pass --key with the way to the model, such as --key {inner[0]}.<name>"
    else:
        fix = f"write the fitted estimator itself: {DUMP}"
    return ModelctlError(
        f"{path} contains {load_errors.described(value)}, not an estimator",
        expected="a fitted estimator",
        found=f"entries {_shown_entries(entries)}" if entries else "no entries",
        fix=fix,
    )


def _shown_entries(entries: dict[str, Any]) -> str:
    shown = [f"{name}: {type(entry).__name__}" for name, entry in entries.items()]
    return _listed(shown)


def _listed(names: Any) -> str:
    names = list(names)
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more


def _is_model(value: Any) -> bool:
    return not isinstance(value, type) and any(callable(_attribute(value, m)) for m in METHODS)


def _attribute(value: Any, name: str) -> Any:
    """An attribute, or None: a class may compute it, and raise whatever it likes."""
    try:
        return getattr(value, name, None)
    except Exception:
        return None


def _require_model(path: Path, value: Any) -> None:
    """Raise ModelctlError for everything that is not an estimator."""
    if isinstance(value, type):
        found, fix = (
            f"the class {value.__name__}",
            f"fit an object of it, and write that: `model = {value.__name__}(...).fit(X, y)`, then "
            f"{DUMP}",
        )
    elif (owner := _attribute(value, "__self__")) is not None and _is_model(owner):
        found, fix = (
            f"the method `{value.__name__}` of {type(owner).__name__}",
            f"write the object itself, not its method: {DUMP}",
        )
    elif not _is_model(value):
        found = load_errors.described(value)
        fix = (
            "write the fitted estimator; steps around it belong into a Pipeline, functions into a "
            "FunctionTransformer of an importable module"
        )
    else:
        return
    raise ModelctlError(
        f"{path} does not contain an estimator",
        expected="an object with `predict`",
        found=found,
        fix=fix,
    )


def _require_fitted(path: Path, estimator: Any) -> None:
    unfitted = _unfitted(estimator)
    if unfitted:
        raise ModelctlError(
            f"the model in {path} is not fitted",
            expected="a fitted estimator",
            found=f"{unfitted}, which has learned nothing yet",
            fix="call fit before joblib.dump",
        )


def _unfitted(estimator: Any) -> str:
    """The name of the first unfitted part; empty if there is none, or if it cannot be known."""
    steps = getattr(estimator, "steps", None)
    if isinstance(steps, list) and type(estimator).__name__ == "Pipeline":
        inner = [step[1] for step in steps if not isinstance(step[1], str | None)]
        return next(filter(None, map(_unfitted, inner)), "")
    # Classes of others need not keep scikit-learn's convention of a trailing underscore.
    if not type(estimator).__module__.startswith("sklearn."):
        return ""
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return type(estimator).__name__
    except Exception:  # it asks the estimator, which may be a user's subclass inside
        return ""
    return ""
