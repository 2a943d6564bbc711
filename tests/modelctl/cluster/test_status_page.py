"""`modelctl status --html`: one page, in a real browser, wide and narrow, light and dark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelctl.cluster import status_page
from modelctl.cluster.status import Live, Release, Status
from tests.app.browser import Browser
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, run

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
MODELS = ("churn-of-customers-in-the-northern-region", "iris")


def release(environment: str, model: str, live: Live, **more: str) -> Release:
    return Release(
        environment,
        model,
        version="1.2.0",
        digest=DIGEST_B,
        chart="0.2.0",
        since=(NOW - timedelta(days=3)).isoformat(),
        live=live,
        **more,
    )


SERVING = Live("Synced", "Healthy", "1.2.0", DIGEST_B)
REFUSING = Live(
    "Synced", "Degraded", "1.1.0", DIGEST_A, ("bundle: expected a, found <b>; build again",)
)
STATUS = Status(
    (
        release("dev", MODELS[0], SERVING),
        release("dev", "iris", Live("OutOfSync", "Progressing", "1.2.0", DIGEST_B)),
        release("staging", MODELS[0], REFUSING, previous="1.1.0", target="gone"),
        release("staging", "iris", SERVING, behind="dev has 1.3.0 abc", frozen="2026-12-24 (<x>)"),
        Release("production", "iris"),
    ),
    note="only half of it is true",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "status.html"
    path.write_text(status_page.render(STATUS, NOW), encoding="utf-8")
    return path


@pytest.fixture
def browser(page: Path) -> Iterator[Browser]:
    opened = Browser(1280, 900)
    opened.goto(page.as_uri())
    opened.wait("document.readyState === 'complete' && document.querySelector('table')")
    yield opened
    opened.close()


def test_the_page_is_text_that_nobody_can_inject_into(page: Path) -> None:
    text = page.read_text()
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    assert "<x>" not in text
    assert "<script" not in text


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "phone"), [(1280, False), (390, True)])
def test_everything_is_readable_at(
    browser: Browser, page: Path, width: int, phone: bool, scheme: str
) -> None:
    browser.scheme(scheme)
    browser.resize(width, 900, phone=phone)
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        browser.screenshot(Path(folder) / f"status-{scheme}-{width}.png")
    assert browser.js("document.documentElement.scrollWidth") <= width
    assert browser.js("document.querySelectorAll('td').length") == 6
    shown = browser.js("document.body.innerText")
    for text in ("Degraded", "1.1.0 is missing", "dev has 1.3.0 abc", "not released", "not set up"):
        assert text in shown
    assert "only half of it is true" in shown
    assert browser.js(LOWEST_CONTRAST) >= 4.5
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith("file:")] == []


@pytest.mark.browser
def test_on_a_phone_each_cell_names_its_environment(browser: Browser) -> None:
    browser.resize(390, 900, phone=True)
    labels = "[...document.querySelectorAll('tr:last-child td')].map(td => "
    labels += "getComputedStyle(td, '::before').content)"
    assert browser.js(labels) == ['"dev"', '"staging"', '"production"']


def test_the_command_writes_the_page(released: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "status.html"
    output = run("status", "--no-live", "--html", str(target))
    assert output == f"wrote {target} (cluster not queried (--no-live))\n"
    assert ">1.0.0</span>" in target.read_text()


# The lowest contrast (WCAG 2) of any text with what is painted behind it.
LOWEST_CONTRAST = """
(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let lowest = 21;
  for (const node of document.querySelectorAll("main *")) {
    if (![...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim())) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    lowest = Math.min(lowest, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return lowest;
})()
"""
