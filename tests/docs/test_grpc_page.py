"""docs/reference/grpc.md says what the service does: its example, methods and codes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from app.protocols.grpc.status import CODES, INTERNAL
from app.urls import GRPC_URLS
from tests.app import live
from tests.paths import ROOT

TEXT = (ROOT / "docs" / "reference" / "grpc.md").read_text(encoding="utf-8")
# By https://grpc.github.io/grpc/core/md_doc_statuscodes.html.
NAMES = {
    "INVALID_ARGUMENT": 3, "DEADLINE_EXCEEDED": 4, "NOT_FOUND": 5, "RESOURCE_EXHAUSTED": 8,
    "UNIMPLEMENTED": 12, "INTERNAL": 13, "UNAVAILABLE": 14,
}  # fmt: skip


EXAMPLES = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", TEXT, re.DOTALL)


def test_every_example_is_run() -> None:
    assert len(EXAMPLES) == TEXT.count("```python") == 2


@pytest.mark.parametrize(("code", "shown"), EXAMPLES, ids=["a call", "an error"])
def test_an_example_prints_what_the_page_shows(code: str, shown: str) -> None:
    assert "127.0.0.1:8080" in code
    code = code.replace("127.0.0.1:8080", f"127.0.0.1:{live.shared('iris').port}")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == shown


def test_every_method_is_listed() -> None:
    table = TEXT.partition("## Methods")[2].partition("##")[0]
    listed = set(re.findall(r"`(?:\.\.\.|[a-z.0-9A-Z]+)/([A-Za-z]+)`", table))
    assert listed == {url.path.rpartition("/")[2] for url in GRPC_URLS}


def test_every_code_is_explained_by_its_status() -> None:
    table = TEXT.partition("## Errors")[2].partition("##")[0]
    rows = re.findall(r"^\| `([A-Z_]+)` \|.*\| ([0-9, ]+) \|$", table, re.MULTILINE)
    explained = {
        int(status): NAMES[name] for name, statuses in rows for status in statuses.split(", ")
    }
    assert explained == {**CODES, 500: INTERNAL}
