"""What the tests of HTTP/2 share: a service that is never asked for a prediction."""

from __future__ import annotations

import pytest

from app.service import Service
from tests import trained
from tests.app.conftest import make_service


@pytest.fixture(scope="session")
def service() -> Service:
    """It counts and logs what is refused."""
    return make_service(trained.bundle("iris"))
