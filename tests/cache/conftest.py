"""One Redis for the tests that leave it as it was, and services that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import trained
from tests.app import live
from tests.app.cache import asked
from tests.app.live import LiveService
from tests.cache.redises import PATIENT_MS, Asker, Redis
from tests.queues import brokers


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """The Redis of this run."""
    with brokers.redis(tmp_path_factory.mktemp("redis")) as broker:
        yield Redis(broker)


@pytest.fixture
def redis(running: Redis) -> Redis:
    """It, without any key."""
    running.say("FLUSHALL")
    return running


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Redis]:
    """A Redis that the test may do anything to."""
    with brokers.redis(tmp_path) as broker:
        yield Redis(broker)


@pytest.fixture
def share() -> Iterator[Callable[..., Asker]]:
    """Start services that share a Redis, without a memory of their own."""
    started: list[Asker] = []

    def starter(url: str, *, bundle: Path | None = None, **environ: str) -> Asker:
        given = {"CACHE_BYTES": "0", "CACHE_BUDGET_MS": PATIENT_MS, "CACHE_URL": url, **environ}
        found = Asker(asked.service(bundle or trained.bundle("iris"), **given))
        started.append(found)
        return found

    yield starter
    for each in started:
        each.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., LiveService]]:
    """Start `python -m app` with environment variables; whatever still runs is stopped."""
    with live.starting(tmp_path) as starter:
        yield starter
