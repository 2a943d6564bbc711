"""`modelctl verify`: the digest of an intact bundle, or a refusal with exit code 3."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.model.bundle import verify
from tests import trained
from tests.paths import ROOT


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`modelctl` as a process: the exit code is part of the contract."""
    command = [sys.executable, "-m", "modelctl", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_an_intact_bundle_prints_its_digest() -> None:
    bundle = trained.bundle("iris")
    digest = verify(bundle).digest
    done = run(str(bundle), "--digest", digest)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{digest}\n", "")


@pytest.mark.parametrize("damage", ["byte", "digest"])
def test_a_damaged_or_different_bundle_is_refused_with_code_3(damage: str, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(trained.bundle("iris"), tmp_path / "bundle"))
    digest = verify(bundle).digest
    if damage == "byte":
        data = bytearray((bundle / "model.onnx").read_bytes())
        data[7] ^= 1
        (bundle / "model.onnx").write_bytes(data)
    else:
        digest = "sha256:" + "0" * 64
    done = run(str(bundle), "--digest", digest)
    assert (done.returncode, done.stdout) == (3, "")
    assert "expected: sha256:" in done.stderr
    assert "found: sha256:" in done.stderr
