"""Releases of the chart as Argo CD would render them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import rendering
from tests.chart import judge, least


@pytest.fixture(params=rendering.releases(), ids="-".join)
def release(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Each (environment, model) of the repository."""
    pair: tuple[str, str] = request.param
    return pair


@pytest.fixture(params=rendering.HELMS)
def helm(request: pytest.FixtureRequest) -> str:
    """Each Helm that has to agree."""
    name: str = request.param
    return name


@pytest.fixture
def minimal() -> list[str]:
    """The least values that render, as arguments."""
    return rendering.values(least.MINIMAL)


@pytest.fixture(scope="session")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[judge.Judge]:
    """A real API server that says what it refuses."""
    with judge.sitting(tmp_path_factory.mktemp("api")) as court:
        yield court
