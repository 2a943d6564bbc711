"""More requests than there is room for: the rest is refused at once and may come back."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import trained
from tests.app.live import LiveService
from tests.app.traffic import BODY, Answer, Client, Load, together

IN_FLIGHT = "ml_requests_in_flight"
LIMIT = 2
TICK = os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A model that takes long, and room for two requests."""
    log = tmp_path_factory.mktemp("slow") / "log"
    environ = {"WORKERS": "1", "MAX_IN_FLIGHT": str(LIMIT)}
    started = LiveService(trained.slow_bundle(), log, environ)
    started.wait_ready()
    yield started
    started.stop()


def cpu_seconds(pid: int) -> float:
    """What a process has computed so far: other work on this machine does not add to it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def test_what_is_beyond_the_limit_gets_503_while_probes_answer(service: LiveService) -> None:
    refused_before = service.metric("ml_requests_shed_total")
    with Load(service.port, 5 * LIMIT) as load:
        service.wait_until("full", lambda: service.metric(IN_FLIGHT) == LIMIT)
        service.wait_until("shedding", lambda: 503 in load.statuses())
        waits = []
        for path in ("/health", "/ready", "/metrics") * 5:
            started = time.monotonic()
            assert service.client.get(path).status_code == 200
            waits.append(time.monotonic() - started)
        service.wait_until("predicting", lambda: 200 in load.statuses())
    assert load.failures == []
    assert set(load.statuses()) == {200, 503}
    refused = next(answer for answer in load.answers if answer.status == 503)
    assert refused.headers["retry-after"] == "1"
    assert b'"title":"Too many requests in flight"' in refused.body
    counted = service.metric("ml_requests_shed_total") - refused_before
    assert counted == load.statuses().count(503)
    assert service.metric(IN_FLIGHT) == 0
    # The guide's bound for one that is slow; the middle one, because this machine has other work.
    assert sorted(waits)[len(waits) // 2] < 1


def test_clients_that_honour_retry_after_are_all_served(service: LiveService) -> None:
    refusals: list[int] = []

    def persist(client: Client) -> None:
        for _ in range(2):
            while True:
                result = client.post()
                assert isinstance(result, Answer)
                if result.status == 200:
                    break
                assert result.status == 503
                refusals.append(result.status)
                time.sleep(int(result.headers["retry-after"]))

    # Five times the limit, in a closed loop: everybody waits for the answer.
    together(5 * LIMIT, persist, service.port)
    assert refusals
    assert service.metric(IN_FLIGHT) == 0


def test_five_times_the_peak_in_an_open_loop_leaves_the_peak_as_it_is(
    service: LiveService,
) -> None:
    (worker,) = service.workers()

    def cost_of(load: Load) -> float:
        """CPU of the worker for each prediction, over some of them."""
        first, computed = load.statuses().count(200), cpu_seconds(worker)
        service.wait_until("predicting", lambda: load.statuses().count(200) >= first + 15)
        predicted = load.statuses().count(200) - first
        return (cpu_seconds(worker) - computed) / predicted

    def measure() -> tuple[float, float]:
        with Load(service.port, LIMIT) as peak:
            service.wait_until("warm", lambda: 200 in peak.statuses())
            alone = cost_of(peak)
        # Nobody waits for an answer before the next request is sent.
        interval = alone / 5
        with Load(service.port, 20, interval=20 * interval) as overload:
            service.wait_until("shedding", lambda: 503 in overload.statuses())
            crowded = cost_of(overload)
        assert overload.failures == []
        assert set(overload.statuses()) == {200, 503}
        print(f"\n  CPU of a prediction: {alone * 1000:.0f} ms, {crowded * 1000:.0f} ms shedding")
        return alone, crowded

    # What sheds is busy all the time, so its goodput falls as the cost of a prediction grows. The
    # best of three: what else runs on the machine takes caches away, and so adds to the cost.
    assert any(crowded < 1.5 * alone for alone, crowded in (measure() for _ in range(3)))


def test_a_deadline_that_passes_is_a_504(service: LiveService) -> None:
    before = service.metric("ml_batch_rows_sum")
    headers = {"X-Request-Timeout-Ms": "1"}
    late = service.client.post("/predict", json=BODY, headers=headers)
    assert late.status_code == 504
    assert late.json()["detail"] == "timed out after 1 ms"
    assert service.metric("ml_batch_rows_sum") == before
