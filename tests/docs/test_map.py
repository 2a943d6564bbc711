"""CONTRIBUTING.md leads where it says: every path exists, every command is in its table."""

from __future__ import annotations

import ast
import re

import pytest

from modelctl.cli import COMMANDS
from tests.docs.pages import exists, named_paths
from tests.paths import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?!question|folder|command|---)(.+?) \| (.+) \|$", re.MULTILINE)


def section(heading: str) -> str:
    """What stands below a heading of the second level."""
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


QUESTIONS = ROW.findall(section("Where things live").partition("### Requests")[2])
MODULES = dict(ROW.findall(section("Commands and their modules")))


def imported(module: str) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_the_map_answers_what_strangers_ask() -> None:
    assert len(QUESTIONS) >= 40
    assert len({question for question, _ in QUESTIONS}) == len(QUESTIONS)
    asked = " ".join(question for question, _ in QUESTIONS).lower()
    for topic in ("alert rules", "image signed", "rollback", "freeze", "body limit", "promotion"):
        assert topic in asked


@pytest.mark.parametrize(("question", "answer"), QUESTIONS, ids=[entry[0] for entry in QUESTIONS])
def test_an_answer_is_a_path_that_exists(question: str, answer: str) -> None:
    assert question.endswith("?")
    files = {name for name in re.findall(r"`([\w.]+)`", answer) if (ROOT / name).is_file()}
    paths = named_paths(answer)
    assert paths or files
    assert [path for path in sorted(paths) if not exists(path)] == []


def test_every_folder_with_code_has_a_row() -> None:
    named = named_paths(section("Where things live").partition("### Requests")[0])
    folders = {path.name for path in ROOT.glob("[a-z]*") if (path / "__init__.py").exists()}
    assert {f"{name}/" for name in folders} <= named


def test_every_command_has_a_row_in_the_order_of_the_help() -> None:
    assert [name.strip("`") for name in MODULES] == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_works_in_the_modules_of_its_row(command: str) -> None:
    used = imported(f"modelctl/commands/{command.replace('-', '_')}.py")
    modules = [
        path.removesuffix(".py").replace("/", ".") for path in named_paths(MODULES[f"`{command}`"])
    ]
    assert modules
    assert [module for module in modules if module not in used] == []
