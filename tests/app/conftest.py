"""Fixtures of the serving tests: an application in this process, or a service of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from app.factory import create_app
from app.model import engine
from app.service import Service, load_service
from app.settings import Settings
from tests import trained
from tests.app import live, servers
from tests.app.browser import Browser
from tests.app.live import LiveService

if TYPE_CHECKING:
    from flask.testing import FlaskClient

Client = Callable[..., "FlaskClient"]


def make_service(bundle: Path, **environ: str) -> Service:
    """A started service with these environment variables, in this process.

    Its self-test runs here as well, not in a fork: the tests of this process have trained models,
    whose threads and locks a forked child does not have. A service has none when it forks.
    """
    settings = Settings.from_environ({"MODEL_DIR": str(bundle), **environ})
    with mock.patch.object(engine, "self_test_in_child", engine.self_test):
        service = load_service(settings, started=time.perf_counter())
    service.start_worker()
    return service


def make_client(bundle: Path, **environ: str) -> FlaskClient:
    """A test client over a started service with these environment variables.

    With --http-server the service runs under one (see `servers`).
    """
    if server := servers.chosen():
        return servers.client(server, bundle, tuple(sorted(environ.items())))
    return create_app(make_service(bundle, **environ)).test_client()


@pytest.fixture(scope="session")
def iris() -> FlaskClient:
    """Numbers only, no value may be missing."""
    return make_client(trained.bundle("iris"))


@pytest.fixture(scope="session")
def penguins() -> FlaskClient:
    """Numbers and categories, all of which may be missing."""
    return make_client(trained.bundle("penguins"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    opened = Browser()
    yield opened
    opened.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., LiveService]]:
    """Start `python -m app` with environment variables; whatever still runs is stopped."""
    with live.starting(tmp_path) as starter:
        yield starter
