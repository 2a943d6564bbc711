"""How a service ends, and how a worker does, while clients are being answered."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx

from tests import trained
from tests.app.robustness.test_silence import open_files
from tests.app.traffic import BODY, Failure, Load, SlowBody

if TYPE_CHECKING:
    from tests.app.live import LiveService

Start = Callable[..., "LiveService"]
IN_FLIGHT = "ml_requests_in_flight"
# The service leaves an idle connection open for a second of its shutdown, because a request may
# be on its way; a client that this machine has held up for longer is too late.
PROMPT_SECONDS = 0.5


def listens(pid: int) -> bool:
    """Whether a process has any socket; gunicorn's master closes its own first when it stops."""
    return any(path.startswith("socket:") for path in open_files(pid))


def was_accepted(failure: Failure) -> bool:
    """Whether the service owed this request an answer: its connection had carried some before."""
    return failure.answered_before > 0 and failure.idle_seconds < PROMPT_SECONDS


def test_a_request_that_was_accepted_is_answered_after_sigterm(start: Start) -> None:
    service = start(trained.bundle("iris"))
    slow = SlowBody(service.port)
    service.signal(signal.SIGTERM)
    service.wait_until("stopping", lambda: not listens(service.process.pid))
    assert b'"prediction":"setosa"' in slow.finish()
    assert service.wait_ended() == 0


def test_sigterm_under_load_fails_no_request_that_was_accepted(start: Start) -> None:
    service = start(trained.bundle("iris"), WORKERS="2")
    with Load(service.port, 8) as load:
        service.wait_until("under load", lambda: len(load.answers) > 100)
        assert load.failures == []
        code = service.terminate()
    assert code == 0
    assert set(load.statuses()) == {200}
    assert [failure for failure in load.failures if was_accepted(failure)] == []
    # It has really ended: what came later found nobody.
    assert load.failures


def test_sigterm_under_load_answers_those_that_wait_for_a_slow_model(start: Start) -> None:
    service = start(trained.slow_bundle(), WORKERS="1")
    with Load(service.port, 6) as load:
        service.wait_until("waiting", lambda: service.metric(IN_FLIGHT) >= 4)
        code = service.terminate()
    assert code == 0
    assert set(load.statuses()) == {200}
    assert [failure for failure in load.failures if was_accepted(failure)] == []


def test_an_idle_connection_does_not_hold_up_the_end(start: Start) -> None:
    service = start(trained.bundle("iris"), GRACEFUL_TIMEOUT_SECONDS="100")
    assert service.client.get("/health").status_code == 200
    started = time.monotonic()
    assert service.terminate() == 0
    # The client's connection is kept alive all the while.
    assert time.monotonic() - started < 50


def test_draining_says_so_and_still_answers(start: Start) -> None:
    service = start(trained.bundle("iris"), DRAIN_SECONDS="100")
    service.signal(signal.SIGTERM)
    url = str(service.client.base_url)
    service.wait_until("draining", lambda: httpx.get(f"{url}/ready").status_code == 503)
    assert httpx.get(f"{url}/ready").json() == {"status": "draining"}
    answer = httpx.post(f"{url}/predict", json=BODY)
    assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
    assert httpx.get(f"{url}/health").status_code == 200


def test_draining_comes_to_its_end(start: Start) -> None:
    service = start(trained.bundle("iris"), DRAIN_SECONDS="1")
    started = time.monotonic()
    assert service.terminate() == 0
    assert time.monotonic() - started >= 1


def test_sigkill_of_a_worker_fails_requests_on_its_own_connections_only(start: Start) -> None:
    service = start(trained.bundle("iris"), WORKERS="2")
    service.wait_until("two workers", lambda: len(service.events("model_loaded")) == 2)
    victim, survivor = service.workers()

    def answered_by() -> dict[str, int]:
        """Connection -> the worker that answered on it, by their lines in the log."""
        lines = service.events("prediction_completed")
        return {line["request_id"].rpartition(".")[0]: line["pid"] for line in lines}

    with Load(service.port, 8) as load:
        service.wait_until("both at work", lambda: {victim, survivor} <= {*answered_by().values()})
        assert load.failures == []
        os.kill(victim, signal.SIGKILL)
        service.wait_until("replaced", lambda: not {victim} & {*service.workers()})
        service.wait_until("two again", lambda: len(service.workers()) == 2)
        (new,) = {*service.workers()} - {survivor}
        service.wait_until("the new one at work", lambda: new in answered_by().values())
    assert set(load.statuses()) == {200}
    owners = answered_by()
    # A connection that never carried an answer may have been accepted by the one that was killed.
    blamed = {owners[failure.connection] for failure in load.failures if failure.answered_before}
    assert blamed <= {victim}
    service.reconnect()
    # Everything answered was counted; what was counted last may not have got out any more.
    counted = service.metric('ml_requests_total{code="200",.*route="/predict",.*}')
    assert len(load.answers) <= counted <= len(load.answers) + len(load.failures)


def test_sigkill_of_a_busy_worker_leaves_nothing_in_flight(start: Start) -> None:
    service = start(trained.slow_bundle(), WORKERS="1")
    (victim,) = service.workers()
    with Load(service.port, 6) as load:
        service.wait_until("busy", lambda: service.metric(IN_FLIGHT) >= 4)
        os.kill(victim, signal.SIGKILL)
        answered = len(load.answers)
        service.wait_until("served again", lambda: len(load.answers) > answered + 6)
    assert set(load.statuses()) == {200}
    assert len(load.failures) >= 1
    service.reconnect()
    assert service.metric(IN_FLIGHT) == 0
    assert victim not in service.workers()
