"""Every counter counts: each is moved by what its help text says, and no other kind of trouble."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.observability.metrics import families
from tests import trained
from tests.app.live import LiveService, run_to_end
from tests.app.traffic import BODY, Load
from tests.ports import free_port

COUNTERS = sorted(
    entry.name
    for entry in vars(families).values()
    if isinstance(entry, families.Family) and entry.kind == "counter"
)
REFUSED_STARTS = 2
# What goes wrong in three ways, each of which is counted by one of them only.
TROUBLE = ("ml_requests_shed_total", "ml_deadline_exceeded_total", "ml_input_rejections_total")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A slow model that holds one request and keeps its rows, after two starts in vain."""
    folder = tmp_path_factory.mktemp("counters")
    (folder / "captured").mkdir()
    environ = {
        "WORKERS": "1",
        "MAX_IN_FLIGHT": "1",
        "CAPTURE_RATIO": "1",
        "CAPTURE_DIR": str(folder / "captured"),
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
    }
    wrong = {"MODEL_DIR": str(trained.slow_bundle()), "MODEL_DIGEST": "sha256:" + "0" * 64}
    for _ in range(REFUSED_STARTS):
        assert run_to_end({**environ, **wrong}).returncode == 3
    started = LiveService(trained.slow_bundle(), Path(folder / "log"), environ)
    started.wait_ready()
    yield started
    started.stop()


@pytest.fixture
def cached(tmp_path: Path) -> Iterator[LiveService]:
    """A fast model with room for three predictions, and a Redis that is not there."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    environ = {"WORKERS": "1", "CACHE_BYTES": "1200", "CACHE_URL": url}
    started = LiveService(trained.bundle("iris"), tmp_path / "cached", environ)
    started.wait_ready()
    yield started
    started.stop()


def predict(service: LiveService) -> float:
    assert service.client.post("/predict", json=BODY).status_code == 200
    return 1


def predict_features(service: LiveService) -> float:
    return 4 * predict(service)


def ask(service: LiveService) -> float:
    assert service.client.get("/health").status_code == 200
    return 1


def shed(service: LiveService) -> float:
    with Load(service.port, 4) as load:
        service.wait_until("shedding", lambda: 503 in load.statuses())
    assert load.failures == []
    return load.statuses().count(503)


def be_late(service: LiveService) -> float:
    for _ in range(3):
        headers = {"X-Request-Timeout-Ms": "1"}
        assert service.client.post("/predict", json=BODY, headers=headers).status_code == 504
    return 3


def be_wrong(service: LiveService) -> float:
    assert service.client.post("/predict", json={"features": [1]}).status_code == 422
    assert service.client.post("/predict", content=b"{").status_code == 415
    return 2


def replace_worker(service: LiveService) -> float:
    (worker,) = service.workers()
    os.kill(worker, signal.SIGKILL)
    service.wait_until("ready", lambda: len(service.events("model_loaded")) == 2)
    service.reconnect()
    return 1


# What is done -> by how much the counter moves.
PROVOKED: dict[str, Callable[[LiveService], float]] = {
    "ml_requests_total": ask,
    "ml_predictions_total": predict,
    "ml_feature_bin_total": predict_features,
    "ml_capture_rows_total": predict,
    "ml_requests_shed_total": shed,
    "ml_deadline_exceeded_total": be_late,
    "ml_input_rejections_total": be_wrong,
    "ml_worker_starts_total": replace_worker,
}


def find(service: LiveService) -> float:
    for _ in range(4):
        predict(service)
    return 3


def compute(service: LiveService) -> float:
    for number in range(5):
        body = {"features": [number, 3.5, 1.4, 0.2]}
        assert service.client.post("/predict", json=body).status_code == 200
    return 5


def compute_many(service: LiveService) -> float:
    """In turn, with room for three: each one that comes takes the place of another."""
    return sum(compute(service) for _ in range(4)) - 3


# The same of a service with a cache.
OF_THE_CACHE: dict[str, Callable[[LiveService], float]] = {
    "ml_cache_hits_total": find,
    "ml_cache_misses_total": compute,
    "ml_cache_evictions_total": compute_many,
}
# Moved by time and by what was before this service.
BY_ITSELF = {"process_cpu_seconds_total", "ml_model_verification_failures_total"}


@pytest.mark.parametrize("name", PROVOKED)
def test_a_counter_counts_what_it_says(service: LiveService, name: str) -> None:
    # Rows are written by a thread of their own: those of earlier predictions must be there.
    service.wait_until(
        "captured",
        lambda: service.metric("ml_capture_rows_total") == service.metric("ml_batch_rows_sum"),
    )
    # Scrapes are requests as well, so those of one URL are looked at.
    pattern = name + (r'{.*route="/health",.*}' if name == "ml_requests_total" else "")
    before = service.metric(pattern)
    others = {other: service.metric(other) for other in TROUBLE if other != name}
    moved = PROVOKED[name](service)
    service.wait_until("counted", lambda: service.metric(pattern) >= before + moved)
    assert service.metric(pattern) == before + moved
    assert {other: service.metric(other) for other in others} == others


@pytest.mark.parametrize("name", OF_THE_CACHE)
def test_a_counter_of_the_cache_counts_what_it_says(cached: LiveService, name: str) -> None:
    before = cached.metric(name)
    moved = OF_THE_CACHE[name](cached)
    assert cached.metric(name) == before + moved


def test_a_redis_that_is_not_there_is_counted(cached: LiveService) -> None:
    pattern = r'ml_cache_errors_total\{reason="connection"\}'
    cached.wait_until("tried again", lambda: cached.metric(pattern) >= 2)
    assert cached.metric("ml_cache_errors_total") == cached.metric(pattern)
    assert cached.metric("ml_cache_connected") == 0


def test_starts_that_refused_the_bundle_are_counted(service: LiveService) -> None:
    assert service.metric("ml_model_verification_failures_total") == REFUSED_STARTS


def test_cpu_time_is_counted(service: LiveService) -> None:
    before = service.metric("process_cpu_seconds_total")
    assert before > 0
    for _ in range(5):
        predict(service)
    assert service.metric("process_cpu_seconds_total") > before


def test_every_counter_is_counted_here() -> None:
    # The second one needs a Redis that is slow: tests/cache/test_sharing.py.
    redis = {"ml_cache_errors_total", "ml_cache_wait_seconds_total"}
    assert sorted(PROVOKED.keys() | OF_THE_CACHE.keys() | redis | BY_ITSELF) == COUNTERS
