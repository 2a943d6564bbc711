"""GET /docs: a page that tries the model, kept to its own origin, in a real browser."""

from __future__ import annotations

import json
import re
import shlex
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app import docs_page
from app.contract import Contract, Feature, Output
from app.errors import SettingRefusedError
from app.openapi import document
from app.settings import Settings
from tests import trained
from tests.app.browser import INSTALL, Browser
from tests.app.conftest import make_client
from tests.app.live import LiveService
from tests.app.test_openapi import FACTS
from tests.app.test_predict import NAMED, PENGUIN

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient

LOADED = "document.querySelectorAll('.field').length > 0"
ANSWERED = "document.querySelector('.verdict') && !document.getElementById('predict').disabled"
TAB, ENTER = ("Tab", 9), ("Enter", 13, "\r")
SHIFT = 8


# ---- the page as a file, and its policy


def test_the_policy_allows_its_own_style_and_script_only(iris: FlaskClient) -> None:
    response = iris.get("/docs")
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    policy = dict(
        entry.split(" ", 1) for entry in response.headers["Content-Security-Policy"].split("; ")
    )
    assert policy.pop("default-src") == "'none'"
    assert policy.pop("connect-src") == "'self'"
    assert policy.pop("img-src") == "data:"
    for name in ("style-src", "script-src"):
        assert re.fullmatch(r"'sha256-[\w+/]{43}='", policy.pop(name))
    assert set(policy.values()) == {"'none'"}
    assert set(policy) == {"base-uri", "form-action", "frame-ancestors"}
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "no-referrer"


def test_the_page_names_no_other_origin_and_needs_no_exception_from_the_policy() -> None:
    text = docs_page.PAGE.read_text()
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+", text))
    assert addresses == {"http://www.w3.org"}  # the namespace of the icon
    assert not re.search(r"\s(?:on\w+|style)=|@import|innerHTML|insertAdjacentHTML|eval\(", text)


def test_it_can_be_switched_off() -> None:
    client = make_client(trained.bundle("iris"), DOCS_ENABLED="false")
    response = client.get("/docs")
    assert response.status_code == 404
    assert response.get_json()["detail"] == "DOCS_ENABLED is false"
    assert client.get("/openapi.json").status_code == 200


@pytest.mark.parametrize("value", ["yes", "0", "True"])
def test_the_setting_is_true_or_false(value: str) -> None:
    with pytest.raises(SettingRefusedError) as refused:
        Settings.from_environ({"DOCS_ENABLED": value})
    assert refused.value.expected == "true or false"


# ---- in a browser


