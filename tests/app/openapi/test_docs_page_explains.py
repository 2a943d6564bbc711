"""The page at /docs explains a prediction, where the model is explained."""

from __future__ import annotations

from typing import Any

import pytest

from tests.app import live
from tests.app.browser import Browser
from tests.app.openapi.docs_page import ENTER, fill, open_page

EXPLAINED = "document.querySelector('.explained') && !document.getElementById('explain').disabled"
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def explain(browser: Browser) -> None:
    for name, value in ROW.items():
        fill(browser, name, str(value))
    browser.js("document.getElementById('explain').click()")
    browser.wait(EXPLAINED)


def shown(browser: Browser) -> list[list[Any]]:
    """Of each bar: feature and value, its number, from where to where in percent of its track."""
    found: list[list[Any]] = browser.js(
        "[...document.querySelectorAll('.explained li')].map(li => {"
        "const track = li.querySelector('.bar').getBoundingClientRect();"
        "const bar = li.querySelector('i').getBoundingClientRect();"
        "const at = (x) => Math.round(100 * (x - track.left) / track.width);"
        "return [...li.querySelectorAll('div > span')].map(s => s.textContent)"
        ".concat([at(bar.left), at(bar.right)]); })"
    )
    return found


@pytest.mark.browser
def test_contributions_are_bars_to_both_sides_the_largest_first(browser: Browser) -> None:
    service = live.shared("iris")
    open_page(browser, service.port)
    explain(browser)
    answer = service.client.post("/explain", json={"features": ROW}).json()["explanation"]
    classes = service.client.get("/model/info").json()["output"]["classes"]
    for at, name in enumerate(classes):
        browser.js(
            f"(s => {{ s.value = '{at}'; s.dispatchEvent(new Event('change')); }})"
            "(document.querySelector('.explained select'))"
        )
        added = {key: values[at] for key, values in answer["contributions"].items()}
        order = sorted(added, key=lambda key: -abs(added[key]))
        widest = abs(added[order[0]])
        bars = shown(browser)
        assert [bar[0] for bar in bars] == [f"{key} = {ROW[key]}" for key in order]
        for bar, key in zip(bars, order, strict=True):
            number = float(bar[1].replace("\N{MINUS SIGN}", "-"))
            assert number == pytest.approx(added[key], rel=1e-3)
            length = 50 * added[key] / widest
            edges = sorted([50, 50 + length])
            assert bar[2:] == pytest.approx(edges, abs=1), (name, key)
        meta = browser.js("document.querySelector('.explained .meta').textContent")
        assert meta.startswith(f"from {answer['base'][at]:.4g}, the mean of the background, to ")
    assert browser.complaints == []


@pytest.mark.browser
def test_the_predicted_class_is_chosen_and_its_answer_shown_as_well(browser: Browser) -> None:
    open_page(browser, live.shared("iris").port)
    explain(browser)
    assert browser.js("document.querySelector('.verdict').textContent") == "setosa"
    chosen = "document.querySelector('.explained select').selectedOptions[0].textContent"
    assert browser.js(chosen) == "setosa"
    # Predicting again takes the explanation away: it belongs to the values that were sent.
    browser.press(*ENTER)
    browser.js("document.getElementById('predict').click()")
    browser.wait("!document.querySelector('.explained')")


@pytest.mark.browser
def test_a_model_without_explanations_has_no_button(browser: Browser) -> None:
    open_page(browser, live.shared("penguins").port)
    assert not browser.js("Boolean(document.getElementById('explain'))")
    open_page(browser, live.shared("iris").port)
    assert browser.js("document.getElementById('explain').textContent") == "Explain"


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 390])
def test_bars_fit_on_a_phone(browser: Browser, width: int) -> None:
    open_page(browser, live.shared("iris").port)
    browser.resize(width, 700, phone=True)
    explain(browser)
    assert browser.js("document.documentElement.scrollWidth") == width
