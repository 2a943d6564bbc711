"""Admission by itself: the limit of requests in flight, and deadlines. No server, no waiting."""

from __future__ import annotations

import time

import pytest

from app.admission import Deadline, InFlight, overloaded_error, parse_deadline
from app.errors import RequestError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds, as the one element of a list that a test may change."""
    now = [1000.0]
    monkeypatch.setattr("app.admission.time.perf_counter", lambda: now[0])
    return now


def test_as_many_are_let_in_as_the_limit_says() -> None:
    held = InFlight(2)
    assert held.refusal() is None
    with held:
        assert held.refusal() is None
        with held:
            refusal = held.refusal()
            assert refusal is not None
            assert (refusal.status, refusal.kind, refusal.retry_after) == (503, "overloaded", 1)
            assert "2" in refusal.detail
            with pytest.raises(RequestError) as refused, held:
                pytest.fail("was let in")
            assert refused.value == refusal
        assert held.refusal() is None
    assert held.refusal() is None


def test_a_refused_request_takes_nobodys_place() -> None:
    held = InFlight(1)
    with held:
        for _ in range(3):
            with pytest.raises(RequestError), held:
                pass
    with held:
        assert held.refusal() is not None


def test_a_request_that_fails_gives_its_place_back() -> None:
    held = InFlight(1)
    for _ in range(3):
        with pytest.raises(KeyError), held:
            raise KeyError
    assert held.refusal() is None


def test_whoever_observes_is_told_each_new_count() -> None:
    told: list[float] = []
    held = InFlight(3)
    with held:
        held.observe = told.append
        with held, held:
            pass
    assert told == [2, 3, 2, 1, 0]


def test_an_overload_says_what_and_when_to_come_back() -> None:
    error = overloaded_error("why")
    assert (error.status, error.kind, error.detail) == (503, "overloaded", "why")
    assert error.retry_after == 1
    assert error.title
    assert error.errors == []


def test_a_deadline_passes_after_its_milliseconds(clock: list[float]) -> None:
    deadline = Deadline(1500)
    assert deadline.timeout_ms == 1500
    assert deadline.remaining_seconds() == 1.5
    clock[0] += 1.5
    deadline.raise_if_passed()
    assert deadline.remaining_seconds() == 0
    clock[0] += 0.25
    assert deadline.remaining_seconds() == -0.25
    with pytest.raises(RequestError) as passed:
        deadline.raise_if_passed()
    assert (passed.value.status, passed.value.kind) == (504, "deadline")
    assert "1500 ms" in passed.value.detail
    assert passed.value.title
    assert passed.value.retry_after is None


def test_a_deadline_is_by_the_clock_that_never_jumps() -> None:
    deadline = Deadline(60_000)
    assert 59 < deadline.remaining_seconds() <= 60
    assert abs(time.perf_counter() + deadline.remaining_seconds() - time.perf_counter() - 60) < 1


@pytest.mark.parametrize(
    ("header", "milliseconds"),
    [
        (None, 5000),
        ("1", 1),
        ("4999", 4999),
        ("5000", 5000),
        ("5001", 5000),
        ("999999999", 5000),
        ("007", 7),
    ],
)
def test_a_client_chooses_up_to_the_maximum(header: str | None, milliseconds: int) -> None:
    assert parse_deadline(header, 5000).timeout_ms == milliseconds


def test_nine_digits_are_a_number() -> None:
    assert parse_deadline("999999999", 10**12).timeout_ms == 999_999_999


@pytest.mark.parametrize(
    "header",
    [
        *["", "0", "000", "-1", "+1", "1.0", "1e3", " 1", "1 ", "0x1", "1_0", "one"],
        pytest.param("1000000000", id="ten-digits"),
        pytest.param("\N{SUPERSCRIPT TWO}", id="superscript"),
        pytest.param("\N{ARABIC-INDIC DIGIT ONE}", id="not-ascii"),
    ],
)
def test_what_is_no_positive_whole_number_is_refused(header: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse_deadline(header, 5000)
    assert (refused.value.status, refused.value.kind) == (400, "header")
    assert "X-Request-Timeout-Ms" in refused.value.detail
    assert refused.value.title