def test_a_machine_without_chromium_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(AssertionError, match=f"install it: {INSTALL}"):
        Browser()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of this module."""
    opened = Browser()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], LiveService]]:
    """One service per model for all tests of this module."""
    running: dict[str, LiveService] = {}

    def starter(name: str) -> LiveService:
        if name not in running:
            folder: Path = tmp_path_factory.mktemp(name)
            running[name] = LiveService(trained.bundle(name), folder / "log", {"WORKERS": "1"})
            running[name].wait_ready()
        return running[name]

    yield starter
    for service in running.values():
        service.stop()


def open_page(browser: Browser, port: int) -> None:
    """The page, loaded, light and wide, with nothing to complain about so far."""
    browser.resize(1100, 900)
    browser.scheme("light")
    browser.goto("about:blank")
    browser.complaints.clear()
    browser.requests.clear()
    browser.goto(f"http://127.0.0.1:{port}/docs")
    browser.wait(LOADED)


def shown_values(browser: Browser) -> dict[str, str]:
    """What stands in the form."""
    values: dict[str, str] = browser.js(
        "Object.fromEntries(fields.map(f => [f.name, f.values "
        "? f.input.selectedOptions[0].textContent : f.input.value]))"
    )
    return values


def bars(browser: Browser) -> list[tuple[str, str, str]]:
    """Class, text and width of every bar."""
    found = browser.js(
        "[...document.querySelectorAll('.bars li')].map(li => "
        "[...li.querySelectorAll('div > span')].map(s => s.textContent)"
        ".concat(li.querySelector('i').style.width))"
    )
    return [tuple(entry) for entry in found]


def fill(browser: Browser, name: str, text: str) -> None:
    """Replace what stands in a field by typing."""
    browser.js(f"(f => {{ f.input.focus(); f.input.select(); }})({field(name)})")
    if text:
        browser.type(text)
    else:
        browser.press("Delete", 46)


def curl_words(browser: Browser) -> list[str]:
    """The arguments of the curl command that is shown, as a shell splits them."""
    text: str = browser.js("document.getElementById('curl').textContent")
    return shlex.split(text.replace("\\\n", " "))


def field(name: str) -> str:
    """A field object of the page."""
    return f"fields.find(f => f.name === {json.dumps(name)})"


@pytest.mark.browser
@pytest.mark.parametrize(("model", "example"), [("iris", NAMED), ("penguins", PENGUIN)])
def test_the_example_is_filled_in_and_predicted_as_bars(
    browser: Browser, serve: Callable[[str], LiveService], model: str, example: dict[str, Any]
) -> None:
    service = serve(model)
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
def test_the_policy_is_enforced_and_a_breach_would_be_seen(
    browser: Browser, serve: Callable[[str], LiveService]
) -> None:
    open_page(browser, serve("iris").port)
    browser.js(
        "document.body.append(Object.assign(document.createElement('script'), "
        "{textContent: 'window.breached = true'}))"
    )
    assert browser.js("window.breached") is None
    browser.hear("Content Security Policy")


@pytest.mark.browser
def test_missing_values_and_categories_are_chosen_in_the_form(
    browser: Browser, serve: Callable[[str], LiveService]
) -> None:
    service = serve("penguins")
    open_page(browser, service.port)
    options = "[...{}.input.options].map(o => o.textContent)"
    assert browser.js(options.format(field("island"))) == ["Biscoe", "Dream", "Torgersen"]
    assert browser.js(options.format(field("sex"))) == ["female", "male", "(missing)"]
    fill(browser, "body_mass_g", "")
    assert "missing" in browser.js(f"{field('body_mass_g')}.hint.textContent")
    browser.js(f"(f => {{ f.input.value = '2'; }})({field('sex')})")
    expected = {**PENGUIN, "body_mass_g": None, "sex": None}
    assert browser.js("requestBody()") == {"features": expected}


@pytest.mark.browser
def test_the_slider_and_the_number_follow_each_other(
    browser: Browser, serve: Callable[[str], LiveService]
) -> None:
    open_page(browser, serve("iris").port)
    name = field("petal_length")
    fill(browser, "petal_length", "4.5")
    assert browser.js(f"Number({name}.slider.value)") == 4.5
    moved = "dispatchEvent(new Event('input', {bubbles: true}))"
    browser.js(f"{name}.slider.value = 6; {name}.slider.{moved}")
    assert browser.js(f"{name}.value()") == 6
    assert '"petal_length": 6' in browser.js("document.getElementById('curl').textContent")
    fill(browser, "petal_length", "70")
    assert browser.js(f"{name}.hint.textContent") == "Outside of training: 1 to 6.9"
    assert browser.js(f"{name}.hint.classList.contains('warn')")


@pytest.mark.browser
def test_a_refusal_is_shown_at_its_field(
    browser: Browser, serve: Callable[[str], LiveService]
) -> None:
    open_page(browser, serve("iris").port)
    fill(browser, "petal_width", "1e39")
    fill(browser, "sepal_width", "-1e39")
    browser.press(*ENTER)
    browser.wait("document.querySelector('.problem')")
    errors = browser.js("Object.fromEntries(fields.map(f => [f.name, f.error.textContent]))")
    too_large = "the number is too large for a 32-bit float"
    assert errors == {
        **dict.fromkeys(NAMED, ""),
        "petal_width": too_large,
        "sepal_width": too_large,
    }
    assert browser.js(f"document.activeElement === {field('sepal_width')}.input")
    assert browser.js(f"{field('petal_width')}.input.getAttribute('aria-invalid')") == "true"


@pytest.mark.browser
def test_an_empty_required_field_is_named_without_a_request(
    browser: Browser, serve: Callable[[str], LiveService]
) -> None:
    open_page(browser, serve("iris").port)
    fill(browser, "petal_length", "")
    browser.press(*ENTER)
    browser.wait(f"{field('petal_length')}.error.textContent === 'a value is needed'")
    assert not any(url.endswith("/predict") for url in browser.requests)


@pytest.mark.browser
def test_everything_is_reached_and_done_by_keyboard(
    browser: Browser, serve: Callable[[str], LiveService]
) -> None:
    open_page(browser, serve("penguins").port)
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
    assert stops[:9] == [*PENGUIN, "Predict", "Example values", "Copy"]
    assert stops[9].startswith("curl 'http://127.0.0.1:")
    assert stops[10:] == ["All routes", "openapi.json"]
    browser.js("fields[0].input.focus()")
    browser.press(*ENTER)
    browser.wait(ANSWERED)


@pytest.mark.browser
def test_the_curl_that_is_shown_gives_the_same_answer(
    browser: Browser, serve: Callable[[str], LiveService]
) -> None:
    service = serve("penguins")
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
def test_every_text_has_enough_contrast(
    browser: Browser, serve: Callable[[str], LiveService], scheme: str
) -> None:
    open_page(browser, serve("iris").port)
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
@pytest.mark.parametrize("width", [320, 375])
def test_nothing_overflows_on_a_phone(
    browser: Browser, serve: Callable[[str], LiveService], width: int
) -> None:
    open_page(browser, serve("penguins").port)
    browser.resize(width, 700, phone=True)
    browser.js("document.querySelector('details').open = true")
    browser.js("document.getElementById('predict').click()")
    browser.wait(ANSWERED)
    assert browser.js("document.documentElement.scrollWidth") == width
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
        page = docs_page.load()
        if self.path == "/docs":
            headers = {"Content-Type": docs_page.CONTENT_TYPE, **page.headers}
            self._send(page.body, headers)
            return
        announced: dict[str, list[dict[str, Any]]] = {
            "inputs": [
                {"name": feature.name, "datatype": "BYTES", "shape": [-1]}
                for feature in CONTRACT.inputs
            ],
            "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1]}],
        }
        row = [3, None, "it's", HOSTILE]
        found = document(FACTS, CONTRACT, row, ("predict",), announced)
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
