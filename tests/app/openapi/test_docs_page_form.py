"""The page at /docs in a real browser: its form, its answers, its keyboard."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.app import live
from tests.app.browser import Browser
from tests.app.openapi.docs_page import (
    ANSWERED,
    ENTER,
    TAB,
    bars,
    curl_words,
    field,
    fill,
    open_page,
    shown_values,
)
from tests.app.protocols.test_native import NAMED, PENGUIN


@pytest.mark.browser
@pytest.mark.parametrize(("model", "example"), [("iris", NAMED), ("penguins", PENGUIN)])
def test_the_example_is_filled_in_and_predicted_as_bars(
    browser: Browser, model: str, example: dict[str, Any]
) -> None:
    service = live.shared(model)
    open_page(browser, service.port)
    assert browser.js("document.querySelector('h1').innerText").split() == [model, "1.0.0"]
    shown = shown_values(browser)
    assert {name: value if isinstance(example[name], str) else float(value) for name, value in
            shown.items()} == example  # fmt: skip
    browser.js("document.getElementById('predict').click()")
    browser.wait(ANSWERED)
    answer = service.client.post("/predict", json={"features": example}).json()
    assert browser.js("document.querySelector('.verdict').textContent") == answer["prediction"]
    classes = service.client.get("/model/info").json()["output"]["classes"]
    browser.wait("[...document.querySelectorAll('.bars i')].every(bar => bar.style.width)")
    drawn = bars(browser)
    assert [name for name, _, _ in drawn] == classes
    widths = [float(width.removesuffix("%")) for _, _, width in drawn]
    assert widths == pytest.approx([100 * share for share in answer["probability"]], abs=0.01)
    origin = f"http://127.0.0.1:{service.port}/"
    assert browser.requests == [f"{origin}docs", f"{origin}openapi.json", f"{origin}predict"]
    assert browser.complaints == []


@pytest.mark.browser
def test_the_policy_is_enforced_and_a_breach_would_be_seen(browser: Browser) -> None:
    open_page(browser, live.shared("iris").port)
    browser.js(
        "document.body.append(Object.assign(document.createElement('script'), "
        "{textContent: 'window.breached = true'}))"
    )
    assert browser.js("window.breached") is None
    browser.hear("Content Security Policy")


@pytest.mark.browser
def test_missing_values_and_categories_are_chosen_in_the_form(browser: Browser) -> None:
    service = live.shared("penguins")
    open_page(browser, service.port)
    options = "[...{}.input.options].map(o => o.textContent)"
    assert browser.js(options.format(field("island"))) == [
        "Biscoe",
        "Dream",
        "Torgersen",
        "(missing)",
    ]
    assert browser.js(options.format(field("sex"))) == ["female", "male", "(missing)"]
    fill(browser, "body_mass_g", "")
    assert "missing" in browser.js(f"{field('body_mass_g')}.hint.textContent")
    browser.js(f"(f => {{ f.input.value = '2'; }})({field('sex')})")
    expected = {**PENGUIN, "body_mass_g": None, "sex": None}
    assert browser.js("requestBody()") == {"features": expected}


@pytest.mark.browser
def test_the_slider_and_the_number_follow_each_other(browser: Browser) -> None:
    open_page(browser, live.shared("iris").port)
    name = field("petal_length")
    fill(browser, "petal_length", "4.5")
    assert browser.js(f"Number({name}.slider.value)") == 4.5
    moved = "dispatchEvent(new Event('input', {bubbles: true}))"
    browser.js(f"{name}.slider.value = 6; {name}.slider.{moved}")
    assert browser.js(f"{name}.value()") == 6
    assert '"petal_length": 6' in browser.js("document.getElementById('curl').textContent")
    fill(browser, "petal_length", "70")
    assert browser.js(f"{name}.hint.textContent") == "Outside the range in training: 1 to 6.9"
    assert browser.js(f"{name}.hint.classList.contains('warn')")


@pytest.mark.browser
def test_a_refusal_is_shown_at_its_field(browser: Browser) -> None:
    open_page(browser, live.shared("iris").port)
    fill(browser, "petal_width", "1e39")
    fill(browser, "sepal_width", "-1e39")
    browser.press(*ENTER)
    browser.wait("document.querySelector('.problem')")
    errors = browser.js("Object.fromEntries(fields.map(f => [f.name, f.error.textContent]))")
    too_large = "expected a number in the range of float32"
    assert errors == {
        **dict.fromkeys(NAMED, ""),
        "petal_width": too_large,
        "sepal_width": too_large,
    }
    assert browser.js(f"document.activeElement === {field('sepal_width')}.input")
    assert browser.js(f"{field('petal_width')}.input.getAttribute('aria-invalid')") == "true"


@pytest.mark.browser
def test_an_empty_required_field_is_named_without_a_request(browser: Browser) -> None:
    open_page(browser, live.shared("iris").port)
    fill(browser, "petal_length", "")
    browser.press(*ENTER)
    browser.wait(f"{field('petal_length')}.error.textContent === 'required'")
    assert not any(url.endswith("/predict") for url in browser.requests)


@pytest.mark.browser
def test_everything_is_reached_and_done_by_keyboard(browser: Browser) -> None:
    open_page(browser, live.shared("penguins").port)
    stops = []
    for _ in range(12):
        browser.press(*TAB)
        stops.append(
            browser.js(
                "(e => e.labels && e.labels[0] ? e.labels[0].textContent : e.textContent.trim())"
                "(document.activeElement)"
            )
        )
        outline = browser.js("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", stops
    assert stops[:9] == [*PENGUIN, "Predict", "Reset to example", "Copy"]
    assert stops[9].startswith("curl 'http://127.0.0.1:")
    assert stops[10:] == ["All routes", "openapi.json"]
    browser.js("fields[0].input.focus()")
    browser.press(*ENTER)
    browser.wait(ANSWERED)


@pytest.mark.browser
def test_the_curl_that_is_shown_gives_the_same_answer(browser: Browser) -> None:
    service = live.shared("penguins")
    open_page(browser, service.port)
    fill(browser, "bill_length_mm", "50.5")
    words = curl_words(browser)
    assert words[0] == "curl"
    assert words[2] == "-H"
    assert words[4] == "-d"
    name, _, value = words[3].partition(": ")
    answer = httpx.post(words[1], headers={name: value}, content=words[5]).json()
    browser.js("document.getElementById('predict').click()")
    browser.wait(ANSWERED)
    assert browser.js("document.querySelector('.verdict').textContent") == answer["prediction"]
    assert json.loads(words[5])["features"]["bill_length_mm"] == 50.5
