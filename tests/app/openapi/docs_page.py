"""What the tests of the page at /docs share: opening it, and reading what it shows."""

from __future__ import annotations

import json
import shlex

from tests.app.browser import Browser

LOADED = "document.querySelectorAll('.field').length > 0"
ANSWERED = "document.querySelector('.verdict') && !document.getElementById('predict').disabled"
TAB, ENTER = ("Tab", 9), ("Enter", 13, "\r")


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
