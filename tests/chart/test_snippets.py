"""The values that the pages on delivery show render, alone or beside those that they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.chart import least
from tests.chart.test_variants import Values, deep
from tests.paths import ROOT

PAGES = [
    ROOT / "docs" / "how-to" / f"{name}.md"
    for name in (
        *("blue-green", "canary", "grpc", "istio", "progressive-delivery", "shadow"),
        "variants",
    )
]
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
SNIPPET = re.compile(r"^```yaml(?: needs=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets() -> dict[str, tuple[str, Values]]:
    """Page and section -> the section that it builds upon, and its values."""
    found = {}
    for page in PAGES:
        title, *parts = HEADING.split(page.read_text(encoding="utf-8"))
        assert "```yaml" not in title
        for heading, text in zip(parts[::2], parts[1::2], strict=True):
            for needs, values in SNIPPET.findall(text):
                place = f"{page.name}#{heading.lower().replace(' ', '-')}"
                assert place not in found
                found[place] = needs, yaml.safe_load(values.replace("sha256:...", DIGEST))
    return found


DIGEST = f"sha256:{'c' * 64}"
SNIPPETS = snippets()


@pytest.mark.parametrize("place", SNIPPETS)
def test_snippet_renders(place: str, tmp_path: Path) -> None:
    needs, values = SNIPPETS[place]
    if needs:
        values = deep(SNIPPETS[needs][1], values)
    least.manifests(values, tmp_path)
