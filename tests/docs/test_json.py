"""No key stands twice in a JSON file: a parser keeps the last one and drops the other silently."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import TRACKED
from tests.paths import ROOT

# These are broken on purpose.
BROKEN = "tests/bundles/"
FILES = [
    ROOT / name
    for name in TRACKED
    if name.endswith(".json") and not name.startswith(BROKEN) and (ROOT / name).exists()
]


def repeated_keys(text: str) -> list[str]:
    """The keys that some object of the document has more than once."""
    repeated: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(key for key, _ in pairs)
        repeated.extend(key for key, count in counts.items() if count > 1)
        return dict(pairs)

    json.loads(text, object_pairs_hook=note)
    return repeated


def test_a_key_that_stands_twice_is_noticed_at_any_depth() -> None:
    assert repeated_keys('{"a": [{"b": 1, "c": 2, "b": 3}], "c": 4}') == ["b"]


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_no_key_stands_twice(path: Path) -> None:
    assert repeated_keys(path.read_text(encoding="utf-8")) == []
