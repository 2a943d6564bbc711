"""The sums over several processes are what was sent, however workers come and go."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.observability.metrics import processes
from app.observability.metrics.shared_counters import Board
from tests import trained
from tests.app.live import LiveService, run_to_end
from tests.app.observability.metrics import samples
from tests.app.traffic import Load

Start = Callable[..., LiveService]
ANSWERED = 'ml_requests_total{route="/predict",code="200",.*}'
ALL = ("ml_batch_rows_sum", "ml_batch_rows_count", "ml_queue_wait_seconds_count",
       "ml_inference_seconds_count", "ml_confidence_count", "ml_predictions_total")  # fmt: skip


def settled(service: LiveService, count: int) -> dict[samples.Key, float]:
    """All series once each worker has told what it has predicted."""
    service.reconnect()
    service.wait_until("settled", lambda: service.metric("ml_batch_rows_sum") >= count)
    return samples.read(service.client.get("/metrics").text)


def reload(service: LiveService, load: Load, starts: int) -> None:
    """Replace all workers, and wait until the new ones have answered and counted their starts."""
    before, answered = {*service.workers()}, len(load.answers)
    service.signal(signal.SIGHUP)
    service.wait_until("replaced", lambda: not before & {*service.workers()})
    service.wait_until("at work", lambda: len(load.answers) > answered + 50)
    service.wait_until("started", lambda: service.metric("ml_worker_starts_total") == starts)


def test_restarts_of_workers_under_load_lose_and_repeat_nothing(
    start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "metrics"
    service = start(trained.bundle("iris"), WORKERS="2", PROMETHEUS_MULTIPROC_DIR=str(folder))
    service.wait_until("two workers", lambda: len(service.workers()) == 2)
    with Load(service.port, 6) as load:
        for times in (1, 2, 3):
            reload(service, load, starts=2 + 2 * times)
    # A reload closes connections that idle, and one of these may just have been written to.
    assert {answer.status for answer in load.answers} == {200}
    sent = len(load.answers)
    found = settled(service, sent)
    counted = samples.total(found, "ml_requests_total", route="/predict", code="200")
    assert sent <= counted <= sent + len(load.failures)
    for name in ALL:
        assert samples.total(found, name) == counted, name
    route = {"route": "/predict"}
    assert samples.total(found, "ml_request_duration_seconds_count", **route) == counted
    for feature in ("sepal_length", "petal_width"):
        assert samples.total(found, "ml_feature_bin_total", feature=feature) == counted
    assert samples.total(found, "ml_requests_in_flight") == 0
    assert samples.total(found, "ml_requests_in_flight_limit") == 2 * 64
    assert samples.total(found, "ml_workers") == 2
    # Old workers and new ones at most: no file is left for each that ever lived.
    assert len(list(folder.iterdir())) <= 2 * 2
    print(f"\n  {sent} requests over 3 restarts of 2 workers, {len(load.failures)} failed")


def test_what_a_killed_worker_answered_stays_counted(start: Start) -> None:
    service = start(trained.bundle("iris"), WORKERS="2")
    service.wait_until("two workers", lambda: len(service.workers()) == 2)
    with Load(service.port, 6) as load:
        service.wait_until("at work", lambda: len(load.answers) > 100)
        victim = service.workers()[0]
        os.kill(victim, signal.SIGKILL)
        service.wait_until("replaced", lambda: victim not in service.workers())
        service.wait_until("three", lambda: service.metric("ml_worker_starts_total") == 3)
    sent = len(load.answers)
    service.reconnect()
    counted = service.metric(ANSWERED)
    assert sent <= counted <= sent + len(load.failures)
    # Distributions reach the others once a second, or after 64 requests: only that may be missing.
    service.wait_until("settled", lambda: service.metric("ml_batch_rows_sum") >= counted - 64)
    assert service.metric("ml_batch_rows_sum") <= counted
    assert service.metric("ml_requests_in_flight_limit") == 2 * 64


def test_cpu_time_never_falls_when_a_worker_ends(start: Start) -> None:
    service = start(trained.bundle("iris"), WORKERS="1")
    (worker,) = service.workers()
    with Load(service.port, 4) as load:
        service.wait_until("at work", lambda: len(load.answers) > 200)
    before = service.metric("process_cpu_seconds_total")
    own = sum(processes._times(worker)[:2]) / processes.TICKS
    assert 0 < own <= before
    os.kill(worker, signal.SIGKILL)
    service.wait_until("replaced", lambda: worker not in service.workers())
    service.wait_until("back", lambda: answers(service))
    service.reconnect()
    assert service.metric("process_cpu_seconds_total") >= before
    started = service.metric("process_start_time_seconds")
    assert time.time() - 600 < started < time.time()
    assert 20e6 < service.metric("process_resident_memory_bytes") < 1e9
    assert 5 < service.metric("process_open_fds") < service.metric("process_max_fds")


def answers(service: LiveService) -> bool:
    """Whether a new connection is answered."""
    try:
        return httpx.get(f"http://127.0.0.1:{service.port}/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_a_worker_that_replaces_another_counts_its_own_load_time(start: Start) -> None:
    service = start(trained.bundle("iris"), WORKERS="1")
    loaded = service.metric("ml_model_load_seconds")
    # Longer than the first start took, so that a time from there on would be seen.
    time.sleep(loaded + 1)
    (worker,) = service.workers()
    os.kill(worker, signal.SIGKILL)
    service.wait_until("loaded", lambda: len(service.events("model_loaded")) == 2)
    service.reconnect()
    first, second = (line["seconds"] for line in service.events("model_loaded"))
    assert first == pytest.approx(loaded, abs=0.001)
    assert service.metric("ml_model_load_seconds") == pytest.approx(second, abs=0.001)
    assert second < loaded + 1


def test_a_refused_bundle_is_counted_by_the_start_that_succeeds(
    start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "metrics"
    environ = {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    wrong = {"MODEL_DIR": str(trained.bundle("iris")), "MODEL_DIGEST": "sha256:" + "0" * 64}
    for _ in range(2):
        assert run_to_end({**wrong, **environ}).returncode == 3
    assert run_to_end({**wrong, **environ, "PORT": "x"}).returncode == 3
    service = start(trained.bundle("iris"), **environ)
    # The last one was refused for its settings, not its bundle.
    assert service.metric("ml_model_verification_failures_total") == 2


def test_a_board_takes_over_and_forgets_what_is_over(tmp_path: Path) -> None:
    board = Board(tmp_path, 3)
    first, second = board.take(), board.take()
    board.numbers(first)[0] = 5
    board.numbers(first)[1] = 7
    board.numbers(second)[1] = 1
    board.release(first, [1])
    assert board.take() == first
    # Another process reads the same files.
    read = sorted(numbers.tolist() for numbers in Board(tmp_path, 3).read())
    assert read == [[0, 1, 0], [5, 0, 0]]
    shutil.rmtree(tmp_path)
