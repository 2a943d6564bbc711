"""GET /docs: the page as a file, its policy, its switch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.errors import SettingRefusedError
from app.openapi import page
from app.settings import Settings
from tests import trained
from tests.app.browser import INSTALL, Browser
from tests.app.conftest import make_client

if TYPE_CHECKING:
    from flask.testing import FlaskClient


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
    text = page.PAGE.read_text()
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+", text))
    assert addresses == {"http://www.w3.org"}  # the namespace of the icon
    assert not re.search(r"\s(?:on\w+|style)=|@import|innerHTML|insertAdjacentHTML|eval\(", text)


def test_it_can_be_switched_off() -> None:
    client = make_client(trained.bundle("iris"), DOCS_ENABLED="false")
    response = client.get("/docs")
    assert response.status_code == 404
    assert response.get_json()["detail"] == "the page is disabled (DOCS_ENABLED=false)"
    assert client.get("/openapi.json").status_code == 200


@pytest.mark.parametrize("value", ["yes", "0", "True"])
def test_the_setting_is_true_or_false(value: str) -> None:
    with pytest.raises(SettingRefusedError) as refused:
        Settings.from_environ({"DOCS_ENABLED": value})
    assert refused.value.expected == "true or false"


def test_a_machine_without_chromium_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(AssertionError, match=f"install it: {INSTALL}"):
        Browser()
