"""The timeline: what was done, how long it took, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from sandbox.errors import CommandError, SandboxError
from sandbox.timeline import BAR_WIDTH, WIDTH, Timeline, bar


def ticking(*times: float) -> Callable[[], float]:
    """A clock that shows these times, one after the other."""
    shown: Iterator[float] = iter(times)
    return lambda: next(shown)


def test_steps_are_printed_as_they_happen_and_kept() -> None:
    printed: list[str] = []
    timeline = Timeline(ticking(100, 100, 104), printed.append)
    assert timeline.step("build", lambda: "1.0.0,\n sha256:12") == "1.0.0,\n sha256:12"
    assert printed == ["   0.0  build ...", "        1.0.0, sha256:12"]
    assert json.loads(timeline.as_json()) == [
        {
            "title": "build",
            "began": 0,
            "seconds": 4,
            "state": "done",
            "words": "1.0.0, sha256:12",
        }
    ]


def refusal(code: int) -> CommandError:
    output = "[{}]\nerror: 'iris' is worse\n  found: accuracy 0.5"
    return CommandError(["modelctl", "gate"], found="", output=output, code=code)


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (refusal(3), "refused", "'iris' is worse found: accuracy 0.5"),
        (refusal(1), "failed", "'iris' is worse found: accuracy 0.5"),
        (
            SandboxError("it broke", found="pieces", expected="", fix=""),
            "failed",
            "it broke: pieces",
        ),
        (KeyboardInterrupt(), "failed", "KeyboardInterrupt"),
    ],
    ids=["a rule", "a command", "the sandbox", "Ctrl-C"],
)
def test_what_stops_a_step_is_kept_and_raised(error: BaseException, state: str, words: str) -> None:
    timeline = Timeline(ticking(0, 1, 3), lambda _: None)

    def act() -> str:
        raise error

    with pytest.raises(type(error)):
        timeline.step("gate", act)
    (entry,) = timeline.entries
    assert (entry.began, entry.seconds, entry.state, entry.words) == (1, 2, state, words)


def test_the_message_of_a_refusal_is_the_refusal_only() -> None:
    assert refusal(3).is_refusal
    assert refusal(3).message == "error: 'iris' is worse\n  found: accuracy 0.5"
    assert not refusal(1).is_refusal


def test_a_refusal_in_json_reads_like_any_other() -> None:
    output = json.dumps(
        {"error": {"what": "'iris' is worse", "found": "0.5", "fix": "", "code": 3}}
    )
    error = CommandError(["modelctl", "gate", "--output", "json"], found="", output=output, code=3)
    assert error.message == "error: 'iris' is worse\n  found: 0.5"


def test_the_table_shows_every_step_within_its_width() -> None:
    timeline = Timeline(ticking(0, 0, 40, 40, 60), lambda _: None)
    timeline.step("train [red]", lambda: "word " * 40)
    with pytest.raises(CommandError):
        timeline.step("gate", lambda: (_ for _ in ()).throw(refusal(3)))
    lines = timeline.text().splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    assert lines[0].split() == ["AT", "SECONDS", "STEP", "TIMELINE", "RESULT"]
    assert lines[1].split()[:4] == ["0.0", "40.0", "train", "[red]"]
    assert lines[2].split()[:4] == ["40.0", "20.0", "gate", "REFUSED"]


@pytest.mark.parametrize(
    ("began", "seconds", "expected"),
    [
        (0, 10, "█" * 10),
        (0, 5, "█" * 6 + "·" * 4),
        (9.99, 0.01, "·" * 9 + "█"),
        (5, 0, "·" * 5 + "█····"),
    ],
    ids=["all", "half", "the end", "an instant"],
)
def test_a_bar_shows_where_a_step_lies(began: float, seconds: float, expected: str) -> None:
    assert bar(began, seconds, 10, width=10) == expected


def test_a_bar_of_nothing_is_empty() -> None:
    assert bar(0, 0, 0) == ""
    assert len(bar(1, 1, 7)) == BAR_WIDTH
