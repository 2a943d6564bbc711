"""The commands that bring a lost git remote back, as the page has them, with real git."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.paths import ROOT

PAGE = ROOT / "docs/how-to/recover.md"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "gitconfig"
    config.write_text("[user]\nname = t\nemail = t@t.example\n[init]\ndefaultBranch = main\n")
    return {**os.environ, "GIT_CONFIG_GLOBAL": str(config), "GIT_CONFIG_NOSYSTEM": "1"}


def bash(folder: Path, script: str, environ: dict[str, str]) -> str:
    argv = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(argv, cwd=folder, env=environ, check=True, capture_output=True, text=True)
    return done.stdout


def test_a_lost_remote_comes_back_from_a_clone(tmp_path: Path, environ: dict[str, str]) -> None:
    bash(
        tmp_path,
        """
        git init --quiet --bare lost.git && git clone --quiet lost.git author && cd author
        for name in main freeze/production release; do
          git switch --quiet --create "$name"; git commit --quiet --allow-empty -m "$name"
          git push --quiet origin "$name"
        done
        git tag chart-0.2.0 && git tag --annotate --message signed chart-0.3.0
        git push --quiet --tags && cd .. && git clone --quiet lost.git clone
        """,
        environ,
    )
    refs = bash(tmp_path / "lost.git", "git for-each-ref", environ)
    assert refs.count("\n") == 5
    bash(tmp_path, "rm -r lost.git && git init --quiet --bare new.git", environ)
    # What its owner works on is not what the remote had.
    clone = tmp_path / "clone"
    bash(clone, "git switch --quiet --create mine && git commit -qm mine --allow-empty", environ)
    section = PAGE.read_text(encoding="utf-8").partition("## Bring the git remote back")[2]
    block = re.search(r"```sh\n(.+?)```", section, re.DOTALL)
    assert block
    bash(clone, block[1].replace("NEW_URL", str(tmp_path / "new.git")), environ)
    assert bash(tmp_path / "new.git", "git for-each-ref", environ) == refs
    assert bash(clone, "git rev-parse origin/main", environ).strip() in refs
