"""A bundle that was damaged in any of its files, in any way, is refused with what to do."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from importlib import metadata
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from app.errors import BundleRefusedError
from app.model import bundle, sklearn_engine
from app.model.contract import Contract
from app.model.engine import load
from tests import trained

FILES = {
    "onnx": ("manifest.json", "model.onnx", "sample.json", "background.json"),
    "sklearn": ("manifest.json", "model.joblib", "sample.json", "background.json"),
}
EVERY_FILE = [
    pytest.param(engine, name, id=f"{engine}-{name}")
    for engine, names in FILES.items()
    for name in names
]


def flip(place: float) -> Callable[[Path], None]:
    """Turn one bit at this share of the file's length."""

    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[round(place * (len(data) - 1))] ^= 1
        path.write_bytes(data)

    return damage


def truncate(share: float) -> Callable[[Path], None]:
    """Keep this share of the file, and one byte less."""

    def damage(path: Path) -> None:
        size = path.stat().st_size
        os.truncate(path, max(0, round(share * size) - 1))

    return damage


def grow(path: Path) -> None:
    """One byte more."""
    with path.open("ab") as stream:
        stream.write(b"\n")


def symlink(path: Path) -> None:
    """The same bytes, but somewhere else."""
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def pipe(path: Path) -> None:
    """A file that would make a reader wait for ever."""
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    """A folder in place of the file."""
    path.unlink()
    path.mkdir()


def zeros(path: Path) -> None:
    """As many bytes, as after a crash of the disk below."""
    path.write_bytes(b"\0" * path.stat().st_size)


DAMAGES = {
    "first-bit": flip(0),
    "middle-bit": flip(0.5),
    "last-bit": flip(1),
    "one-byte-less": truncate(1),
    "half": truncate(0.5),
    "empty": truncate(0),
    "one-byte-more": grow,
    "zeros": zeros,
    "missing": Path.unlink,
    "symlink": symlink,
    "pipe": pipe,
    "folder": folder,
}


def copy_of(engine: str, tmp_path: Path) -> Path:
    """A bundle that a test may break."""
    return Path(shutil.copytree(trained.bundle("iris", engine), tmp_path / "bundle"))


def test_the_tests_know_every_file_of_a_bundle() -> None:
    for engine, names in FILES.items():
        files = {path.name for path in trained.bundle("iris", engine).iterdir()}
        assert files == {*names, "report.json"}


@pytest.mark.parametrize(("engine", "name"), EVERY_FILE)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_to_any_file_is_refused(
    tmp_path: Path, engine: str, name: str, damage: Callable[[Path], None]
) -> None:
    copy = copy_of(engine, tmp_path)
    digest = bundle.verify(copy).digest
    damage(copy / name)
    with pytest.raises(BundleRefusedError) as refused:
        bundle.verify(copy, digest)
    assert refused.value.fix
    assert refused.value.expected != refused.value.found


@pytest.mark.parametrize(
    ("engine", "name"),
    [("onnx", "model.onnx"), ("onnx", "sample.json"), ("sklearn", "model.joblib")],
)
def test_damage_to_a_listed_file_is_refused_without_a_digest(
    tmp_path: Path, engine: str, name: str
) -> None:
    copy = copy_of(engine, tmp_path)
    flip(0.5)(copy / name)
    with pytest.raises(BundleRefusedError, match="wrong hash"):
        bundle.verify(copy)


@pytest.mark.parametrize(
    "added", ["extra.py", "nested/extra.py", ".hidden", "model.joblib.bak", "nested/manifest.json"]
)
def test_a_file_that_the_manifest_does_not_list_is_refused(tmp_path: Path, added: str) -> None:
    copy = copy_of("onnx", tmp_path)
    (copy / added).parent.mkdir(exist_ok=True)
    (copy / added).write_text("")
    with pytest.raises(BundleRefusedError) as refused:
        bundle.verify(copy)
    assert refused.value.found == repr(added)


def test_a_symlinked_folder_is_refused(tmp_path: Path) -> None:
    copy = copy_of("onnx", tmp_path)
    (copy / "folder").symlink_to(tmp_path)
    with pytest.raises(BundleRefusedError, match="symbolic link"):
        bundle.verify(copy)


@pytest.mark.parametrize("name", ["model.onnx", "sample.json"])
def test_a_file_changed_after_verification_is_refused_when_read(tmp_path: Path, name: str) -> None:
    copy = copy_of("onnx", tmp_path)
    accepted = bundle.verify(copy)
    flip(0.3)(copy / name)
    with pytest.raises(BundleRefusedError, match="wrong hash"):
        accepted.read(name)


@pytest.mark.parametrize(
    ("library", "other"),
    [
        ("scikit-learn", "1.8.0"),
        ("scikit-learn", "2.0.0"),
        ("numpy", "1.26.0"),
        ("xgboost", "3.1.0"),
        ("lightgbm", "3.3.5"),
        ("catboost", "1.2.9"),
    ],
)
def test_the_sklearn_engine_refuses_other_library_versions(
    tmp_path: Path, library: str, other: str
) -> None:
    copy = copy_of("sklearn", tmp_path)
    manifest = json.loads((copy / "manifest.json").read_bytes())
    manifest["environment"]["libraries"][library] = other
    (copy / "manifest.json").write_bytes(bundle.canonical(manifest))
    accepted = bundle.verify(copy)
    with pytest.raises(BundleRefusedError) as refused:
        load(accepted, Contract.from_manifest(accepted.manifest))
    assert refused.value.what == f"the bundle requires another version of {library}"
    assert refused.value.expected == other


@pytest.mark.parametrize("library", ["catboost", "lightgbm", "xgboost"])
def test_the_sklearn_engine_names_the_image_that_has_the_library(
    tmp_path: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name.startswith(library):
            raise PackageNotFoundError(name)
        return metadata.version(name)

    copy = copy_of("sklearn", tmp_path)
    manifest = json.loads((copy / "manifest.json").read_bytes())
    manifest["environment"]["libraries"][library] = "1.0"
    (copy / "manifest.json").write_bytes(bundle.canonical(manifest))
    accepted = bundle.verify(copy)
    monkeypatch.setattr(sklearn_engine, "version", version)
    with pytest.raises(BundleRefusedError) as refused:
        load(accepted, Contract.from_manifest(accepted.manifest))
    assert refused.value.found == "not installed"
    assert refused.value.fix == "build the image with REQUIREMENTS=serve-boosters"
