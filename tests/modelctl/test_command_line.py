"""Promises of every command: -h, JSON for results and errors, completion, near names, colour."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from modelctl import __main__
from modelctl.cli import COMMANDS, cli
from modelctl.commands import _result, _table
from modelctl.errors import ModelctlError
from tests.modelctl.conftest import VERSION, commit_all, run

PARTS = {"what", "expected", "found", "fix", "code"}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and subcommand with its words."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            for inner, subcommand in command.commands.items():
                yield f"{name} {inner}", subcommand
        else:
            yield name, command


def modelctl(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modelctl", *words],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **variables},
    )


@pytest.mark.parametrize("words", [name for name, _ in commands()])
def test_every_command_has_h_and_json(words: str) -> None:
    assert run(*words.split(), "-h") == run(*words.split(), "--help")
    if words != "completion":
        assert "--output" in run(*words.split(), "-h")


def is_json_choice(parameter: click.Parameter) -> bool:
    choices = getattr(parameter.type, "choices", ())
    return parameter.name == "output" and "json" in choices


JSON_COMMANDS = [name for name, command in commands() if any(map(is_json_choice, command.params))]


@pytest.mark.parametrize("words", [*JSON_COMMANDS, "render"])
def test_stdout_is_json_alone_whatever_a_command_prints(
    words: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own lines, a table, a library's, those of training code and of other programs."""
    command = dict(commands())[words]

    def noisy(**_: object) -> None:
        print("print")
        click.echo("echo")
        _table.console().print("table")
        os.write(1, b"library\n")
        subprocess.run(["echo", "program"], check=True)
        _result.echo("json", "", {"name": words})

    monkeypatch.setattr(command, "callback", noisy)
    for parameter in command.params:
        monkeypatch.setattr(parameter, "required", False)
        monkeypatch.setattr(parameter, "callback", None)
    monkeypatch.setattr(sys, "argv", ["modelctl", *words.split(), "--output", "json"])
    with pytest.raises(SystemExit) as exited:
        __main__.main()
    out, err = capfd.readouterr()
    assert (exited.value.code, json.loads(out)) == (0, {"name": words})
    assert err.split() == ["print", "echo", "table", "library", "program"]
    print("stdout is back")
    assert capfd.readouterr().out == "stdout is back\n"


def test_only_one_module_prints_json() -> None:
    """What prints its result another way would have it on stderr."""
    folder = Path(_result.__file__).parent
    found = [file.name for file in folder.glob("*.py") if "click.echo(json." in file.read_text()]
    assert sorted(found) == ["_notes.py", "_result.py"]  # notes are lines on stderr


def test_a_page_of_the_status_leaves_json_on_stdout(released: Path) -> None:
    words = ("status", "--no-live", "--html", "page.html", "--output", "json")
    done = modelctl(*words)
    assert done.returncode == 0
    assert json.loads(done.stdout)["releases"]
    assert "wrote page.html" in done.stderr
    assert (released / "page.html").exists()


FAILURES = {
    ("promote", "irs", "--to", "staging"): 1,
    ("promote", "iris", "--to", "stagin"): 1,
    ("promote", "iris", "--to", "dev"): 3,
    ("promote", "iris"): 2,
    ("promote", "iris", "--to", "staging", "--nosuch"): 2,
    ("rollback", "iris", "--env", "dev", "--reason", "x"): 3,
    ("history", "iris", "--env", "nosuch"): 1,
    ("status", "extra"): 1,
    ("check", "--base", "nosuch"): 1,
    ("verify", "environments"): 3,
    ("verify", "nosuch"): 2,
    ("smoke", "http://127.0.0.1:9", "--bundle", "environments"): 3,
    ("freeze", "dev", "--until", "2001-01-01", "--reason", "x"): 1,
    ("retire", "irs", "--env", "dev", "--no-live", "--files", "--dry-run"): 1,
    ("nosuch",): 2,
}


@pytest.mark.parametrize("words", FAILURES, ids=" ".join)
def test_an_error_is_json_on_stderr_with_the_exit_code(
    released: Path, words: tuple[str, ...]
) -> None:
    code = FAILURES[words]
    done = modelctl(*words, "--output", "json")
    assert done.returncode == code, done.stderr
    if code:
        *_, last = done.stderr.splitlines()
        error = json.loads(last)["error"]
        assert error.keys() == PARTS
        assert error["code"] == code
        assert error["what"]
        assert done.stdout == "" or json.loads(done.stdout)
        text = modelctl(*words)
        assert text.returncode == code
        assert '"error":' not in text.stderr


