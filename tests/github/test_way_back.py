"""The whole way back: from an aborted Rollout to the commit that takes its version out of git.

Argo CD's own engine posts, a server on this machine receives it for the forge, and the shell steps
of the workflow run with exactly what was posted, in a clone, with the real `modelctl` and git.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelctl.repository import aborts
from tests.github.test_aborted import aborted, posted
from tests.modelctl.conftest import ENVIRONMENTS, VERSION
from tests.modelctl.conftest import repo as repo  # a fixture
from tests.paths import ROOT

WHY = 'RolloutAborted: Rollout aborted update:\n Metric "availability" assessed $(touch pwned)'
STAGING = "environments/staging/iris/version.yaml"
NEW = VERSION.replace("1.0.0", "1.1.0")
# GitHub's CLI, for a forge that is not to be had: it has no request yet, and opens each.
GH = """#!{python}
import json, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([sys.argv[1:], sys.stdin.read() if "-" in sys.argv else ""]) + "\\n")
if sys.argv[1:3] == ["pr", "create"]:
    print("https://git.example/pull/1")
"""


def git(root: Path, *words: str) -> str:
    argv = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(repo: Path, tmp_path: Path) -> Path:
    """A runner's checkout of a forge's repository, where staging got 1.1.0 after 1.0.0."""
    assert (repo / "environments/environments.yaml").read_text() == ENVIRONMENTS
    for text in (VERSION, NEW):
        for name in ("dev", "staging"):
            (repo / f"environments/{name}/iris/version.yaml").write_text(text)
        git(repo, "add", "--all")
        git(repo, "commit", "--quiet", "--message", "release")
    git(repo, "branch", "--move", "main")
    forge, runner = tmp_path / "forge.git", tmp_path / "runner"
    git(repo, "clone", "--quiet", "--bare", str(repo), str(forge))
    git(repo, "clone", "--quiet", str(forge), str(runner))
    (runner / ".venv/bin").mkdir(parents=True)
    (runner / ".venv/bin/modelctl").symlink_to(Path(sys.executable).with_name("modelctl"))
    git(runner, "config", "core.excludesFile", "/dev/null")
    (runner / ".git/info/exclude").write_text("/.venv\n")
    return runner


def run_steps(clone: Path, workflow: dict[str, Any], inputs: dict[str, str], gh: Path) -> None:
    """The shell steps of its job that call `modelctl`, with the environment that they ask for."""
    job = workflow["jobs"]["rollback"]
    steps = [step for step in job["steps"] if "modelctl" in step.get("run", "")]
    assert steps, "no step of the workflow calls modelctl"
    for step in steps:
        asked = {**job.get("env", {}), **step.get("env", {})}
        environ = {name: _evaluated(str(value), inputs) for name, value in asked.items()}
        path = f"{gh.parent}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(
            ["bash", "-eo", "pipefail", "-c", step["run"]],
            cwd=clone,
            env={**os.environ, **environ, "PATH": path},
            check=True,
        )


def _evaluated(text: str, inputs: dict[str, str]) -> str:
    """What the expressions of this workflow give; another kind of expression fails."""

    def value(match: re.Match[str]) -> str:
        expression = match[1]
        if expression == "steps.bot.outputs.token":
            return "bot"
        found = re.fullmatch(r"inputs\.([\w-]+)( && 'yes' \|\| '')?", expression)
        assert found, f"unknown expression: {expression}"
        given = inputs.get(found[1], "")
        return given if not found[2] else "yes" * (given == "true")

    return re.sub(r"\$\{\{ (.*?) \}\}", value, text)


@pytest.mark.parametrize("is_late", [False, True], ids=["at-once", "after-another-commit"])
def test_an_aborted_version_leaves_git(clone: Path, tmp_path: Path, *, is_late: bool) -> None:
    at = git(clone, "rev-parse", "HEAD")
    if is_late:
        (clone / "README.md").write_text("more\n")
        git(clone, "add", "README.md")
        git(clone, "commit", "--quiet", "--message", "other work")
        git(clone, "push", "--quiet")
    content = aborted(WHY, syncResult={"revision": at})
    path, body = posted(tmp_path, "aborted", content)
    name = path.removeprefix("/repos/acme/models/actions/workflows/").removesuffix("/dispatches")
    workflow = yaml.safe_load((ROOT / ".github/workflows" / name).read_text())
    log, gh = tmp_path / "gh.log", tmp_path / "bin/gh"
    gh.parent.mkdir()
    gh.write_text(GH.format(python=sys.executable, log=str(log)))
    gh.chmod(gh.stat().st_mode | stat.S_IXUSR)

    run_steps(clone, workflow, body["inputs"], gh)

    forge = tmp_path / "forge.git"
    branch = "rollback/staging-iris"
    assert git(forge, "diff", "--name-only", "main", branch) == STAGING
    assert git(forge, "show", f"{branch}:{STAGING}") == VERSION.strip()
    assert git(forge, "show", f"main:{STAGING}") == NEW.strip()
    message = git(forge, "log", "-1", "--format=%B", branch)
    reason = " ".join(WHY.split())
    assert message.startswith(f"Roll back iris to 1.0.0 in staging: {reason}")
    assert f"{aborts.REASON_TRAILER}: {reason}" in message
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    (created,) = [each for each in calls if each[0][:2] == ["pr", "create"]]
    assert branch in created[0]
    assert reason in created[1]
    assert not list(clone.glob("**/pwned"))
    # Once merged, the version enters no environment any more.
    git(clone, "fetch", "--quiet")
    git(clone, "merge", "--quiet", f"origin/{branch}")
    refused = subprocess.run(
        [clone / ".venv/bin/modelctl", "promote", "iris", "--to", "staging", "--no-live"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 3
    assert "1.1.0 of 'iris' was aborted in 'staging'" in refused.stderr
