"""What is generated is fresh, and true: schema, owners, the page of commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from modelctl.cli import COMMANDS, cli
from modelctl.docs import __main__, environments_schema
from modelctl.errors import ModelctlError
from modelctl.promotion import check
from modelctl.repository import codeowners
from modelctl.repository.checkout import Repository
from tests.modelctl.conftest import ENVIRONMENTS, run
from tests.paths import ROOT

GENERATED = __main__.files(Repository.find(ROOT))


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_a_generated_file_is_fresh(path: Path) -> None:
    assert path.read_text() == GENERATED[path], f"{path} is stale: run `make generate`"


def test_an_editor_finds_the_schema() -> None:
    first = (ROOT / "environments/environments.yaml").read_text().splitlines()[0]
    assert first == environments_schema.EDITOR_LINE
    assert (ROOT / "environments" / first.partition("$schema=")[2]).is_file()


def with_(line: str) -> str:
    return ENVIRONMENTS.replace("promotion: auto", f"promotion: auto\n    {line}", 1)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        pytest.param(ENVIRONMENTS, True, id="plain"),
        pytest.param(with_("soakMinutes: 60"), True, id="soak"),
        pytest.param(with_("approvals: ['@acme/ml', 'a@b.example']"), True, id="approvals"),
        pytest.param(
            with_(
                "freezes: {iris: {from: '2026-01-01T00:00:00Z', "
                "until: '2026-02-01T00:00:00Z', reason: x}}"
            ),
            True,
            id="freeze",
        ),
        pytest.param(with_("soakMinutes: -1"), False, id="negative-soak"),
        pytest.param(with_("soak: 60"), False, id="unknown-key"),
        pytest.param(with_("approvals: [acme]"), False, id="no-owner"),
        pytest.param(ENVIRONMENTS.replace("auto", "manual"), False, id="unknown-way"),
        pytest.param(ENVIRONMENTS.replace("name: dev", "name: De_v"), False, id="bad-name"),
        pytest.param("environments: []\n", False, id="none"),
    ],
)
def test_schema_and_model_accept_the_same(repo: Path, text: str, right: bool) -> None:
    checker = jsonschema.Draft202012Validator(json.loads(environments_schema.text()))
    assert checker.is_valid(yaml.safe_load(text)) is right
    (repo / "environments/environments.yaml").write_text(text)
    if right:
        assert Repository.find(repo).environments
    else:
        with pytest.raises(ModelctlError, match=r"environments\.yaml:\d+: "):
            Repository.find(repo)


def test_check_wants_approvals_in_the_file_that_the_forge_reads(released: Path) -> None:
    (released / "environments/environments.yaml").write_text(with_("approvals: ['@acme/ml']"))
    (stale,) = check.file_violations(Repository.find(released))
    assert ".github/CODEOWNERS: stale" in stale
    assert "run `make generate`" in stale
    (released / ".github").mkdir()
    text = codeowners.text("", Repository.find(released).environments)
    (released / codeowners.FILE).write_text(text)
    assert check.file_violations(Repository.find(released)) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_and_their_help_agree_that_there_is_an_example(name: str) -> None:
    command = cli.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    assert "Example" in (command.help or "")


@pytest.mark.parametrize(
    "command", ["new", "bump", "promote", "rollback", "retire", "freeze", "unfreeze"]
)
def test_every_command_that_edits_can_be_tried(command: str) -> None:
    output = run(command, "--help")
    assert "--dry-run" in output
    assert "--output [table|json]" in output


def complete(words: str, folder: Path) -> list[str]:
    """What bash gets when the user presses tab after these words."""
    environ = {
        **os.environ,
        "_MODELCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [str(Path(sys.executable).parent / "modelctl")],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_the_shell_completes_models_and_environments(released: Path) -> None:
    assert complete("modelctl promote i", released) == ["iris"]
    assert complete("modelctl promote iris --to s", released) == ["staging"]
    assert complete("modelctl prom", released) == ["promote"]
    assert complete("modelctl promote i", released.parent) == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("status", "--no-live"), 0),
        (("promote", "irs", "--to", "staging"), 1),
        (("promote",), 2),
        (("promote", "iris", "--to", "production"), 3),
    ],
)
def test_exit_codes_are_as_documented(released: Path, words: tuple[str, ...], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "modelctl", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, bool(done.stderr)) == (code, code != 0)
    page = (ROOT / "docs/reference/cli.md").read_text()
    assert f"\n| {code} | " in page
