"""A broker of each kind for all tests of this folder, and a queue of its own for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.observability import loglines
from tests.queues import brokers
from tests.queues.consumers import Desk
from tests.queues.processes import Broker
from tests.queues.sides import SIDES


class Shared:
    """Brokers that run already."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, Broker] = {}
        self._stack = ExitStack()

    def get(self, kind: str) -> Broker:
        """The broker of a kind, started by the first who asks."""
        if kind not in self._running:
            folder = self._folder / kind
            folder.mkdir()
            self._running[kind] = self._stack.enter_context(getattr(brokers, kind)(folder))
        return self._running[kind]

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """The brokers of this run."""
    found = Shared(tmp_path_factory.mktemp("brokers"))
    yield found
    found.close()


@pytest.fixture(params=sorted(SIDES))
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of broker."""
    return str(request.param)


@pytest.fixture
def broker(shared: Shared, kind: str) -> Broker:
    """A running broker."""
    return shared.get(kind)


@pytest.fixture
def desk(broker: Broker, kind: str, tmp_path: Path) -> Iterator[Desk]:
    """A queue of its own, whose consumers write no log line that is not declared."""
    found = Desk(kind, broker.url, f"tests-{secrets.token_hex(6)}", tmp_path)
    yield found
    log = found.log()
    found.stop()
    loglines.check(loglines.of(log))