def test_an_unknown_model_does_not_print_a_thousand_names(released: Path) -> None:
    for index in range(1000):
        shutil.copytree(
            released / "environments/dev/iris", released / f"environments/dev/churn-{index:04}"
        )
    with pytest.raises(ModelctlError) as unknown:
        run("promote", "nosuch", "--to", "staging")
    assert unknown.value.expected == "one of 1,001 names; none is similar"
    with pytest.raises(ModelctlError) as near:
        run("promote", "iriss", "--to", "staging")
    assert near.value.expected == "one of 1,001 names; did you mean iris?"


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("promot", "iris"), "Did you mean promote"),
        (("freze", "dev"), "Did you mean freeze"),
        (("promote", "iris", "--too", "dev"), "--to"),
    ],
)
def test_a_near_command_or_option_is_named(
    released: Path, words: tuple[str, ...], near: str
) -> None:
    done = modelctl(*words)
    assert done.returncode == 2
    assert near in done.stderr


COMPLETIONS = [
    ((), "prom", {"promote"}),
    (("promote",), "i", {"iris"}),
    (("promote", "iris", "--to"), "", {"dev", "staging", "production"}),
    (("promote", "iris", "--pu"), "--pu", {"--pull-request"}),
    (("rollback", "iris", "--env", "dev", "--to"), "", {"1.1.0", "1.0.0"}),
    (("freeze",), "", {"dev", "staging", "production"}),
    (("freeze",), "dev/", {"dev/iris"}),
    (("unfreeze",), "st", {"staging"}),
    (("diff",), "", {"iris"}),
    (("diff", "iris"), "st", {"staging"}),
    (("render",), "", {"iris"}),
    (("build",), "i", {"iris"}),
    (("status", "--output"), "", {"table", "json"}),
    (("completion",), "", {"bash", "zsh", "fish"}),
]


@pytest.fixture
def newer(released: Path) -> Path:
    path = released / "environments/dev/iris/version.yaml"
    path.write_text(VERSION.replace("1.0.0", "1.1.0"))
    commit_all(released, "newer")
    return released


@pytest.mark.parametrize(("words", "incomplete", "expected"), COMPLETIONS)
def test_completion(
    newer: Path, words: tuple[str, ...], incomplete: str, expected: set[str]
) -> None:
    if incomplete.startswith("-"):
        words = words[:-1]
    completion = ShellComplete(cli, {}, "modelctl", "_MODELCTL_COMPLETE")
    found = {item.value for item in completion.get_completions(list(words), incomplete)}
    assert found == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(shell: str) -> None:
    assert "_MODELCTL_COMPLETE" in run("completion", shell)


def test_completion_in_a_real_bash(newer: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin/modelctl"
    program.parent.mkdir(exist_ok=True)
    program.write_text(
        f"#!/bin/sh\nPYTHONPATH={Path(__file__).parents[2]} "
        f'exec {sys.executable} -m modelctl "$@"\n'
    )
    program.chmod(0o755)
    script = """
eval "$(modelctl completion bash)"
COMP_WORDS=(modelctl rollback iris --env dev --to "")
COMP_CWORD=6
_modelctl_completion modelctl
printf '%s\\n' "${COMPREPLY[@]}"
"""
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
    )
    assert done.stdout.split() == ["1.1.0", "1.0.0"]


ROLLBACK = ("rollback", "iris", "--env", "dev", "--reason", "x", "--no-registry", "--dry-run")


@pytest.mark.parametrize(
    ("variables", "is_coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
    ids=str,
)
def test_a_pipe_gets_no_colour_unless_it_is_asked_for(
    newer: Path, variables: dict[str, str], is_coloured: bool
) -> None:
    done = modelctl(*ROLLBACK, **variables)
    assert "+  version: 1.0.0" in done.stdout
    assert ("\x1b[" in done.stdout) == is_coloured


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_a_terminal_gets_coloured_differences(newer: Path, no_colour: str) -> None:
    main, other = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "modelctl", *ROLLBACK],
        check=True,
        stdout=other,
        env={
            **{k: v for k, v in os.environ.items() if k != "FORCE_COLOR"},
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "TERM": "xterm",
            "NO_COLOR": no_colour,
        },
    )
    os.close(other)
    output = os.read(main, 1 << 16).decode()
    assert ("\x1b[32m+  version: 1.0.0" in output) == (no_colour == "")
    assert ("\x1b[" in output) == (no_colour == "")


def test_differences_of_line_endings_show_and_control_characters_do_not_steer(
    released: Path,
) -> None:
    path = released / "environments/dev/iris/version.yaml"
    path.write_bytes(VERSION.replace("\n", "\r\n").encode() + b"# \x1b[2J cleared\r\n")
    commit_all(released, "crlf")
    output = run("retire", "iris", "--env", "dev", "--no-live", "--dry-run")
    assert "-  version: 1.0.0^M" in output
    assert "-# ^[[2J cleared^M" in output
    document = json.loads(
        run("retire", "iris", "--env", "dev", "--no-live", "--dry-run", "--output", "json")
    )
    assert "-  version: 1.0.0\r\n" in document["changes"][0]["diff"]
