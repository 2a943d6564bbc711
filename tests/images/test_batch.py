"""The image variant for batches: what is locked for it, less what the build takes out, runs a pod.

The same steps as in the Dockerfile with the same locked file, in an environment of its own, for the
Python here; tests/e2e/test_images.py builds the image itself.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import orjson
import pytest

from tests import trained
from tests.images.installed import installed
from tests.modelctl.batch.test_run import rows, write
from tests.paths import ROOT


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with the locked requirements, pruned as in the image."""
    return installed(tmp_path_factory.mktemp("image") / "venv", "batch")


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_the_variant_runs_a_pod(python: Path, ending: str, tmp_path: Path) -> None:
    file, out = write(rows(50), tmp_path / f"rows.{ending}"), tmp_path / "out"
    argv = [str(python), "-m", "app.batch", "--input", str(file), "--out", str(out)]
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "MODEL_DIR": str(trained.bundle("penguins")),
        "ORT_DISABLE_TELEMETRY": "1",
    }
    done = subprocess.run(
        [*argv, "--ignore", "id"], env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    last = orjson.loads(done.stdout.splitlines()[-1])
    assert (last["event"], last["rows"], last["rejected"]) == ("run_completed", 50, 5)


def test_the_variant_knows_buckets_and_no_estimators(python: Path) -> None:
    code = (
        "import importlib.util as u, app.batch.stores; print([bool(u.find_spec(n)) for n in "
        "('obstore', 'pyarrow', 'sklearn', 'cryptography')])"
    )
    done = subprocess.run(
        [str(python), "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[True, True, False, False]"
