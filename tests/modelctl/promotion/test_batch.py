"""Several models in one command: one commit and one branch, all or none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from tests.modelctl.conftest import VERSION, commit_all, run
from tests.modelctl.promotion.test_pull_request import Forge, forge  # noqa: F401 - a fixture

MODELS = ("churn", "fraud", "iris")


def add(root: Path, *models: str) -> None:
    """More models like iris, released in dev."""
    for environment in ("dev", "staging", "production"):
        for model in models:
            folder = root / "environments" / environment
            shutil.copytree(folder / "iris", folder / model, dirs_exist_ok=True)
    commit_all(root, "more models")


@pytest.fixture
def three(released: Path) -> Path:
    """churn, fraud and iris 1.0.0 in dev."""
    add(released, "churn", "fraud")
    return released


def version(root: Path, environment: str, model: str) -> Path:
    return root / f"environments/{environment}/{model}/version.yaml"


def test_named_models_are_promoted_together(three: Path) -> None:
    output = run("promote", "fraud", "churn", "fraud", "--to", "staging")
    assert "git commit -m 'Promote churn 1.0.0 and fraud 1.0.0 to staging'" in output
    assert [version(three, "staging", model).exists() for model in MODELS] == [True, True, False]


def test_none_is_promoted_if_one_is_refused(three: Path) -> None:
    version(three, "dev", "fraud").unlink()
    version(three, "dev", "iris").unlink()
    commit_all(three, "two are gone")
    with pytest.raises(RefusedError) as refused:
        run("promote", *MODELS, "--to", "staging")
    assert "'fraud' is not released in 'dev'" in str(refused.value)
    assert "'iris' is not released in 'dev'" in str(refused.value)
    assert "no model was promoted" in str(refused.value)
    assert not version(three, "staging", "churn").exists()


def test_all_ready_promotes_the_others_and_says_why_not(three: Path) -> None:
    version(three, "dev", "fraud").unlink()
    version(three, "staging", "iris").write_text(VERSION)
    commit_all(three, "fraud is gone, iris is there")
    output = run("promote", "--all-ready", "--to", "staging")
    assert "not ready: 'fraud' is not released in 'dev'" in output
    assert "git commit -m 'Promote churn 1.0.0 to staging'" in output
    assert version(three, "staging", "churn").exists()
    commit_all(three, "promoted")
    assert run("promote", "--all-ready", "--to", "staging").endswith(
        "no model is ready for staging\n"
    )


def test_json_has_one_entry_for_each_model(three: Path) -> None:
    version(three, "dev", "fraud").unlink()
    commit_all(three, "fraud is gone")
    words = ("promote", "--all-ready", "--to", "staging", "--output", "json", "--dry-run")
    entries = {entry["model"]: entry for entry in json.loads(run(*words))["models"]}
    assert list(entries) == ["churn", "fraud", "iris"]
    assert entries["churn"]["changes"]
    assert entries["churn"]["from"] == ["dev"]
    assert not entries["fraud"]["changes"]
    assert "not released in 'dev'" in entries["fraud"]["refused"]


@pytest.mark.parametrize("words", [(), ("iris", "--all-ready")])
def test_it_is_names_or_all_ready(three: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(ModelctlError, match=r"no models named|together with --all-ready"):
        run("promote", *words, "--to", "staging")


def test_a_set_has_one_branch_whatever_the_order(forge: Forge) -> None:  # noqa: F811
    add(forge.checkout, "churn", "fraud")
    git(forge.checkout, "push", "--quiet", "origin", "HEAD")
    words = ("--to", "staging", "--no-live", "--pull-request")
    run("promote", "fraud", "churn", *words)
    run("promote", "churn", "fraud", *words)
    branch = "promote/staging+churn+fraud"
    files = git(forge.remote, "diff", "--name-only", f"{branch}^", branch).split()
    assert files == [f"environments/staging/{model}/version.yaml" for model in ("churn", "fraud")]
    creates = [words for words in forge.told() if words[:2] == ["pr", "create"]]
    assert len(creates) == 1
    assert "# churn" in forge.body()
    assert "# fraud" in forge.body()


def test_many_models_have_a_short_branch_and_subject(forge: Forge) -> None:  # noqa: F811
    many = [f"model-with-a-long-name-{number}" for number in range(12)]
    add(forge.checkout, *many)
    git(forge.checkout, "push", "--quiet", "origin", "HEAD")
    run("promote", *many, "--to", "staging", "--no-live", "--pull-request")
    (branch,) = git(
        forge.remote, "branch", "--format=%(refname:short)", "--list", "promote/*"
    ).split()
    assert len(branch) < 100
    message = git(forge.remote, "log", "-1", "--format=%B", branch)
    assert message.startswith("Promote 12 models to staging\n\n- model-with-a-long-name-0 1.0.0\n")
    assert "| model-with-a-long-name-11 | none | 1.0.0 " in forge.body()


def test_the_command_to_commit_many_models_makes_the_same_message(
    released: Path, tmp_path: Path
) -> None:
    add(released, *(many := [f"model-{number}" for number in range(5)]))
    output = run("promote", *many, "--to", "staging", "--no-live")
    command = output.partition("next:\n")[2]
    identity = {
        f"GIT_{who}_{what}": "you@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    subprocess.run(["bash", "-ec", command], cwd=released, check=True, env=os.environ | identity)
    models = "".join(f"- {model} 1.0.0\n" for model in many)
    assert git(released, "log", "-1", "--format=%B").strip() == (
        f"Promote 5 models to staging\n\n{models}".strip()
    )


def git(root: Path, *arguments: str) -> str:
    argv = ["git", "-C", str(root), *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
