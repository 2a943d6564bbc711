"""The jobs of the example for GitLab CI, run as GitLab's runner does, with a real remote."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.github.test_gitlab import JOBS, lines
from tests.modelctl.conftest import VERSION, commit_all
from tests.paths import ROOT


@pytest.fixture
def project(released: Path) -> Path:
    """A checkout with iris in dev, and modelctl where `make venv` puts it."""
    programs = released / ".venv/bin"
    programs.mkdir(parents=True)
    (programs / "modelctl").symlink_to(ROOT / ".venv/bin/modelctl")
    (released / ".gitignore").write_text(".venv\nproposals.txt\n")
    commit_all(released, "ignore")
    return released


@pytest.fixture
def remote(project: Path, tmp_path: Path) -> Path:
    """A remote that takes push options, and writes down what it is told."""
    path = tmp_path / "remote.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(project), str(path)], check=True)
    allow = ["config", "receive.advertisePushOptions", "true"]
    subprocess.run(["git", "-C", str(path), *allow], check=True)
    hook = path / "hooks/pre-receive"
    options = f"env | grep ^GIT_PUSH_OPTION_ >> {tmp_path}/options"
    hook.write_text(f"#!/bin/sh\ncat >> {tmp_path}/refs\n{options}\n")
    hook.chmod(0o755)
    subprocess.run(["git", "-C", str(project), "remote", "add", "origin", str(path)], check=True)
    # The runner fetches the branch of the pipeline.
    subprocess.run(["git", "-C", str(project), "fetch", "-q", "origin"], check=True)
    return path


def run(job: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a job's script as GitLab's runner does: one shell, `set -eo pipefail`."""
    # GitHub's gh is not on the job's image.
    path = [one for one in os.environ["PATH"].split(":") if not (Path(one) / "gh").exists()]
    return subprocess.run(
        ["bash", "-c", "\n".join(["set -eo pipefail", *lines(JOBS[job]["script"])])],
        cwd=folder,
        env={**os.environ, "PATH": ":".join(path), "CI_DEFAULT_BRANCH": "main", **variables},
        capture_output=True,
        text=True,
    )


def test_a_promotion_opens_a_merge_request(remote: Path, project: Path, tmp_path: Path) -> None:
    done = run("promote", project, MODEL="iris", ENVIRONMENT="staging")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "refs").read_text().split()[2] == "refs/heads/promote/staging-iris"
    told = (tmp_path / "options").read_text()
    for option in ("create", "target=main", "remove_source_branch"):
        assert f"=merge_request.{option}\n" in told
    assert "auto_merge" not in told
    name = "promote/staging-iris:environments/staging/iris/version.yaml"
    shown = subprocess.run(
        ["git", "-C", str(remote), "show", name], check=True, capture_output=True, text=True
    )
    assert shown.stdout == VERSION


def test_a_freeze_opens_a_merge_request(remote: Path, project: Path, tmp_path: Path) -> None:
    reason = "it's $(touch pwned) `touch pwned`"
    done = run(
        "freeze", project, ENVIRONMENT="staging", MODEL="", UNTIL="2099-12-24", REASON=reason
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (branch,) = [word for word in (tmp_path / "refs").read_text().split() if "refs/" in word]
    shown = subprocess.run(
        ["git", "-C", str(remote), "show", f"{branch}:environments/environments.yaml"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "touch pwned" in shown.stdout
    assert not (project / "pwned").exists()


@pytest.mark.usefixtures("remote")
def test_a_promotion_that_is_refused_pushes_nothing(project: Path, tmp_path: Path) -> None:
    """`pipefail`: the refusal is not hidden by what prints it."""
    done = run("promote", project, MODEL="iris", ENVIRONMENT="production")
    assert done.returncode != 0
    assert not (tmp_path / "refs").exists()
