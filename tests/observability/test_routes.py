"""What counts predictions counts each route that predicts, of every protocol, and no other."""

from __future__ import annotations

import re

import pytest

from app.urls import EVERY_URL
from tests.paths import ROOT

# Where the routes are chosen, and not generated from another of these.
PLACES = (
    "charts/ml-model/templates/_rules.tpl",
    "charts/ml-model/values.yaml",
    "dashboards/overview.py",
    "dashboards/panels.py",
    "deploy/monitoring/prometheus-adapter.yaml",
    "sandbox/console/releases.html",
)
# Prometheus anchors a pattern at both ends.
CHOSEN = re.compile(r"route=~[\"'\\]+(\.\*[^\"'\\]+)[\"'\\]")


@pytest.mark.parametrize("place", PLACES)
def test_every_prediction_is_counted(place: str) -> None:
    patterns = CHOSEN.findall((ROOT / place).read_text(encoding="utf-8"))
    assert patterns
    predicting = {url.path for url in EVERY_URL if url.predicts and not url.explains}
    for pattern in patterns:
        assert {url.path for url in EVERY_URL if re.fullmatch(pattern, url.path)} == predicting
