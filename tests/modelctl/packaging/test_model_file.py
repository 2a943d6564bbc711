"""Loading the file of a model: every kind of file ends in a model or in one error with a fix."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import pickle
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import joblib
import numpy as np
import onnx
import pandas as pd
import pytest
import sklearn
from click.testing import CliRunner
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelctl.cli import cli
from modelctl.errors import ModelctlError
from modelctl.packaging.model_file import load
from modelctl.packaging.pickles import read_facts
from tests import trained

FILES = Path(__file__).parent / "files"
ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.5]])
LABELS = np.array(["a", "b", "a", "b"])


def fitted() -> Any:
    """A small pipeline."""
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS)


def refusal(path: Path, key: str = "") -> ModelctlError:
    """The error in which loading ends, complete and with a way out."""
    with pytest.raises(ModelctlError) as refused:
        load(path, key)
    error = refused.value
    assert error.what.startswith((str(path), "the "))
    assert error.expected
    assert error.found
    assert error.fix
    assert "Traceback" not in str(error)
    return error


def plainly(pickler: Any) -> Callable[[Any, Path], None]:
    """Write with a module that has `dump(object, file)`."""

    def write(model: Any, path: Path) -> None:
        with path.open("wb") as stream:
            pickler.dump(model, stream)

    return write


def joblib_with(method: str) -> Callable[[Any, Path], Any]:
    """Write with a compression of joblib."""
    return lambda model, path: joblib.dump(model, path, compress=(method, 3))


def protocol(number: int) -> Callable[[Any, Path], Any]:
    """Write with a protocol of pickle."""
    return lambda model, path: path.write_bytes(pickle.dumps(model, number))


def squeezed(compress: Callable[[bytes], bytes]) -> Callable[[Any, Path], Any]:
    """Write a compressed plain pickle."""
    return lambda model, path: path.write_bytes(compress(pickle.dumps(model)))


METHODS = ("zlib", "gzip", "bz2", "lzma", "xz")
WRITERS: dict[str, Callable[[Any, Path], Any]] = {
    "joblib": joblib.dump,
    **{f"joblib-{method}": joblib_with(method) for method in METHODS},
    "pickle": plainly(pickle),
    **{f"pickle-{number}": protocol(number) for number in range(pickle.HIGHEST_PROTOCOL + 1)},
    "cloudpickle": plainly(cloudpickle),
    "gzip": squeezed(gzip.compress),
    "bz2": squeezed(bz2.compress),
    "lzma": squeezed(lzma.compress),
    "zlib": squeezed(zlib.compress),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("ending", ["joblib", "pkl", "pickle", "dat"])
def test_a_pickle_is_loaded_however_it_was_written(
    writer: str, ending: str, tmp_path: Path
) -> None:
    model = fitted()
    path = tmp_path / f"model.{ending}"
    WRITERS[writer](model, path)
    loaded = load(path)
    assert loaded.estimator.predict(ROWS).tolist() == model.predict(ROWS).tolist()
    assert loaded.data == path.read_bytes()


@pytest.mark.parametrize("path", sorted(FILES.glob("*.joblib")), ids=lambda path: path.name)
def test_a_pickle_of_another_scikit_learn_names_both_versions(path: Path) -> None:
    fitted_with = path.stem.partition("-")[2]
    error = refusal(path)
    assert error.what == f"{path} was written with scikit-learn {fitted_with}"
    assert f"scikit-learn {sklearn.__version__}" in error.expected
    assert error.fix.startswith(f"train again with scikit-learn {sklearn.__version__}, or package")
    assert f"scikit-learn {fitted_with}" in error.fix


def test_both_old_versions_are_tried() -> None:
    assert len(list(FILES.glob("*-1.1.3.joblib"))) == len(list(FILES.glob("*-1.5.2.joblib"))) == 2


def with_version(path: Path, version: bytes) -> Path:
    """A pickle as this scikit-learn of another version would write it."""
    text = pickle.dumps(fitted(), 4).replace(sklearn.__version__.encode(), version)
    path.write_bytes(text)
    return path


@pytest.mark.parametrize("version", ["1.9.0", "1.8.2", "2.0.0"])
def test_a_version_that_loads_without_an_exception_is_refused_too(
    version: str, tmp_path: Path
) -> None:
    error = refusal(with_version(tmp_path / "m.pkl", version.encode()))
    assert error.what.endswith(f"was written with scikit-learn {version}")


def test_a_class_that_has_moved_is_told_from_a_missing_module(tmp_path: Path) -> None:
    path = with_version(tmp_path / "m.pkl", b"0.1.9")
    moved = path.read_bytes().replace(
        b"sklearn.linear_model._logistic", b"sklearn.linear_model.logistics"
    )
    path.write_bytes(moved)
    assert refusal(path).what.endswith("was written with scikit-learn 0.1.9")


def test_facts_are_read_without_running_anything(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    inside = np.array([Bomb(), None], dtype=object)
    stream = io.BytesIO()
    joblib.dump({"model": fitted(), "bomb": Bomb(), "array": inside, "n": np.arange(9)}, stream)
    facts = read_facts(stream.getvalue())
    assert facts.error == ""
    assert list(facts.versions) == [sklearn.__version__]
    assert set(facts.root) == {"model", "bomb", "array", "n"}
    assert facts.root["n"].tolist() == list(range(9))
    assert not (tmp_path / "ran").exists()
    joblib.load(io.BytesIO(stream.getvalue()))
    assert (tmp_path / "ran").exists(), "the bomb does not go off, so nothing was shown"


def zipped(*names: str) -> bytes:
    """A ZIP archive with such members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    return stream.getvalue()


