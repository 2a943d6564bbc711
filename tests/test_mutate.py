"""What `make mutate` says of a change, and that its list and its page are about what is there."""

from __future__ import annotations

import re

import pytest

from tests import mutate
from tests.mutate import Equivalent, Mutant
from tests.paths import ROOT

PAGE = ROOT / "docs" / "reference" / "mutation.md"
MODULES = mutate.load()
KNOWN = (Equivalent("x = 1", "x = 2", "nobody reads it"),)


@pytest.mark.parametrize(
    ("removed", "added", "code", "verdict"),
    [
        pytest.param("a < b", "a <= b", 1, "killed", id="a-test-failed"),
        pytest.param("a < b", "a <= b", -24, "killed", id="out-of-time"),
        pytest.param("a < b", "a <= b", 36, "killed", id="too-slow"),
        pytest.param("a < b", "a <= b", 0, "survived", id="nobody-noticed"),
        pytest.param("a < b", "a <= b", 33, "survived", id="no-test-runs-it"),
        pytest.param("a < b", "a <= b", None, "untried", id="not-yet"),
        pytest.param("x = 1", "x = 2", 0, "equivalent", id="listed"),
        pytest.param("x = 1", "x = 2", 1, "killed", id="listed-and-noticed"),
        pytest.param("x = 1", "x = None", 0, "survived", id="another-change-of-that-line"),
        pytest.param('say("all is well")', 'say("XXall is wellXX")', 0, "wording", id="a-message"),
        pytest.param('get("key")', 'get("KEY")', 0, "survived", id="a-key"),
        pytest.param('say("all is well")', "say(None)", 0, "survived", id="no-message"),
        pytest.param('f("a b", 1)', 'f("A B", 2)', 0, "survived", id="a-message-and-more"),
    ],
)
def test_a_change_is_judged(removed: str, added: str, code: int | None, verdict: str) -> None:
    assert Mutant("m.py:1", (removed,), (added,), code).verdict(KNOWN) == verdict


@pytest.mark.parametrize("name", MODULES)
def test_what_is_listed_exists(name: str) -> None:
    module = MODULES[name]
    source = (ROOT / module.source).read_text("utf-8")
    assert [path for path in module.tests if not (ROOT / path).is_file()] == []
    # A line that is no longer there excuses nothing.
    flat = re.sub(r"\s+", "", source)
    gone = [entry.removed for entry in module.equivalent]
    assert [text for text in gone if re.sub(r"\s+", "", text) not in flat] == []
    assert all(entry.why for entry in module.equivalent)


def test_the_page_counts_what_is_listed() -> None:
    rows = re.findall(r"^\| `([\w/.]+)`.*?\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", PAGE.read_text(),
                      re.MULTILINE)  # fmt: skip
    assert [row[0] for row in rows] == [module.source for module in MODULES.values()]
    for (_, total, killed, equivalent, wording), module in zip(rows, MODULES.values(), strict=True):
        assert int(total) == int(killed) + int(equivalent) + int(wording)
        assert len(module.equivalent) <= int(equivalent)
