"""Commands are lists; a failure shows the pasteable command and its output."""

import pytest

from sandbox.errors import MAX_DETAILS_CHARACTERS, CommandError
from sandbox.proc import run


def test_run_returns_both_outputs_and_the_code() -> None:
    done = run(["sh", "-c", "cat; echo err >&2; exit 3"], stdin="in", check=False)
    assert (done.code, done.stdout, done.stderr) == (3, "in", "err\n")


def test_a_failure_shows_the_pasteable_command_and_its_output() -> None:
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "echo it broke; exit 3"])
    assert caught.value.command == "sh -c 'echo it broke; exit 3'"
    assert caught.value.found == "exit code 3"
    assert caught.value.details == "it broke"


def test_a_missing_command_is_an_error_of_ours() -> None:
    with pytest.raises(CommandError, match="no-such-command --flag") as caught:
        run(["no-such-command", "--flag"])
    assert caught.value.found.startswith("cannot start: [Errno 2]")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_command_that_hangs_is_ended() -> None:
    with pytest.raises(CommandError) as caught:
        run(["sleep", "600"], timeout_seconds=0.05)
    assert caught.value.found == "timed out after 0.05 s"


def test_only_the_end_of_a_long_output_is_kept() -> None:
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "yes | head -c 100000; echo the cause; exit 1"])
    assert len(caught.value.details) == MAX_DETAILS_CHARACTERS
    assert caught.value.details.endswith("the cause")