def tarred(mode: Any) -> bytes:
    """A tar archive with one file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        archive.addfile(tarfile.TarInfo("model.joblib"))
    return stream.getvalue()


def saved_array() -> bytes:
    """What numpy.save writes."""
    stream = io.BytesIO()
    np.save(stream, ROWS)
    return stream.getvalue()


def onnx_model() -> bytes:
    """A small ONNX model."""
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([node], "g", [value], [result])
    model: bytes = onnx.helper.make_model(graph).SerializeToString()
    return model


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12345\n"
OTHERS: dict[str, tuple[bytes, str, str]] = {
    "lfs": (POINTER, "is a pointer of Git LFS", "git lfs pull"),
    "dvc": (b"outs:\n- md5: aa\n", "is a DVC file", "dvc pull"),
    "empty": (b"", "is empty", "write it again"),
    "skops": (zipped("1.npy", "schema.json"), "is a skops file", "skops.io.get_untrusted_types"),
    "onnx": (onnx_model(), "is an ONNX model", "the fitted pipeline"),
    "h5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file", "another server"),
    "keras": (zipped("config.json", "model.weights.h5"), "is a Keras model", "another server"),
    "pt": (zipped("m/data.pkl", "m/version"), "is a PyTorch model", "another server"),
    "npz": (zipped("a.npy", "b.npy"), "is NumPy arrays", "joblib.dump"),
    "zip": (zipped("model.joblib"), "is a ZIP archive of model.joblib", "unpack it"),
    "broken zip": (zipped("a.npy")[:20], "is a truncated or damaged ZIP", "copy the file again"),
    "npy": (saved_array(), "is a NumPy array", "joblib.dump"),
    "tar": (tarred("w"), "is a tar archive", "unpack it"),
    "tar.gz": (tarred("w:gz"), "is a tar archive", "unpack it"),
    "html": (b"\n<!DOCTYPE html><html>Sign in", "is an HTML page", "download the file itself"),
    "json": (json.dumps({"learner": {}}).encode(), "is JSON", "load_model"),
    "catboost": (b"CBM1" + bytes(99), "CatBoost's own format", "load_model"),
    "lightgbm": (b"tree\nversion=v4\n", "LightGBM's own text format", "joblib.dump"),
    "parquet": (b"PAR1" + bytes(99), "is a Parquet file", "--sample"),
    "csv": (b"a,b,c\n1,2,3\n", "is a text with commas", "--sample"),
    "script": (b"import sklearn\n", "is source code", "run it"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(99), "is compressed with zstd", "unzstd"),
    "noise": (np.random.default_rng(1).bytes(500), "is not a joblib or pickle file", "joblib.dump"),
    "words": (b"hello\n", "is not a joblib or pickle file", "joblib.dump"),
    "zeros": (bytes(4096), "is not a joblib or pickle file", "joblib.dump"),
    "newer": (b"\x80\x63.", "was written by a newer Python", "protocol=5"),
    "damaged zlib": (
        zlib.compress(pickle.dumps(list(range(999))))[:99],
        "is truncated or damaged",
        "copy it",
    ),
    "damaged gzip": (
        gzip.compress(pickle.dumps(list(range(999))))[:99],
        "is truncated or damaged",
        "copy it",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_that_is_no_pickle_is_named(name: str, tmp_path: Path) -> None:
    data, what, fix = OTHERS[name]
    path = tmp_path / "model.joblib"
    path.write_bytes(data)
    error = refusal(path)
    assert what in error.what
    assert fix in error.fix


@pytest.mark.parametrize("compress", [0, 3])
def test_every_truncation_is_one_error(compress: int, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(RandomForestClassifier(3).fit(ROWS, LABELS), path, compress=compress)
    whole = path.read_bytes()
    for length in range(1, len(whole) - 16, max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        assert refusal(path).what.endswith(
            ("is truncated or damaged", "is not a joblib or pickle file", "cannot be loaded")
        )


def test_flipped_bytes_are_one_error_or_a_model(tmp_path: Path) -> None:
    whole = pickle.dumps(fitted())
    path = tmp_path / "model.pkl"
    draw = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole)
        data[int(draw.integers(len(data)))] ^= 1 << int(draw.integers(8))
        path.write_bytes(data)
        with contextlib.suppress(ModelctlError):
            load(path)


def test_a_folder_a_device_and_a_missing_file_are_no_models(tmp_path: Path) -> None:
    assert refusal(tmp_path).found == "a folder"
    assert refusal(Path("/dev/zero")).found == "a device, pipe or socket"
    with pytest.raises(ModelctlError, match="cannot be read"):
        load(tmp_path / "nothing")


SCALER = StandardScaler().fit(ROWS)
CONTAINERS: dict[str, tuple[Any, str, str]] = {
    "dict": ({"model": fitted(), "columns": ["a", "b"]}, "contains a dict", "pass --key model"),
    "tuple": ((fitted(), ["a"]), "contains a tuple", "pass --key 0"),
    "list": ([fitted()], "contains a list", "pass --key 0"),
    "nested": ({"eu": {"model": fitted()}}, "contains a dict", "--key eu.<name>"),
    "two": ({"price": fitted(), "risk": fitted()}, "contains a dict", "one Pipeline"),
    "no model": ({"a": 1, "b": 2}, "contains a dict", "write the fitted estimator itself"),
    "empty": ({}, "contains a dict", "write the fitted estimator itself"),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_names_its_entries_and_the_key(name: str, tmp_path: Path) -> None:
    value, what, fix = CONTAINERS[name]
    joblib.dump(value, tmp_path / "m.joblib")
    error = refusal(tmp_path / "m.joblib")
    assert what in error.what
    assert fix in error.fix


def test_a_key_takes_the_model_out_and_keeps_what_the_pod_loads(tmp_path: Path) -> None:
    joblib.dump({"eu": [SCALER, fitted()], "notes": "x"}, tmp_path / "m.joblib")
    loaded = load(tmp_path / "m.joblib", "eu.1")
    again = joblib.load(io.BytesIO(loaded.data))
    for model in (loaded.estimator, again):
        assert model.predict(ROWS).tolist() == fitted().predict(ROWS).tolist()
    error = refusal(tmp_path / "m.joblib", "us.1")
    assert (error.expected, error.found) == ("one of eu, notes", "a dict, without 'us'")


def test_what_is_left_out_with_a_key_is_said(tmp_path: Path) -> None:
    joblib.dump({"scaler": SCALER, "model": fitted()}, tmp_path / "m.joblib")
    assert refusal(tmp_path / "m.joblib").fix == (
        "pass --key model; scaler will not be part of the bundle"
    )


class Awkward:
    """An object that cannot be asked what it has."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ValueError("not now")


