"""Modules of the user's own travel with the model: from beside the file to the pod.

The commands run as processes of their own, so that nothing is imported that a user's would not
have; the service runs in the repository, with nothing of the model's folder on its path.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest

from app.model.bundle import verify
from tests.app.live import LiveService, base_environment
from tests.modelctl.conftest import commit_all

TRAIN = """\
import sys
import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from {module} import {name}
data = load_iris(as_frame=True)
model = make_pipeline({name}(), LogisticRegression(max_iter=500)).fit(data.data, data.target)
joblib.dump(model, "model.joblib")
data.frame.to_csv("sample.csv", index=False)
print(model.predict_proba(data.data.iloc[[70]]).tolist()[0])
"""
STEP = """\
from sklearn.base import BaseEstimator, TransformerMixin
{imports}
class Ratio(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self
    def transform(self, X):
        return {result}
"""
MATHS = (
    "import numpy as np\ndef ratio(X, by):\n    X = np.asarray(X)\n    return X / (by + X[:, :1])\n"
)
# Files of the model's folder -> the module and the class that the pipeline starts with.
LAYOUTS = {
    "one-module": (
        {"steps.py": STEP.format(imports="import numpy as np", result="np.asarray(X) / 2")},
        ("steps", "Ratio"),
    ),
    "module-with-helpers": (
        {
            "steps.py": STEP.format(imports="import maths", result="maths.ratio(X, 1.0)"),
            "maths.py": MATHS,
            "unused.py": "raise SystemExit(1)\n",
        },
        ("steps", "Ratio"),
    ),
    "package": (
        {
            "house/__init__.py": "BY = 2.0\n",
            "house/deep/__init__.py": "",
            "house/deep/steps.py": STEP.format(
                imports="from .. import BY\nfrom ..maths import ratio", result="ratio(X, BY)"
            ),
            "house/maths.py": MATHS,
        },
        ("house.deep.steps", "Ratio"),
    ),
    "package-without-init": (
        {
            "loose/steps.py": STEP.format(
                imports="from loose import maths", result="maths.ratio(X, 1.0)"
            ),
            "loose/maths.py": MATHS,
        },
        ("loose.steps", "Ratio"),
    ),
}


def trained(folder: Path, layout: str) -> list[float]:
    """A model and its sample in the folder; the probabilities of one row, from the training."""
    files, (module, name) = LAYOUTS[layout]
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "fit.py").write_text(TRAIN.format(module=module, name=name))
    done = subprocess.run(
        [sys.executable, "fit.py"], cwd=folder, capture_output=True, text=True, check=True
    )
    return [float(number) for number in done.stdout.strip("[]\n ").split(",")]


def modelctl(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modelctl", *map(str, arguments)],
        env={**base_environment(), "COLUMNS": "300"},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def packaged(folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    sample = ("--sample", folder / "sample.csv", "--target", "target")
    named = ("--name", "own", "--version", "1.0.0", "--out", out)
    return modelctl("package", folder / "model.joblib", *sample, *named, cwd=out.parent)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the user trains: gone by the time the model is served."""
    made = tmp_path / "training"
    made.mkdir()
    yield made
    shutil.rmtree(made, ignore_errors=True)


def served(bundle: Path, tmp_path: Path) -> list[float]:
    """The answer for the row whose probabilities the training printed."""
    row = [5.9, 3.2, 4.8, 1.8]
    service = LiveService(bundle, tmp_path / "log", {"WORKERS": "1"})
    try:
        service.wait_ready()
        answer = service.client.post("/predict", json={"features": row}).json()
    finally:
        service.stop()
    probability: list[float] = answer["probability"]
    return probability


@pytest.mark.parametrize("layout", LAYOUTS)
def test_own_modules_are_served_from_the_bundle(layout: str, folder: Path, tmp_path: Path) -> None:
    right = trained(folder, layout)
    done = packaged(folder, tmp_path / "bundle")
    assert done.returncode == 0, done.stderr
    assert "the bundle contains the model's own code, under code/: " in done.stdout
    shutil.rmtree(folder)
    packed = {
        name.removeprefix("code/")
        for name in verify(tmp_path / "bundle").manifest["files"]
        if name.startswith("code/")
    }
    assert packed == set(LAYOUTS[layout][0]) - {"unused.py"}
    assert served(tmp_path / "bundle", tmp_path) == pytest.approx(right, abs=1e-9)
    # Served from a writable folder, which must stay the bundle that it is.
    verify(tmp_path / "bundle")


def test_a_module_that_reads_a_file_beside_it_is_refused_at_packaging(
    folder: Path, tmp_path: Path
) -> None:
    trained(folder, "one-module")
    (folder / "factor.txt").write_text("2")
    step = STEP.format(
        imports="from pathlib import Path\nimport numpy as np\n"
        "BY = float(Path(__file__).with_name('factor.txt').read_text())",
        result="np.asarray(X) / BY",
    )
    (folder / "steps.py").write_text(step)
    done = packaged(folder, tmp_path / "bundle")
    assert done.returncode == 1
    assert "the bundle does not load without the files of this machine" in done.stderr
    assert "factor.txt" in done.stderr
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("name", ["app", "modelctl"])
def test_a_module_with_a_name_of_the_services_own_is_named(
    name: str, folder: Path, tmp_path: Path
) -> None:
    (folder / f"{name}.py").write_text(LAYOUTS["one-module"][0]["steps.py"])
    (folder / "fit.py").write_text(TRAIN.format(module=name, name="Ratio"))
    subprocess.run([sys.executable, "fit.py"], cwd=folder, check=True)
    done = packaged(folder, tmp_path / "bundle")
    assert done.returncode == 1
    assert f"fix: rename your module '{name}'" in done.stderr


def test_an_onnx_bundle_needs_no_code(folder: Path, tmp_path: Path) -> None:
    (folder / "steps.py").write_text(
        "from sklearn.preprocessing import StandardScaler\nclass Ratio(StandardScaler):\n    pass\n"
    )
    (folder / "fit.py").write_text(TRAIN.format(module="steps", name="Ratio"))
    subprocess.run([sys.executable, "fit.py"], cwd=folder, check=True)
    done = packaged(folder, tmp_path / "bundle")
    assert done.returncode == 0, done.stderr
    files = verify(tmp_path / "bundle").manifest["files"]
    assert set(files) in (
        {"model.onnx", "sample.json"},
        {"model.joblib", "sample.json", "code/steps.py"},
    )


def test_new_copies_the_modules_and_build_packs_them(
    repo: Path, folder: Path, tmp_path: Path
) -> None:
    right = trained(folder, "module-with-helpers")
    files = ("--from", folder / "model.joblib", "--sample", folder / "sample.csv")
    done = modelctl("new", "churn", *files, "--target", "target", cwd=repo)
    assert done.returncode == 0, done.stderr
    home = repo / "models/churn"
    assert {"steps.py", "maths.py", "model.joblib"} <= {path.name for path in home.iterdir()}
    assert not (home / "unused.py").exists()
    shutil.rmtree(folder)
    commit_all(repo, "new model")
    done = modelctl("build", "churn", cwd=repo)
    assert done.returncode == 0, done.stderr
    assert served(repo / "build/bundles/churn", tmp_path) == pytest.approx(right, abs=1e-9)
    # Its code decides what the model answers: a change is a change of the model.
    (home / "maths.py").write_text(MATHS.replace("by +", "3 + by +"))
    done = modelctl("build", "churn", cwd=repo)
    assert "churn: building (models/churn/maths.py" in done.stdout


def test_errors_of_new_name_the_file_that_was_given(repo: Path, tmp_path: Path) -> None:
    class Missing:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.path.join, ("a",))

    model, sample = tmp_path / "my model.joblib", tmp_path / "rows.csv"
    joblib.dump({"a": Missing()}, model)
    sample.write_text("x,y\n1,2\n")
    done = modelctl("new", "churn", "--from", model, "--sample", sample, cwd=repo)
    assert done.returncode == 1
    assert str(model) in done.stderr
    assert "modelctl-new-" not in done.stderr
    assert not (repo / "models/churn").exists()


@pytest.mark.parametrize("content", ["", "x;y\n1;2\n", "a,b\n"])
def test_errors_about_the_sample_name_the_file_that_was_given(
    content: str, repo: Path, folder: Path
) -> None:
    trained(folder, "one-module")
    sample = folder / "rows.csv"
    sample.write_text(content)
    files = ("--from", folder / "model.joblib", "--sample", sample)
    done = modelctl("new", "churn", *files, cwd=repo)
    assert done.returncode == 1
    assert "modelctl-new-" not in done.stderr
