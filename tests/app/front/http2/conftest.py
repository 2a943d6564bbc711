"""What the tests of HTTP/2 share: a service that is never asked for a prediction."""

from __future__ import annotations

import time

import pytest

from app.service import Service, load_service
from app.settings import Settings
from tests import trained


@pytest.fixture(scope="session")
def service() -> Service:
    """It counts and logs what is refused."""
    settings = Settings.from_environ({"MODEL_DIR": str(trained.bundle("iris"))})
    loaded = load_service(settings, started=time.perf_counter())
    loaded.start_worker()
    return loaded