OBJECTS: dict[str, tuple[Any, str, str]] = {
    "class": (LogisticRegression, "the class LogisticRegression", "fit an object of it"),
    "method": (fitted().predict, "the method `predict` of Pipeline", "write the object itself"),
    "function": (json.dumps, "the function `dumps`", "write the fitted estimator"),
    "number": (42, "an object of class builtins.int", "write the fitted estimator"),
    "frame": (pd.DataFrame({"a": [1]}), "DataFrame", "write the fitted estimator"),
    "awkward": (Awkward(), "an object of class", "write the fitted estimator"),
    "none": (None, "an object of class builtins.NoneType", "write the fitted estimator"),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_that_is_no_model_is_named(name: str, tmp_path: Path) -> None:
    value, found, fix = OBJECTS[name]
    joblib.dump(value, tmp_path / "m.joblib")
    error = refusal(tmp_path / "m.joblib")
    assert found in error.found
    assert error.fix.startswith(fix)


UNFITTED: dict[str, tuple[Any, str]] = {
    "estimator": (Ridge(), "Ridge"),
    "pipeline": (make_pipeline(StandardScaler(), Ridge()), "StandardScaler"),
    "first step": (make_pipeline(StandardScaler(), fitted()[-1]), "StandardScaler"),
    "columns": (
        make_pipeline(make_column_transformer((OneHotEncoder(), ["a"])), Ridge()),
        "ColumnTransformer",
    ),
    "search": (GridSearchCV(Ridge(), {"alpha": [1]}), "GridSearchCV"),
    "inner": (make_pipeline(make_pipeline(StandardScaler()), Ridge()), "StandardScaler"),
}


@pytest.mark.parametrize("name", UNFITTED)
def test_an_unfitted_model_is_called_that(name: str, tmp_path: Path) -> None:
    model, part = UNFITTED[name]
    joblib.dump(model, tmp_path / "m.joblib")
    error = refusal(tmp_path / "m.joblib")
    assert error.what.endswith("is not fitted")
    assert error.found.startswith(part)
    assert error.fix == "call fit before joblib.dump"


class NoTrailingUnderscore(RegressorMixin, BaseEstimator):  # type: ignore[misc] # has no types
    """A user's class that is fitted and does not show it as scikit-learn's do."""

    def fit(self, _rows: Any, _target: Any = None) -> NoTrailingUnderscore:
        self.mean = 1.0
        return self

    def predict(self, rows: Any) -> Any:
        return np.full(len(rows), self.mean)


def test_a_class_of_the_user_decides_itself_whether_it_is_fitted(tmp_path: Path) -> None:
    model = NoTrailingUnderscore().fit(ROWS)
    joblib.dump(model, tmp_path / "m.joblib")
    assert load(tmp_path / "m.joblib").estimator.predict(ROWS).tolist() == [1.0] * 4


def written_by(script: str, folder: Path, python_path: str = "") -> Path:
    """The model.joblib that a script writes into a folder."""
    path = folder / "train.py"
    path.write_text(f"import joblib\nfrom sklearn.linear_model import Ridge\n{script}")
    subprocess.run([sys.executable, str(path)], cwd=folder, check=True)
    return folder / "model.joblib"


FIT = "joblib.dump({}().fit([[1.0], [2.0]], [1.0, 2.0]), 'model.joblib')\n"


def test_a_module_in_a_folder_above_the_file_is_named_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(
        "from sklearn.linear_model import Ridge\nclass Mine(Ridge):\n    pass\n"
    )
    path = written_by("from steps import Mine\n" + FIT.format("Mine"), tmp_path)
    (tmp_path / "files").mkdir()
    path = path.rename(tmp_path / "files/model.joblib")
    error = refusal(path)
    assert error.what == f"{path} cannot be loaded: it needs the module 'steps'"
    assert error.fix == (
        f"copy steps from {tmp_path} beside the model, or set PYTHONPATH={tmp_path}"
    )


def test_a_class_of_the_training_script_is_named(tmp_path: Path) -> None:
    path = written_by("class Mine(Ridge):\n    pass\n" + FIT.format("Mine"), tmp_path)
    error = refusal(path)
    assert error.what == f"{path} cannot be loaded: it needs Mine of the training script"
    assert error.fix.startswith("move that class or function from the training script")


def missing(module: str, name: str = "Thing") -> bytes:
    """A pickle of an object of a module that is not there."""
    return f"c{module}\n{name}\n(tR.".encode()


MISSING = {
    "category_encoders.target": ("the module 'category_encoders'", "pip install category-encoders"),
    "imblearn.pipeline": ("the module 'imblearn'", "pip install imbalanced-learn"),
    "dill._dill": ("the module 'dill'", "pip install dill"),
    "house.steps": ("the module 'house'", "put house.py beside the model"),
}


@pytest.mark.parametrize("module", MISSING)
def test_a_missing_module_is_named_with_its_package(module: str, tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(missing(module))
    error = refusal(path)
    assert MISSING[module][0] in error.what
    assert MISSING[module][1] in error.fix


def test_another_numpy_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(missing("numpy.corelib.multiarray"))
    error = refusal(path)
    assert error.what.endswith("was written with another numpy")
    assert f"numpy {np.__version__}" in error.expected


def test_a_class_that_an_installed_library_lacks_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(missing("pandas.core.frame", "Panel"))
    assert refusal(path).fix.startswith("install the version of that library")


def test_a_module_that_exits_on_import_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exiting.py").write_text("raise SystemExit(2)\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "m.pkl"
    path.write_bytes(missing("exiting"))
    assert refusal(path).found == "SystemExit: 2"


def test_arrays_in_files_beside_the_model_are_asked_for(tmp_path: Path) -> None:
    """joblib before 0.10: the pickle names files beside it."""
    np.save(tmp_path / "m.joblib_01.npy", ROWS)
    head = b"cjoblib.numpy_pickle_compat\nNDArrayWrapper\n(S'm.joblib_01.npy'\ncnumpy\nndarray\ntR"
    path = tmp_path / "m.joblib"
    path.write_bytes(head + b"(dS'filename'\nS'm.joblib_01.npy'\nsS'allow_mmap'\nI01\nsb.")
    (tmp_path / "m.joblib_01.npy").unlink()
    error = refusal(path)
    assert "joblib before 0.10" in error.what
    assert "m.joblib_01.npy" in error.expected


@pytest.mark.parametrize(
    "arguments",
    [
        [str(FILES / "pipeline-1.5.2.joblib")],
        [str(FILES / "forest-1.1.3.joblib"), "--key", "x"],
        [str(FILES)],
    ],
    ids=["old", "old with key", "folder"],
)
def test_the_command_ends_with_one_error(arguments: list[str], tmp_path: Path) -> None:
    sample = str(trained.training("iris") / "sample.csv")
    out = str(tmp_path / "out")
    words = ["package", *arguments, "--sample", sample, "--name", "x", "--version", "1"]
    result = CliRunner().invoke(cli, [*words, "--out", out])
    assert isinstance(result.exception, ModelctlError)
    assert not Path(out).exists()


def test_a_folder_names_the_model_that_it_has(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted()))
    result = CliRunner().invoke(
        cli, ["package", str(tmp_path), "--name", "x", "--version", "1", "--out", "o"]
    )
    assert isinstance(result.exception, ModelctlError)
    assert result.exception.fix == f"pass {tmp_path / 'model.pkl'} and --sample"
