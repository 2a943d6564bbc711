"""The rules on copies and drills are an object that Kubernetes takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import rendering
from tests.chart.test_releases import conform
from tests.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FILE = ROOT / "deploy/monitoring/recovery-rules.yaml"


def test_the_object_fits_its_definition(kubernetes_schemas: Path) -> None:
    rendered = rendering.parse(FILE.read_text(encoding="utf-8"))
    result = conform(rendered, kubernetes_schemas)
    assert result.code == 0, result.stdout + result.stderr
