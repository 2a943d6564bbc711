"""The page of `modelctl drift report --html`, in a real browser: wide, narrow, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from app.model.contract import Output
from app.observability.metrics import bins
from modelctl.drift import page, svg
from modelctl.drift.distributions import Reference, of_features
from modelctl.drift.findings import Report, Thresholds, judge
from modelctl.drift.measures import Test
from modelctl.drift.outliers import Outliers
from modelctl.drift.performance import MetricChange
from tests.app.browser import Browser
from tests.modelctl.pages import ensure_readable, opened

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
TENTHS = [0.1] * 10
MANIFEST = {
    "reference": [
        {"name": "income", "missing": 0.02, "edges": [0.0, 900.0, 1_250.0, 1_800.0, 2_400.0,
         3_100.0, 3_800.0, 4_700.0, 6_200.0, 9_900.0, 1_250_000.0], "ratios": TENTHS},
        {"name": "country <b>&", "missing": 0.0, "ratios": [1 / 80] * 80,
         "categories": [f"country number {n} <script>" for n in range(80)]},
        {"name": "a-name-that-is-much-longer-than-any-screen-of-a-phone-is-wide-and-then-some",
         "missing": 0.0, "categories": [False, True], "ratios": [0.5, 0.5]},
        {"name": "constant", "missing": 0.0, "edges": [7.0], "ratios": [1.0]},
        {"name": "note", "missing": 0.1},
    ]
}  # fmt: skip
FEATURES = of_features(MANIFEST)
CLASSES = {"name": "churn", "missing": 0.0, "categories": ["no", "yes"], "ratios": [0.8, 0.2]}
OUTPUT = Output("classifier", "churn", ("no", "yes"), probabilities=True)
(PART,) = bins.of_predictions(OUTPUT, CLASSES)
PREDICTIONS = Reference(
    "churn",
    PART.bins,
    np.array([0.8, 0.2]),
    is_prediction=True,
    part=PART,
)


def live(name: str, *counts: float) -> np.ndarray:
    found = np.zeros(len(FEATURES[name].bins.labels))
    found[: len(counts)] = counts
    return found


def made() -> Report:
    """One of each: every level, every kind of feature, and everything that only rows give."""
    long = next(name for name in FEATURES if name.startswith("a-name"))
    counts = {
        "income": live("income", *[90] * 9, 150, 0, 60, 30),
        "country <b>&": live("country <b>&", *([20] * 30 + [15] * 20), 300),
        long: live(long, 620, 380),
        "constant": live("constant", 300),
        "note": live("note", 900, 100),
    }
    found = [
        judge(
            FEATURES[name], rows, 2000, Thresholds(), Test(0.21, 1e-9) if name == "income" else None
        )
        for name, rows in counts.items()
    ]
    return Report(
        "churn", "2.1.0", "sha256:" + "ab" * 32, "captured rows of <i>two</i> days", 1000,
        Thresholds(), found, [judge(PREDICTIONS, np.array([560.0, 440.0]), 2000, Thresholds())],
        Outliers(0.15, 0.05, 1000, 1e-9),
        [MetricChange("accuracy", 0.91, 0.84, 0.81, 0.87, more_is_better=True)],
        ["excluded rows of other bundles: 12"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "drift.html"
    path.write_text(page.render(made(), NOW), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(written: Path) -> Iterator[Browser]:
    with opened(written) as browser:
        yield browser


def test_the_page_is_text_that_nobody_can_inject_into(written: Path) -> None:
    text = written.read_text()
    assert "country &lt;b&gt;&amp;" in text
    for markup in ("<b>", "<i>", "<script"):
        assert markup not in text
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "phone"), [(1280, False), (390, True)])
def test_everything_is_readable_at(browser: Browser, width: int, phone: bool, scheme: str) -> None:
    ensure_readable(browser, "drift", width, phone=phone, scheme=scheme)
    shown = browser.js("document.body.innerText")
    for text in ("Drift: critical", "too few rows", "country <b>&", "predictions: churn",
                 "accuracy", "15.0% of the live rows", "rows of other bundles: 12"):  # fmt: skip
        assert text in shown
    assert browser.js("document.querySelectorAll('.card svg').length") == 6


@pytest.mark.browser
def test_no_text_of_a_plot_lies_on_another_or_outside(browser: Browser) -> None:
    browser.resize(1280, 900)
    assert browser.js(OVERLAPS) == []


@pytest.mark.browser
def test_columns_are_as_high_as_their_shares(browser: Browser) -> None:
    heights = browser.js(
        "[...document.querySelectorAll('#prediction-churn g rect')]"
        ".map(column => +column.getAttribute('height'))"
    )
    assert heights == pytest.approx([116 * share for share in (0.8, 0.56, 0.2, 0.44)], abs=0.1)


@pytest.mark.browser
def test_the_worst_stand_first_under_the_predictions(browser: Browser) -> None:
    column = (
        "[...document.querySelectorAll('#summary tbody tr')].map(row => row.cells[%d].innerText)"
    )
    names, indexes = browser.js(column % 0), [float(text) for text in browser.js(column % 2)]
    assert names[0] == "predictions: churn"
    assert indexes[1:] == sorted(indexes[1:], reverse=True)
    assert len(names) == 6


def test_many_categories_become_as_many_columns_as_can_be_told_apart() -> None:
    text = page.render(made(), NOW)
    card = text[text.index('id="feature-country') :]
    card = card[: card.index("</section>")]
    assert card.count("<g>") == page.MAX_COLUMNS + 1
    assert "others: reference" in card


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (-0.25, "-0.25"), (12.3456, "12.3"), (3350, "3350"), (12_345, "12.3k"),
     (1_250_000, "1.25M"), (-99_000, "-99k"), (2e15, "2e+15"), (0.00012, "0.00012")],
)  # fmt: skip
def test_numbers_on_axes_are_short(number: float, text: str) -> None:
    assert svg.compact(number) == text


# Texts of one plot that overlap each other by more than a pixel, or leave its frame.
OVERLAPS = """
[...document.querySelectorAll('.card svg')].flatMap((plot) => {
  const frame = plot.getBoundingClientRect();
  const texts = [...plot.querySelectorAll('text')].filter((t) => !t.hasAttribute('transform'));
  const boxes = texts.map((t) => [t.textContent, t.getBoundingClientRect()]);
  const outside = boxes.filter(([, b]) => b.left < frame.left - 1 || b.right > frame.right + 12
    || b.bottom > frame.bottom + 1);
  const pairs = boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([, q]) =>
    Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 &&
    Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 1).map(([b]) => `${a} on ${b}`));
  return [...outside.map(([t]) => `${t} outside`), ...pairs];
})
"""
