"""What every page that modelctl writes is held to in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.app.browser import Browser


@contextmanager
def opened(page: Path) -> Iterator[Browser]:
    """A browser that shows the page."""
    browser = Browser(1280, 900)
    try:
        browser.goto(page.as_uri())
        browser.wait("document.readyState === 'complete' && document.querySelector('table')")
        yield browser
    finally:
        browser.close()


def ensure_readable(browser: Browser, name: str, width: int, *, phone: bool, scheme: str) -> None:
    """Show the page so; it has to fit, to be legible, and to ask for nothing else."""
    browser.scheme(scheme)
    browser.resize(width, 900, phone=phone)
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        browser.screenshot(Path(folder) / f"{name}-{scheme}-{width}.png")
    assert browser.js("document.documentElement.scrollWidth") <= width
    assert browser.js(LOWEST_CONTRAST) >= 4.5
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith("file:")] == []


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
