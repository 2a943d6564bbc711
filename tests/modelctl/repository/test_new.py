"""`modelctl new`: files that work as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging.package import plan
from modelctl.packaging.training_output import Request, read_training_output
from modelctl.promotion import check
from modelctl.repository.checkout import Repository
from tests.modelctl.conftest import commit_all, run
from tests.paths import ROOT

FILES = [
    "models/churn/train.py",
    "models/churn/model.yaml",
    *(
        f"environments/{environment}/churn/{name}.yaml"
        for environment in ("dev", "staging", "production")
        for name in ("settings", "capacity")
    ),
]


def test_new_writes_its_files_and_says_what_comes_next(repo: Path) -> None:
    output = run("new", "churn")
    lines = output.splitlines()
    assert lines[: len(FILES)] == [f"create {name}" for name in FILES]
    assert all((repo / name).is_file() for name in FILES)
    assert lines[-2].startswith("  git add models/churn/train.py")
    assert lines[-2].endswith("git commit -m 'feat(churn): add the model'")
    assert "make models" in lines[-1]


def test_new_with_dry_run_writes_nothing(repo: Path) -> None:
    assert "dry run: nothing written" in run("new", "churn", "--dry-run")
    assert not (repo / "models").exists()
    assert not (repo / "environments/dev/churn").exists()


def test_what_new_writes_passes_check_with_the_real_chart(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "CHART_VALUES", str(ROOT / "charts/ml-model/values.yaml"))
    (repo / "environments/dev/iris/settings.yaml").write_text("{}\n")
    run("new", "churn")
    assert check.file_violations(Repository.find(repo)) == []


def test_the_training_code_runs_is_packaged_and_passes_lint(repo: Path) -> None:
    run("new", "churn")
    out = repo / "build/training/churn"
    subprocess.run([sys.executable, "models/churn/train.py", "--out", str(out)], check=True)
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert evaluation["accuracy"] > 0.9
    training_output = read_training_output(Request(out, config=repo / "models/churn/model.yaml"))
    planned = plan(training_output, engine="auto", tolerance=1e-6)
    assert (training_output.name, training_output.version) == ("churn", "0.1.0")
    assert planned.manifest["engine"] == "onnx"
    ruff = [sys.executable, "-m", "ruff"]
    config = ("--config", str(ROOT / "pyproject.toml"), "models/churn/train.py")
    subprocess.run([*ruff, "format", "--check", *config], check=True)
    subprocess.run([*ruff, "check", "--extend-ignore", "T201", *config], check=True)


def test_the_last_environment_gets_two_pods(repo: Path) -> None:
    run("new", "churn")
    replicas = [
        YAML(typ="safe").load(repo / f"environments/{name}/churn/capacity.yaml")["replicaCount"]
        for name in ("dev", "staging", "production")
    ]
    assert replicas == [1, 1, 2]


@pytest.mark.parametrize("name", ["Churn", "churn_model", "1churn", "churn-", "a" * 54, "../x", ""])
def test_new_refuses_a_name_that_kubernetes_would_refuse(repo: Path, name: str) -> None:
    with pytest.raises(ModelctlError, match="invalid model name"):
        run("new", name)


def test_new_proposes_a_name(repo: Path) -> None:
    with pytest.raises(ModelctlError, match="fix: modelctl new churn-model-2"):
        run("new", "Churn_Model 2")


@pytest.mark.parametrize("folder", ["models/churn", "environments/staging/churn"])
def test_new_refuses_a_name_that_is_taken(repo: Path, folder: str) -> None:
    (repo / folder).mkdir(parents=True)
    (repo / folder / "x.yaml").write_text("{}\n")
    commit_all(repo, "taken")
    with pytest.raises(RefusedError, match=f"found: {folder}"):
        run("new", "churn")
    assert not (repo / "environments/dev/churn").exists()
