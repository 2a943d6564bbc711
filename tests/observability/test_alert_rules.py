"""The rules of deploy/compose are the chart's, fresh, and loaded by its Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelctl.rendering import alert_rules
from tests import rendering
from tests.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FILES = alert_rules.files(ROOT, str(rendering.TOOLS / "helm4"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_rules_of_a_model_are_fresh_and_can_be_read(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == FILES[path], "stale: run `make generate`"
    checked = rendering.run(rendering.tool("promtool"), "check", "rules", "--lint=all", path)
    assert checked.code == 0, checked.stdout + checked.stderr


def test_no_rules_of_a_model_that_is_gone_are_left() -> None:
    assert set((ROOT / alert_rules.FOLDER).glob("*")) == set(FILES)
