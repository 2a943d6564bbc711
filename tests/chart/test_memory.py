"""What the chart reserves for the clients of a worker is what the service bounds."""

from __future__ import annotations

import re

import pytest

from app.front import memory
from tests import rendering

MEBIBYTE = 1024 * 1024
# An open connection after one request, measured as in docs/reference/memory.md.
CONNECTION_KIB = 5
NEEDED = re.compile(r"expected at least (\d+) MiB")


@pytest.mark.parametrize(
    "body", [1, 65_536, MEBIBYTE, 4 * MEBIBYTE, 4 * MEBIBYTE + 1, 100 * MEBIBYTE, 1024 * MEBIBYTE]
)
def test_what_clients_may_hold_fits_into_the_limit(minimal: list[str], body: int) -> None:
    values = (
        f"config.maxBodyBytes={body},workers=3,memoryBudget.baseMi=1,memoryBudget.perWorkerMi=0,"
        "resources.requests.memory=1Mi,resources.limits.memory=1Mi"
    )
    answer = rendering.try_template(
        "helm4", rendering.CHART, "iris", "ml-dev", *minimal, "--set", values
    )
    found = NEEDED.search(answer.stderr)
    assert found is not None, answer.stderr
    held = memory.held_limit(body) + memory.MAX_CONNECTIONS * CONNECTION_KIB * 1024
    # Both of its parts are rounded up.
    assert held <= (int(found[1]) - 1) / 3 * MEBIBYTE < held + 2 * MEBIBYTE


def test_the_memory_limit_counts_the_cache_of_each_worker(minimal: list[str]) -> None:
    values = (
        "workers=3,memoryBudget.baseMi=100,memoryBudget.perWorkerMi=15,cache.bytes=33554433,"
        "resources.requests.memory=200Mi,resources.limits.memory=200Mi,cache.enabled="
    )
    needed = []
    for enabled in ("false", "true"):
        answer = rendering.try_template(
            "helm4", rendering.CHART, "iris", "ml-dev", *minimal, "--set", values + enabled
        )
        found = NEEDED.search(answer.stderr)
        assert found is not None, answer.stderr
        needed.append(int(found[1]))
    assert needed[1] - needed[0] == 3 * 33
    assert "33 for its cache" in answer.stderr
