"""Explain why a pickle cannot be loaded: another version, a missing module, a damaged file.

Reads the file with `pickles`, which runs nothing of it. The explanations are errors with what was
expected, what was found, and what to do.
"""

from __future__ import annotations

import pickle
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError
from modelctl.packaging.pickles import (
    COMPRESSED,
    SIDE_FILES,
    Facts,
    protocol,
    read_facts,
)

if TYPE_CHECKING:
    from pathlib import Path

# Modules of the service and of this command: a pickle's own cannot have their names.
OURS = frozenset({"app", "modelctl"})
EXPECTED = "a fitted estimator written by joblib.dump, with its classes installed here"
GUIDE = "docs/how-to/own-joblib.md"
MAX_TEXT = 300
# Python Package Index names that differ from the module's.
PACKAGES = {
    "category_encoders": "category-encoders",
    "imblearn": "imbalanced-learn",
    "sklearn_pandas": "sklearn-pandas",
    "sksurv": "scikit-survival",
    "skopt": "scikit-optimize",
    "yaml": "pyyaml",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
}
DAMAGED = (
    EOFError,
    pickle.UnpicklingError,
    MemoryError,
    IndexError,
    OverflowError,
    UnicodeDecodeError,
)
DAMAGED_WORDS = re.compile(
    "truncated|ran out of|end-of-stream|CRC check|Error -[0-9]+ while decompressing|"
    "Invalid data stream|Corrupt|could not convert|buffer size|invalid load key|pickle exhausted|"
    "frame exhausted|past end|invalid stored block"
)


def explained(path: Path, data: bytes, error: BaseException) -> ModelctlError:
    """The error that a failed load of `path` ends in. Never raises."""
    facts = read_facts(data)
    other = [v for v in facts.versions if v != version("scikit-learn")]
    original = getattr(error, "original_sklearn_version", None)
    if original or other:
        return _other_version(path, str(original or other[0]), facts)
    for explain in (
        _newer_protocol,
        _side_file,
        _main,
        _same_name,
        _missing,
        _damaged,
        _numpy,
        _moved,
    ):
        known = explain(path, data, error, facts)
        if known is not None:
            return known
    return _cannot_load(
        path,
        error,
        "write it again here with joblib.dump, with the locked libraries (requirements/)",
    )


def has_side_files(data: bytes) -> bool:
    """Whether joblib before 0.10 wrote it, with arrays in files of their own."""
    if b"NDArrayWrapper" not in data[: 1 << 20] and not data.startswith(b"ZF"):
        return False
    return data.startswith(b"ZF") or bool(read_facts(data).names & SIDE_FILES)


def described(value: Any) -> str:
    """An object in words: a dict, the function f, an object of class C."""
    if isinstance(value, dict | list | tuple):
        return f"a {type(value).__name__}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function `{value.__name__}`"
    return f"an object of class {type(value).__module__}.{type(value).__qualname__}"


def _other_version(path: Path, fitted: str, facts: Facts) -> ModelctlError:
    installed = version("scikit-learn")
    part = facts.versions.get(fitted)
    return ModelctlError(
        f"{path} was written with scikit-learn {fitted}",
        expected=f"scikit-learn {installed}, which is installed here: pickles are for one version",
        found=f"{part} of scikit-learn {fitted}" if part else f"scikit-learn {fitted}",
        fix=f"train again with scikit-learn {installed}, or package it in an environment that has "
        f"scikit-learn {fitted} ({GUIDE})",
    )


def _newer_protocol(
    path: Path, data: bytes, _error: BaseException, _facts: Facts
) -> ModelctlError | None:
    number = protocol(data)
    if number is None or number <= pickle.HIGHEST_PROTOCOL:
        return None
    return ModelctlError(
        f"{path} was written by a newer Python",
        expected=f"pickle protocol {pickle.HIGHEST_PROTOCOL} or older",
        found=f"protocol {number}",
        fix="write it with the Python version here: `joblib.dump(model, 'model.joblib', "
        f"protocol={pickle.HIGHEST_PROTOCOL})`",
    )


def _side_file(
    path: Path, data: bytes, error: BaseException, _facts: Facts
) -> ModelctlError | None:
    if not isinstance(error, FileNotFoundError) and not has_side_files(data):
        return None
    missing = getattr(error, "filename", None) or "the files of its arrays"
    return ModelctlError(
        f"{path} is one of several files that joblib before 0.10 wrote",
        expected=f"{missing} beside it",
        found=_text(error),
        fix="copy all of them; better: load it where it was written, and write it again with "
        "joblib 1 and scikit-learn " + version("scikit-learn"),
    )


