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


# Of those, where explanations are counted as well, each by a pattern of its own.
EXPLAINING = ("charts/ml-model/templates/_rules.tpl", "dashboards/panels.py")


def chosen(place: str) -> list[frozenset[str]]:
    """The routes that each pattern of a file selects."""
    patterns = CHOSEN.findall((ROOT / place).read_text(encoding="utf-8"))
    return [
        frozenset(url.path for url in EVERY_URL if re.fullmatch(pattern, url.path))
        for pattern in patterns
    ]


@pytest.mark.parametrize("place", PLACES)
def test_every_prediction_is_counted_and_every_explanation_apart(place: str) -> None:
    predicting = frozenset(url.path for url in EVERY_URL if url.predicts and not url.explains)
    explaining = frozenset(url.path for url in EVERY_URL if url.explains)
    expected = {predicting, explaining} if place in EXPLAINING else {predicting}
    assert set(chosen(place)) == expected
