"""Every alert has a page that helps, and every page an alert; what a page names exists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests import rendering
from tests.chart.test_generated import declared
from tests.observability import rules
from tests.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "docs" / "runbooks"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.stem != "README")
ALERTS = rules.alerts() | rules.alerts_of_rollouts()
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
QUERY = re.compile(r"--data-urlencode 'query=([^']+)'")
page = pytest.mark.parametrize("page", PAGES, ids=[path.stem for path in PAGES])


def part(text: str, heading: str) -> str:
    """What stands below a heading."""
    return text.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert {path.stem for path in PAGES} == {key.alert for key in ALERTS}


def test_every_alert_links_to_its_page_and_says_what_is_wrong() -> None:
    for key, rule in ALERTS.items():
        notes = rule["annotations"]
        assert notes["runbook_url"] == f"{rules.RUNBOOKS}/{key.alert}.md"
        assert notes["summary"]
        assert notes["description"]
        # What it is about is in the summary: an alert arrives without the page around it.
        assert "iris in ml-dev" in notes["summary"]


def test_the_list_of_runbooks_is_complete() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\w+)\]\(\1\.md\)", text, re.MULTILINE)
    assert sorted(listed) == [path.stem for path in PAGES]


@page
def test_page_says_what_how_bad_why_and_what_to_do(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}: ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert all(part(text, heading).strip() for heading in HEADINGS)
    assert "```sh\n" in part(text, "Diagnosis")


@page
def test_page_names_only_values_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:metrics|autoscaling|config|resources)(?:\.\w+)+)`", text)
    assert [name for name in named if not declared(name.split("."))] == []


def test_every_query_can_be_asked(tmp_path: Path) -> None:
    queries = [query for path in PAGES for query in QUERY.findall(path.read_text(encoding="utf-8"))]
    assert len(queries) > 20
    recorded = [
        {"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)
    ]
    file = rules.write(tmp_path / "q.yaml", {"groups": [{"name": "q", "rules": recorded}]})
    checked = rendering.run(rendering.tool("promtool"), "check", "rules", file)
    assert checked.code == 0, checked.stdout + checked.stderr