def _main(path: Path, _data: bytes, error: BaseException, facts: Facts) -> ModelctlError | None:
    if not isinstance(error, AttributeError | ImportError) or "__main__" not in str(error):
        return None
    names = facts.names_of("__main__")
    own = ", ".join(names[:3]) if names else "a class or function"
    return ModelctlError(
        f"{path} cannot be loaded: it needs {own} of the training script",
        expected=EXPECTED,
        found=_text(error),
        fix="move that class or function from the training script into a module (steps.py), import "
        f"it from there, train again, and keep that module beside the model ({GUIDE})",
    )


def _same_name(
    path: Path, _data: bytes, error: BaseException, facts: Facts
) -> ModelctlError | None:
    """A module of the user's own that is called as the service's or as this command's."""
    names = {module.partition(".")[0] for module in facts.modules} & OURS
    if not isinstance(error, AttributeError | ImportError) or not names:
        return None
    name = min(names)
    return ModelctlError(
        f"{path} cannot be loaded: its module '{name}' has the name of one of this project",
        expected=EXPECTED,
        found=_text(error),
        fix=f"rename your module '{name}', and train again",
    )


def _missing(path: Path, _data: bytes, error: BaseException, _facts: Facts) -> ModelctlError | None:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    name = error.name.split(".")[0]
    if name in ("sklearn", "numpy", "pandas", "scipy") or not name.isidentifier():
        return None
    folder = _folder_of(name, path)
    if folder is not None:
        fix = f"copy {name} from {folder} beside the model, or set PYTHONPATH={folder}"
    else:
        fix = (
            f"`pip install {PACKAGES.get(name, name)}` here if it is a published library; if it is "
            f"yours, put {name}.py beside the model ({GUIDE})"
        )
    return ModelctlError(
        f"{path} cannot be loaded: it needs the module '{error.name}'",
        expected=EXPECTED,
        found=_text(error),
        fix=fix,
    )


def _folder_of(name: str, path: Path) -> Path | None:
    """The nearest folder, from the file's upwards, that has that module."""
    for folder in list(path.absolute().parents)[:3]:
        if (folder / f"{name}.py").is_file() or (folder / name).is_dir():
            return folder
    return None


def _damaged(path: Path, data: bytes, error: BaseException, facts: Facts) -> ModelctlError | None:
    if "LZ4" in str(error):
        return _cannot_load(path, error, "`pip install lz4` here, or write it without compression")
    if protocol(data) is None and not facts.names and not data.startswith(COMPRESSED):
        return ModelctlError(
            f"{path} is not a joblib or pickle file",
            expected=EXPECTED,
            found=f"{len(data):,} bytes that begin with {data[:8]!r}",
            fix="write the fitted estimator with `joblib.dump(model, 'model.joblib')`",
        )
    if "python 2" in str(error):
        return ModelctlError(
            f"{path} was written by Python 2",
            expected=EXPECTED,
            found=_text(error),
            fix="train again with Python 3 and scikit-learn " + version("scikit-learn"),
        )
    if isinstance(error, AttributeError | ImportError):
        return None
    if not isinstance(error, DAMAGED) and not DAMAGED_WORDS.search(str(error)):
        return None
    return ModelctlError(
        f"{path} is truncated or damaged",
        expected="a complete pickle",
        found=f"{_text(error)}, in {len(data):,} bytes",
        fix="copy it again, and compare its size or SHA-256 with the original",
    )


def _numpy(path: Path, _data: bytes, error: BaseException, facts: Facts) -> ModelctlError | None:
    """Random states and dtypes of numpy are not portable between its major versions."""
    text = f"{getattr(error, 'name', '')} {error}"
    if "numpy" not in text and "BitGenerator" not in text and "MT19937" not in text:
        return None
    written = "2" if any(m.startswith("numpy._core") for m in facts.modules) else "1"
    return ModelctlError(
        f"{path} was written with another numpy",
        expected=f"numpy {version('numpy')}, which is installed here",
        found=f"{_text(error)}; written by numpy {written}",
        fix=f"train again with numpy {version('numpy')}, or package it in an environment with the "
        f"numpy that wrote it ({GUIDE})",
    )


def _moved(path: Path, _data: bytes, error: BaseException, _facts: Facts) -> ModelctlError | None:
    """A class that this version of an installed library does not have."""
    if not isinstance(error, AttributeError | ImportError):
        return None
    return _cannot_load(
        path,
        error,
        "install the version of that library that wrote the file, or train again with this one",
    )


def _cannot_load(path: Path, error: BaseException, fix: str) -> ModelctlError:
    return ModelctlError(f"{path} cannot be loaded", expected=EXPECTED, found=_text(error), fix=fix)


def _text(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:MAX_TEXT] if text else type(error).__name__
