"""`modelctl status --html`: one page, in a real browser, wide and narrow, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelctl.cluster import status_page
from modelctl.cluster.live import Live
from modelctl.cluster.status import Release, Status
from tests.app.browser import Browser
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, run
from tests.modelctl.pages import ensure_readable, opened

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
MODELS = ("churn-of-customers-in-the-northern-region", "iris")


def release(environment: str, model: str, live: Live, **more: Any) -> Release:
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
    "Synced",
    "Degraded",
    "1.1.0",
    DIGEST_A,
    problems=("serves another bundle than in git: aaa",),
    refusals=("bundle: expected a, found <b>; build again",),
)
STATUS = Status(
    (
        release("dev", MODELS[0], SERVING),
        release("dev", "iris", Live("OutOfSync", "Progressing", "1.2.0", DIGEST_B)),
        release("staging", MODELS[0], REFUSING, previous="1.1.0", target="gone"),
        release("staging", "iris", SERVING, behind="dev has 1.3.0 abc", frozen="2026-12-24 (<x>)"),
        Release("production", "iris"),
    ),
    NOW,
    notes=("only half of it is true", "<i>"),
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "status.html"
    path.write_text(status_page.render(STATUS), encoding="utf-8")
    return path


@pytest.fixture
def browser(page: Path) -> Iterator[Browser]:
    with opened(page) as browser:
        yield browser


def test_the_page_is_text_that_nobody_can_inject_into(page: Path) -> None:
    text = page.read_text()
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    assert "<x>" not in text
    assert "<i>" not in text
    assert "<script" not in text


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "phone"), [(1280, False), (390, True)])
def test_everything_is_readable_at(browser: Browser, width: int, phone: bool, scheme: str) -> None:
    ensure_readable(browser, "status", width, phone=phone, scheme=scheme)
    assert browser.js("document.querySelectorAll('td').length") == 6
    shown = browser.js("document.body.innerText")
    for text in ("Degraded", "1.1.0 is missing", "dev has 1.3.0 abc", "not released", "not set up"):
        assert text in shown
    assert "only half of it is true" in shown


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
