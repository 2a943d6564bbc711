"""`up` prints each step with its place and time, and stops at the first that fails."""

import re

import pytest

from sandbox.errors import SandboxError
from sandbox.steps import Step, run_steps


def test_each_step_is_printed_with_its_place_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    run_steps([Step("etcd", lambda: "ready"), Step("certificates", lambda: None)])
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\[1/2\] etcd ready \d+\.\d s", first)
    assert re.fullmatch(r"\[2/2\] certificates \d+\.\d s", second)


def test_nothing_follows_a_step_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise SandboxError("it broke", found="f", expected="e", fix="x")

    with pytest.raises(SandboxError):
        run_steps([Step("one", fail), Step("two", lambda: pytest.fail("ran"))])
    assert capsys.readouterr().out == "[1/2] one FAILED\n"
