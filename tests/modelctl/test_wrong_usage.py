"""Wrong usage exits with 2 whichever part of a command notices it, and says what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.modelctl.conftest import git
from tests.paths import ROOT

WRONG = (
    ("history", "iris"),
    ("history", "iris", "--env", "dev", "--output", "csv"),
    ("promote", "--to", "staging"),
    ("promote", "iris", "--to", "staging", "--all-ready"),
    ("promote", "--all-ready", "--to", "staging", "--override", "soak", "--reason", "a"),
    ("promote", "iris", "--to", "staging", "--override", "soak"),
    ("promote", "iris", "--to", "staging", "--reason", "a"),
    ("auto-promote", "--merge"),
    ("check", "--head", "HEAD"),
    ("check", "--live"),
    ("diff",),
)


def modelctl(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "modelctl", *arguments]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(argv, cwd=root, env=environ, capture_output=True, text=True)


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_usage_exits_with_2(released: Path, arguments: tuple[str, ...]) -> None:
    done = modelctl(released, *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    if "csv" not in arguments:
        done = modelctl(released, *arguments, "--output", "json")
        assert (done.returncode, json.loads(done.stderr)["error"]["code"]) == (2, 2)


def test_a_base_that_is_no_commit_has_one_message(released: Path) -> None:
    messages = {modelctl(released, word, "--base", "nosuch").stderr for word in ("check", "diff")}
    (message,) = messages
    assert message.startswith("error: --base 'nosuch' is not a commit of this clone")


def test_an_audit_of_a_part_of_history_is_refused(released: Path) -> None:
    git(released, "clone", "--quiet", "--depth=1", f"file://{released}", "../shallow")
    done = modelctl(released.parent / "shallow", "history", "--all")
    assert (done.returncode, done.stdout) == (1, "")
    assert "this clone is shallow" in done.stderr


@pytest.mark.parametrize("words", [("--env", "dev"), ("--all",)], ids=" ".join)
def test_history_is_in_utc_and_has_no_blanks_at_the_end(released: Path, words: list[str]) -> None:
    git(released, "commit", "--quiet", "--amend", "--no-edit", "--date=2026-01-01T00:30:00+02:00")
    lines = modelctl(released, "history", "iris", *words).stdout.splitlines()
    assert lines[0].startswith("when (UTC)")
    assert [line for line in lines if line != line.rstrip()] == []


def test_a_model_without_a_release_says_so(repo: Path) -> None:
    assert modelctl(repo, "history", "iris", "--env", "dev").stdout == (
        "no release of 'iris' in 'dev' so far\n"
    )


def test_nothing_is_promoted_where_nothing_is_automatic(released: Path) -> None:
    done = modelctl(released, "auto-promote", "--no-live")
    assert "has `promotion: automatic`" in done.stdout
