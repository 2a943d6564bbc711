"""What the documents name exists: links, make targets, modelctl commands, folders."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from modelctl.cli import COMMANDS
from tests.paths import ROOT

PAGES = [
    ROOT / name
    for name in subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
]
page = pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
TARGETS = set(re.findall(r"^([a-z][a-z-]*):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def code(text: str) -> str:
    """Everything in a page that is set as code."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


@page
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@page
def test_every_make_target_exists(page: Path) -> None:
    named = set(re.findall(r"(?<![\w-])make ([a-z][a-z-]+)", code(page.read_text())))
    assert named - TARGETS == set()


@page
def test_every_modelctl_command_exists(page: Path) -> None:
    named = set(re.findall(r"modelctl ([a-z][a-z-]+)", code(page.read_text())))
    assert named - set(COMMANDS) == set()


def test_every_command_is_named_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if f"`{name}`" not in text] == []


def test_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (\S+)$", text, re.MULTILINE))
    assert phony == TARGETS
