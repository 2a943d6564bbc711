"""Copy the newest section of the chart's changelog into Chart.yaml, where Artifact Hub reads it.

.venv/bin/python -m tests.chart.changelog
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests import rendering

PAGE = rendering.CHART / "CHANGELOG.md"
CHART = rendering.CHART / "Chart.yaml"
# What Artifact Hub knows, https://artifacthub.io/docs/topics/annotations/helm/.
KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")
KEY = "  artifacthub.io/changes: |\n"


@dataclass(frozen=True)
class Section:
    """What changed in one version: kind and description of each change."""

    version: str
    changes: list[dict[str, str]]


def sections(page: str) -> list[Section]:
    """Every version of a changelog, newest first.

    Raises ValueError for a heading that Artifact Hub has no kind for.
    """
    found: list[Section] = []
    kind = ""
    for line in page.splitlines():
        if line.startswith("## "):
            found.append(Section(line.removeprefix("## ").strip(), []))
        elif line.startswith("### "):
            kind = line.removeprefix("### ").strip().lower()
            if kind not in KINDS:
                raise ValueError(f"'{line}' in the changelog: expected one of {', '.join(KINDS)}")
        elif line.startswith("- "):
            found[-1].changes.append({"kind": kind, "description": line.removeprefix("- ")})
        elif found and line.strip():
            found[-1].changes[-1]["description"] += f" {line.strip()}"
    return found


def with_changes(chart: str, changes: list[dict[str, str]]) -> str:
    """The text of a Chart.yaml whose last annotation lists those changes; comments stay."""
    # An annotation is text, so the list is YAML within YAML.
    listed = yaml.safe_dump(changes, sort_keys=False, width=10_000)
    block = "".join(f"    {line}\n" for line in listed.splitlines())
    before = re.sub(rf"{re.escape(KEY)}(    .*\n)*", "", chart)
    return f"{before}{KEY}{block}"


def main() -> None:
    """Write the annotation."""
    newest = sections(PAGE.read_text(encoding="utf-8"))[0]
    text = CHART.read_text(encoding="utf-8")
    Path(CHART).write_text(with_changes(text, newest.changes), encoding="utf-8")


if __name__ == "__main__":
    main()
