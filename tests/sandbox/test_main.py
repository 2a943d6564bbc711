"""The command line: one error exit, words passed on, and a start without our dependencies."""

import subprocess
import sys

import pytest

from sandbox import __main__ as main_module
from sandbox import netns, preflight, proc, status
from sandbox.__main__ import main
from sandbox.layout import Layout, find_layout
from tests.paths import ROOT


def test_an_error_goes_to_stderr_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SANDBOX_API_PORT", "80")
    assert main(["status"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("SANDBOX_API_PORT is not a valid port\n  found:    '80'\n")


def test_an_unknown_argument_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["up", "--fast"])
    assert caught.value.code == 2
    assert "unrecognized arguments: --fast" in capsys.readouterr().err


@pytest.fixture
def seen(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Collect the commands instead of running them; each ends with exit code 7."""
    commands: list[list[str]] = []

    def stream(argv: list[str]) -> int:
        commands.append(argv)
        return 7

    monkeypatch.setattr(proc, "stream", stream)
    monkeypatch.setattr(status, "stream", stream)
    monkeypatch.setattr(preflight, "require_root", lambda: None)
    monkeypatch.setattr(main_module, "find_layout", lambda: layout)
    return commands


@pytest.mark.parametrize("separator", [["--"], []], ids=["separated", "plain"])
def test_exec_passes_every_word_on_and_returns_the_exit_code(
    seen: list[list[str]], separator: list[str]
) -> None:
    assert main(["exec", *separator, "ip", "-4", "--help", "--", "x"]) == 7
    assert seen == [netns.enter_argv(["ip", "-4", "--help", "--", "x"])]


def test_kubectl_passes_every_word_on(seen: list[list[str]], layout: Layout) -> None:
    assert main(["kubectl", "exec", "-it", "pod", "--", "ls", "-l"]) == 7
    tool, config = layout.tool("kubectl"), f"--kubeconfig={layout.kubeconfig}"
    assert seen == [[tool, config, "exec", "-it", "pod", "--", "ls", "-l"]]


def test_exec_without_a_command_says_how(
    seen: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["exec", "--"]) == 1
    assert "expected: exec -- CMD" in capsys.readouterr().err
    assert seen == []


def test_logs_without_a_name_lists_the_names(
    seen: list[list[str]], layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    layout.logs.mkdir(parents=True)
    layout.log_file("etcd").touch()
    assert main(["logs"]) == 0
    assert capsys.readouterr().out == "etcd\n"
    assert main(["logs", "etcd", "-f"]) == 7
    assert seen == [["tail", "-n", "200", "-f", layout.log_file("etcd")]]


def test_a_log_that_is_not_there_names_those_that_are(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main_module, "find_layout", lambda: layout)
    layout.logs.mkdir(parents=True)
    layout.log_file("etcd").touch()
    assert main(["logs", "etdc"]) == 1
    assert "expected: one of etcd" in capsys.readouterr().err


def test_preflight_packages_and_down_start_without_any_installed_library() -> None:
    # -S leaves out site-packages, as on a bare machine; -c so that nothing is checked or done.
    code = "import sandbox.preflight, sandbox.packages, sandbox.cluster, sandbox.__main__"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_port_on_the_host_can_be_moved() -> None:
    assert find_layout({}).host_api_port == 16443
    assert find_layout({"SANDBOX_API_PORT": "20000"}).host_api_port == 20000
