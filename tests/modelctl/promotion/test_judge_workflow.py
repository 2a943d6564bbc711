"""The steps of `.github/workflows/judge.yml`, run in a clone of the target branch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.github.test_protection import JUDGE
from tests.github.test_workflows import steps
from tests.modelctl.promotion.judged import EVIL, PRODUCTION, commit, git
from tests.paths import ROOT


def judged(root: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the steps of the judge that follow `make venv`, in a clone of the target branch."""
    done = None
    runs = [step["run"] for step in steps(JUDGE) if "run" in step]
    for command in runs[runs.index("gh auth setup-git") + 1 :]:
        script = command.replace(".venv/bin/modelctl", f"{sys.executable} -m modelctl")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=root,
            env={**os.environ, **environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
    assert done is not None
    return done


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({PRODUCTION: EVIL}, "neither the version of the environment", id="version"),
        pytest.param({"docs/page.md": "text\n"}, "no problems", id="page"),
    ],
)
def test_the_judge_judges_the_commit_of_a_pull_request(
    target: Path, files: dict[str, str], message: str
) -> None:
    """With what would run if anything of it were checked out."""
    bombs = {
        "sitecustomize.py": "raise SystemExit('ran')\n",
        "Makefile": "$(error ran)\n",
        "modelctl/__init__.py": "raise SystemExit('ran')\n",
        ".gitattributes": "* export-ignore filter=lfs\n",
    }
    git("switch", "--quiet", "main")
    git("clone", "--quiet", "--branch=main", str(target), "../judge")
    git("switch", "--quiet", "change")
    commit(target, "change", **files)
    commit(target, "bombs", **bombs)
    head = git("rev-parse", "HEAD")
    git("update-ref", "refs/pull/1/head", head)
    done = judged(target.parent / "judge", {"HEAD": head})
    assert message in done.stdout + done.stderr
    assert "ran" not in done.stdout
