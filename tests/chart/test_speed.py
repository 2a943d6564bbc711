"""Rendering one release stays within reach of the smallest chart there is."""

from __future__ import annotations

import math
import resource
from pathlib import Path

import pytest

from tests import rendering

# The least of several rounds is what it costs; on a busy machine it takes more of them to see it.
MIN_ROUNDS, MAX_ROUNDS = 5, 40
# A third of it is the schema, which knows what Kubernetes refuses of each key.
LIMIT = 2.5


def cost(helm: str, chart: Path, *arguments: str) -> float:
    """Seconds of CPU of one render: unlike the time on the clock, other work does not add to it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = rendering.try_template(helm, chart, "iris", "ml-dev", *arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.code == 0, result.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_render_costs_at_most_two_and_a_half_times_that_of_a_created_chart(
    helm: str, minimal: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    created = tmp_path / "created"
    assert rendering.run(rendering.tool(helm), "create", created).code == 0
    theirs = ours = math.inf
    for count in range(MAX_ROUNDS):
        theirs = min(theirs, cost(helm, created))
        ours = min(ours, cost(helm, rendering.CHART, *minimal))
        if count + 1 >= MIN_ROUNDS and ours <= LIMIT * theirs:
            break
    with capsys.disabled():
        print(f"\n  {helm}: {ours * 1000:.0f} ms, {ours / theirs:.2f}x a created chart")
    assert ours <= LIMIT * theirs
