"""The loader uses a bundle only if every byte is the one that its digest stands for.

Damage to its files: robustness/test_bundles.py.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from app.errors import BundleRefusedError
from app.model import bundle
from app.model.contract import Contract
from app.model.engine import load
from tests import trained
from tests.paths import ROOT

BROKEN = ROOT / "tests" / "bundles"


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


def test_a_wrong_digest_is_refused_with_both(copy: Path) -> None:
    wrong = "sha256:" + "0" * 64
    with pytest.raises(BundleRefusedError) as refused:
        bundle.verify(copy, wrong)
    assert refused.value.expected == wrong
    assert refused.value.found == bundle.verify(copy).digest


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
    with pytest.raises(BundleRefusedError, match=r"^manifest\.json (at \S+ )?is invalid: "):
        Contract.from_manifest(bundle.verify(copy).manifest)
