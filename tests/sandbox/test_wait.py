"""A wait ends: ready, timed out or without its process, and reports the last state."""

from pathlib import Path

import pytest

from sandbox.errors import WaitError
from sandbox.wait import LOG_TAIL_LINES, Answer, log_tail, wait_until


def test_wait_returns_as_soon_as_the_probe_is_ready() -> None:
    answers = iter([Answer(False, "starting"), Answer(True, "up")])
    assert wait_until("it", lambda: next(answers), 60, interval_seconds=0) < 60


def test_wait_fails_at_the_deadline_with_the_last_state_and_the_log(tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    log.write_text("one\ntwo\n")
    with pytest.raises(WaitError) as caught:
        wait_until("it ready", lambda: Answer(False, "status 503"), 0, log=log)
    text = str(caught.value)
    assert text.startswith("it ready: timed out after 0.0 s\n  found:    status 503\n")
    assert "expected: it ready within 0 s" in text
    assert f"fix:      read {log}" in text
    assert text.endswith("  | one\n  | two")


def test_wait_fails_at_once_when_the_process_has_exited() -> None:
    with pytest.raises(WaitError, match="process exited after"):
        wait_until("it", lambda: Answer(False, "closed"), 60, alive=lambda: False)


def test_a_probe_that_is_ready_counts_even_if_the_process_has_just_ended() -> None:
    assert wait_until("it", lambda: Answer(True, "up"), 60, alive=lambda: False) < 60


def test_the_log_tail_is_short_even_of_a_large_log(tmp_path: Path) -> None:
    log = tmp_path / "large.log"
    log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    lines = log_tail(log).splitlines()
    assert len(lines) == LOG_TAIL_LINES
    assert lines[-1] == "line 99999"


def test_the_log_tail_of_no_log_says_so(tmp_path: Path) -> None:
    assert log_tail(tmp_path / "absent.log").startswith("(no log: ")
