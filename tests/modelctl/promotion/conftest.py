"""The target branch that branches are judged against."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.modelctl.promotion.judged import DEV, FILES, NEW, OLD, PRODUCTION, STAGING, git

HISTORY = (
    ("files", FILES),
    *(("release", {name: OLD}) for name in (DEV, STAGING, PRODUCTION)),
    *(("release", {name: NEW}) for name in (DEV, STAGING)),
)


@pytest.fixture
def target(repo: Path) -> Path:
    """`main`, where 1.0.0 ran everywhere and 1.1.0 in dev and staging; `change` is checked out.

    Its commits are of this moment, as soak times count from them; one process writes them all.
    """
    git("branch", "--move", "main")
    commits = [imported(message, files) for message, files in HISTORY]
    subprocess.run(
        ["git", "fast-import", "--quiet", "--date-format=now"],
        input="".join(["reset refs/heads/main\nfrom refs/heads/main^0\n", *commits]),
        check=True,
        text=True,
        encoding="utf-8",
    )
    git("switch", "--quiet", "--discard-changes", "--create", "change", "main")
    return repo


def imported(message: str, files: dict[str, str]) -> str:
    """A further commit of `main` as `git fast-import` reads it."""
    changes = "".join(f"M 644 inline {name}\n{data(text)}" for name, text in files.items())
    who = "committer test <test@example.org> now"
    return f"commit refs/heads/main\n{who}\n{data(message)}{changes}\n"


def data(text: str) -> str:
    """A text with its length in bytes before it."""
    return f"data {len(text.encode())}\n{text}\n"
