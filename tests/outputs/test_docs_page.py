"""The page at /docs shows answers of several parts; a browser reads what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from app.model.contract import Contract
from app.model.examples import example_row
from tests.app.browser import Browser
from tests.app.conftest import browser as browser  # the fixtures, under their own names
from tests.app.conftest import start as start
from tests.app.openapi.docs_page import ANSWERED, bars, open_page
from tests.outputs.answers import expected
from tests.outputs.kinds import KINDS
from tests.outputs.packaged import BUNDLE, package_kind


def texts(browser: Browser, selector: str) -> list[str]:
    found: list[str] = browser.js(
        f"[...document.querySelectorAll('#result {selector}')].map(one => one.textContent)"
    )
    return found


class Opened:
    """The page of one kind, after its example was predicted."""

    def __init__(self, name: str, folder: Path, start: Any, browser: Browser) -> None:
        kind = KINDS[name]
        model, features, planned = package_kind(kind, folder)
        service = start(folder / BUNDLE)
        open_page(browser, service.port)
        browser.js("document.getElementById('predict').click()")
        browser.wait(ANSWERED)
        targets = [target["name"] for target in planned.manifest["output"].get("targets", [])]
        # The page opens with an example that is made from the contract.
        row = example_row(Contract.from_manifest(planned.manifest))
        first = pd.DataFrame([row], columns=features.columns)
        self.rights = [expected(model, first, method, targets)[0] for method in kind.methods]
        self.browser = browser

    def assert_quiet(self) -> None:
        assert self.browser.complaints == []
        self.browser.resize(320, 700, phone=True)
        assert self.browser.js("document.documentElement.scrollWidth") == 320


@pytest.mark.browser
def test_every_target_has_its_answer_and_its_bars(
    tmp_path: Path, start: Any, browser: Browser
) -> None:
    opened = Opened("forest, two questions", tmp_path, start, browser)
    answer, shares = opened.rights
    assert texts(browser, ".verdict") == list(answer.values())
    assert [text.split(",")[0] for text in texts(browser, ".sub")] == list(answer)
    assert len(bars(browser)) == sum(map(len, shares.values()))
    opened.assert_quiet()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "key"), [("isolation forest", "score"), ("linear support vectors", "decision")]
)
def test_scores_are_shown_beside_the_label(
    tmp_path: Path, start: Any, browser: Browser, name: str, key: str
) -> None:
    opened = Opened(name, tmp_path, start, browser)
    label, scores = opened.rights
    assert texts(browser, ".verdict") == [str(label)]
    shown = texts(browser, ".sub")[-1]
    assert shown.startswith(f"{key}: ")
    numbers = [float(text) for text in shown.removeprefix(f"{key}: ").split(", ")]
    assert numbers == pytest.approx(scores if isinstance(scores, list) else [scores], rel=1e-6)
    opened.assert_quiet()


@pytest.mark.browser
@pytest.mark.parametrize("name", ["PCA", "scaler"])
def test_a_vector_is_shown_with_its_first_numbers(
    tmp_path: Path, start: Any, browser: Browser, name: str
) -> None:
    opened = Opened(name, tmp_path, start, browser)
    (vector,) = opened.rights
    (shown,) = texts(browser, ".verdict")
    assert (", and 1 more" in shown) is (len(vector) == 13)
    numbers = [float(text) for text in shown.removesuffix(", and 1 more").split(", ")]
    assert numbers == pytest.approx(vector[:12], rel=1e-6)
    assert texts(browser, ".sub") == [f"prediction: {len(vector)} numbers"]
    opened.assert_quiet()
