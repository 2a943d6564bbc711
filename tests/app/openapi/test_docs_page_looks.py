"""The page at /docs in a real browser: contrast, narrow screens, and contracts of strange names."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from app.model.contract import Contract, Output
from app.model.feature import Feature
from app.openapi import document, page
from tests.app import live
from tests.app.browser import Browser
from tests.app.openapi.docs_page import ANSWERED, ENTER, bars, curl_words, field, fill, open_page
from tests.app.openapi.test_openapi import INFO

CONTRASTS = """
(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = rgb(color).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const color = getComputedStyle(node).backgroundColor;
      if (rgb(color)[3] !== 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("h1, h2, p, a, label, .hint, button, .verdict, pre, .bars span, summary")]
    .filter((node) => node.textContent.trim() && !node.querySelector(".bar"))
    .map((node) => {
      const [a, b] = [light(getComputedStyle(node).color), light(ground(node))];
      return [node.textContent.trim().slice(0, 30), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
})()
"""  # noqa: E501


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(browser: Browser, scheme: str) -> None:
    open_page(browser, live.shared("iris").port)
    browser.scheme(scheme)
    fill(browser, "petal_length", "70")
    browser.press(*ENTER)
    browser.wait(ANSWERED)
    dark = browser.js("getComputedStyle(document.body).backgroundColor") == "rgb(17, 20, 24)"
    assert dark == (scheme == "dark")
    ratios = browser.js(CONTRASTS)
    assert len(ratios) > 20
    assert [entry for entry in ratios if entry[1] < 4.5] == []


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 390])
def test_nothing_overflows_on_a_phone(browser: Browser, width: int) -> None:
    open_page(browser, live.shared("penguins").port)
    browser.resize(width, 700, phone=True)
    browser.js("document.querySelector('details').open = true")
    browser.js("document.getElementById('predict').click()")
    browser.wait(ANSWERED)
    assert browser.js("document.documentElement.scrollWidth") == width
    command = "document.getElementById('curl')"
    assert browser.js(f"{command}.scrollWidth <= {command}.clientWidth")
    heights = browser.js(
        "[...document.querySelectorAll('button, input:not([type=range]), select')]"
        ".map(element => element.offsetHeight)"
    )
    assert min(heights) >= 36


# ---- contracts that no sample model has

HOSTILE = "<img src=x onerror=alert(1)>'$(x)"
CONTRACT = Contract(
    (
        Feature("count", "integer", -3.0, 7.0, None, "refuse"),
        Feature("on", "boolean", None, None, None, "allow"),
        Feature(HOSTILE, "string", None, None, None, "allow"),
        Feature("kind", "string", None, None, (HOSTILE, "b"), "refuse"),
    ),
    Output("regressor", "price", None, probabilities=False),
)


class Stub(BaseHTTPRequestHandler):
    """The page with a document of ours; /predict remembers bodies and answers one number."""

    bodies: list[Any]
    answer: dict[str, Any]

    def do_GET(self) -> None:
        served = page.load()
        if self.path == "/docs":
            headers = {"Content-Type": page.CONTENT_TYPE, **served.headers}
            self._send(served.body, headers)
            return
        announced: dict[str, list[dict[str, Any]]] = {
            "inputs": [
                {"name": feature.name, "datatype": "BYTES", "shape": [-1]}
                for feature in CONTRACT.inputs
            ],
            "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1]}],
        }
        row = [3, None, "it's", HOSTILE]
        found = document.document(INFO, CONTRACT, row, ("predict",), announced)
        self._send(json.dumps(found).encode(), {"Content-Type": "application/json"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append(json.loads(body))
        self._send(json.dumps(self.answer).encode(), {"Content-Type": "application/json"})

    def _send(self, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def stub() -> Iterator[ThreadingHTTPServer]:
    """A server for the page alone."""
    Stub.bodies = []
    Stub.answer = {"prediction": 151.37500000001, "model_version": HOSTILE, "request_id": "r"}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.browser
def test_booleans_integers_text_and_a_regressor_have_their_forms(
    browser: Browser, stub: ThreadingHTTPServer
) -> None:
    open_page(browser, stub.server_port)
    options = browser.js(f"[...{field('on')}.input.options].map(o => o.textContent)")
    assert options == ["true", "false", "(missing)"]
    browser.js(f"{field('on')}.input.value = '1'")
    browser.js("document.getElementById('predict').click()")
    browser.wait(ANSWERED)
    assert browser.js("document.querySelector('.verdict').textContent") == "151.375"
    assert bars(browser) == []
    browser.js(f"{field(HOSTILE)}.missing.click()")
    browser.js("document.getElementById('predict').click()")
    browser.wait(ANSWERED)
    expected = {"count": 3, "on": False, HOSTILE: "it's", "kind": HOSTILE}
    assert Stub.bodies == [{"features": expected}, {"features": {**expected, HOSTILE: None}}]


@pytest.mark.browser
def test_names_and_answers_are_text_never_markup(
    browser: Browser, stub: ThreadingHTTPServer
) -> None:
    open_page(browser, stub.server_port)
    browser.js("document.getElementById('predict').click()")
    browser.wait(ANSWERED)
    assert browser.js("document.images.length") == 0
    assert HOSTILE in browser.js("document.body.innerText")
    words = curl_words(browser)
    assert json.loads(words[5]) == Stub.bodies[0]
    assert browser.complaints == []
