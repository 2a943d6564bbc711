"""docs/how-to/queue.md, typed as it says."""

from __future__ import annotations

from pathlib import Path

from tests.docs.walkthrough import Checkout, steps
from tests.paths import ROOT
from tests.queues.processes import program

PAGE = ROOT / "docs/how-to/queue.md"


def test_the_page_is_true(tmp_path: Path) -> None:
    program("redis-server", "redis-server")
    program("redis-cli", "redis-tools")
    walked = Checkout.make(tmp_path).walk(PAGE)
    assert walked == len(steps(PAGE)) > 5
    assert walked == PAGE.read_text().count("\n$ ")
