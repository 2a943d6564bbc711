"""The loader uses a bundle only if every byte is the one that its digest stands for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from app import bundle
from app.contract import Contract
from app.engine import load
from app.errors import BundleRefusedError
from tests import trained

BROKEN = Path(__file__).parent.parent / "bundles"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A bundle that a test may break."""
    return Path(shutil.copytree(trained.bundle("iris"), tmp_path / "bundle"))


def rewrite(folder: Path, **changes: object) -> None:
    """Change the manifest, keeping it canonical."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_bytes(bundle.canonical({**manifest, **changes}))


def test_a_bundle_is_accepted_with_its_digest(copy: Path) -> None:
    digest = bundle.verify(copy).digest
    accepted = bundle.verify(copy, digest)
    assert accepted.digest == digest
    assert accepted.manifest["name"] == "iris"
    assert accepted.read("model.onnx") == (copy / "model.onnx").read_bytes()


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", "sample.json"])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_one_flipped_bit_in_any_file_is_refused(copy: Path, name: str, place: str) -> None:
    digest = bundle.verify(copy).digest
    data = bytearray((copy / name).read_bytes())
    data[{"first": 0, "middle": len(data) // 2, "last": -1}[place]] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BundleRefusedError) as refused:
        bundle.verify(copy, digest)
    assert refused.value.fix


def test_every_file_of_a_bundle_is_covered_by_the_flip_test() -> None:
    files = {path.name for path in trained.bundle("iris").iterdir()}
    assert files == {"manifest.json", "model.onnx", "sample.json", "report.json"}


def test_a_wrong_digest_is_refused_with_both(copy: Path) -> None:
    wrong = "sha256:" + "0" * 64
    with pytest.raises(BundleRefusedError) as refused:
        bundle.verify(copy, wrong)
    assert refused.value.expected == wrong
    assert refused.value.found == bundle.verify(copy).digest


def test_a_file_that_grew_is_refused(copy: Path) -> None:
    with (copy / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(BundleRefusedError, match="wrong size"):
        bundle.verify(copy)


def test_a_missing_file_is_refused(copy: Path) -> None:
    (copy / "model.onnx").unlink()
    with pytest.raises(BundleRefusedError, match=r"'model\.onnx' of the bundle cannot be read"):
        bundle.verify(copy)


def test_an_unlisted_file_is_refused(copy: Path) -> None:
    (copy / "nested").mkdir()
    (copy / "nested" / "extra.py").write_text("")
    with pytest.raises(BundleRefusedError, match=r"nested/extra\.py"):
        bundle.verify(copy)


def test_a_symlinked_file_is_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "model.onnx").rename(tmp_path / "elsewhere")
    (copy / "model.onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleRefusedError, match="symbolic link"):
        bundle.verify(copy)


def test_a_symlinked_folder_is_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "folder").symlink_to(tmp_path)
    with pytest.raises(BundleRefusedError, match="symbolic link"):
        bundle.verify(copy)


def test_a_named_pipe_in_place_of_a_file_is_refused_without_waiting(copy: Path) -> None:
    import os

    (copy / "model.onnx").unlink()
    os.mkfifo(copy / "model.onnx")
    with pytest.raises(BundleRefusedError, match="is not a file"):
        bundle.verify(copy)


def test_a_file_changed_after_verification_is_refused_when_read(copy: Path) -> None:
    accepted = bundle.verify(copy)
    data = bytearray((copy / "model.onnx").read_bytes())
    data[100] ^= 1
    (copy / "model.onnx").write_bytes(data)
    with pytest.raises(BundleRefusedError, match="wrong hash"):
        accepted.read("model.onnx")


@pytest.mark.parametrize("folder", sorted(BROKEN.iterdir()), ids=lambda path: path.name)
def test_a_broken_manifest_is_refused(folder: Path, tmp_path: Path) -> None:
    expected = (folder / "expected.txt").read_text().strip()
    copied = shutil.copytree(folder, tmp_path / "bundle", ignore=lambda *_: ["expected.txt"])
    with pytest.raises(BundleRefusedError) as refused:
        bundle.verify(Path(copied))
    assert expected in str(refused.value)


def test_an_unknown_engine_is_refused(copy: Path) -> None:
    rewrite(copy, engine="oracle")
    accepted = bundle.verify(copy)
    with pytest.raises(BundleRefusedError, match="'oracle'"):
        load(accepted, Contract.from_manifest(accepted.manifest))


def test_a_manifest_without_a_usable_contract_is_refused(copy: Path) -> None:
    rewrite(copy, inputs=[{"name": "x"}])
    with pytest.raises(BundleRefusedError, match="no usable contract"):
        Contract.from_manifest(bundle.verify(copy).manifest)


@pytest.mark.parametrize(("library", "other"), [("scikit-learn", "1.8.0"), ("numpy", "1.26.0")])
def test_the_sklearn_engine_refuses_other_library_versions(
    tmp_path: Path, library: str, other: str
) -> None:
    folder = Path(shutil.copytree(trained.bundle("iris", "sklearn"), tmp_path / "bundle"))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    environment = manifest["environment"]
    environment["libraries"][library] = other
    rewrite(folder, environment=environment)
    accepted = bundle.verify(folder)
    with pytest.raises(BundleRefusedError) as refused:
        load(accepted, Contract.from_manifest(accepted.manifest))
    assert refused.value.what == f"the bundle needs another version of {library}"
    assert refused.value.expected == other
