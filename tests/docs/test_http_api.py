"""docs/reference/http-api.md: its commands are run, its tables compared with the routes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from app.openapi.parts import REASONS
from app.routes import ROUTES
from tests.app import live
from tests.app.live import LiveService
from tests.paths import ROOT

PAGE = ROOT / "docs" / "reference" / "http-api.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```(sh|python)\n(.*?)```\n```(?:json|text)\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def service() -> LiveService:
    """The iris model."""
    return live.shared("iris")


def assert_same(shown: Any, found: Any, place: str = "answer") -> None:
    """Equal, but for ids and the last digits of a number."""
    if isinstance(shown, dict) and isinstance(found, dict):
        assert shown.keys() == found.keys(), place
        for key in shown.keys() - {"request_id"}:
            assert_same(shown[key], found[key], f"{place}.{key}")
    elif isinstance(shown, list) and isinstance(found, list):
        assert len(shown) == len(found), place
        for index, (one, other) in enumerate(zip(shown, found, strict=True)):
            assert_same(one, other, f"{place}.{index}")
    elif isinstance(shown, float):
        assert found == pytest.approx(shown, abs=1e-6), place
    else:
        assert shown == found, place


@pytest.mark.parametrize(
    ("language", "code", "shown"),
    EXAMPLES,
    ids=[f"{entry[0]}-{i}" for i, entry in enumerate(EXAMPLES)],
)
def test_every_example_answers_what_the_page_shows(
    service: LiveService, language: str, code: str, shown: str
) -> None:
    command = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
    code = code.replace("127.0.0.1:8080", f"127.0.0.1:{service.port}")
    done = subprocess.run([*command[language], code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if language == "python":
        assert done.stdout == shown
    else:
        assert_same(json.loads(shown), json.loads(done.stdout))


def test_no_example_is_left_out() -> None:
    assert len(EXAMPLES) == len(re.findall(r"```(?:sh|python)\n", TEXT)) == 10


def test_the_page_lists_every_route_and_no_other() -> None:
    listed = set(re.findall(r"`(GET|POST) (/[^`]*)`", TEXT.partition("## Predict")[0]))
    assert listed == {(route.url.method, route.url.path) for route in ROUTES}


def test_the_page_explains_every_status() -> None:
    rows = set(map(int, re.findall(r"^\| (\d{3}) \|", TEXT, re.MULTILINE)))
    # 405 belongs to a URL, not to an operation, so OpenAPI has no place for it; 501 to operations
    # of other bundles.
    assert rows == {*REASONS, 405, 501}
