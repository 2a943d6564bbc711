"""The rules on copies and drills are an object that Kubernetes takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import rendering
from tests.paths import ROOT
from tests.schemas import Schemas

if TYPE_CHECKING:
    pass

FILE = ROOT / "deploy/monitoring/recovery-rules.yaml"


def test_the_object_fits_its_definition(schemas: Schemas) -> None:
    rendered = rendering.parse(FILE.read_text(encoding="utf-8"))
    assert schemas.faults(rendered) == []
