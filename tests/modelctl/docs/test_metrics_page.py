"""docs/reference/metrics.md is what the code exports."""

from __future__ import annotations

import pytest

from modelctl.docs import metrics_page
from tests import trained
from tests.app.conftest import make_client
from tests.app.observability.metrics import samples
from tests.paths import ROOT


def test_the_page_is_current() -> None:
    found = (ROOT / metrics_page.PAGE).read_text(encoding="utf-8")
    assert found == metrics_page.page(), "run `make generate`"


@pytest.mark.parametrize("model", metrics_page.SAMPLES)
def test_a_sample_model_has_as_many_series_as_the_page_says(model: str) -> None:
    text = make_client(trained.bundle(model)).get("/metrics").text
    # The parser of the tests reads them; two of the same would fail there.
    assert len(samples.read(text)) == metrics_page.SAMPLES[model]


def test_every_family_that_is_exported_is_on_the_page() -> None:
    text = (ROOT / metrics_page.PAGE).read_text(encoding="utf-8")
    exported = make_client(trained.bundle("penguins")).get("/metrics").text
    for line in exported.splitlines():
        if line.startswith("# HELP "):
            assert f"| `{line.split()[2]}` |" in text
