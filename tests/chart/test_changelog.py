"""What changed in a version of the chart: written once, and nothing made from it is stale."""

from __future__ import annotations

import re

import pytest
import yaml

from tests import rendering
from tests.chart import changelog

TEXT = changelog.CHART.read_text(encoding="utf-8")
CHART = yaml.safe_load(TEXT)
SECTIONS = changelog.sections(changelog.PAGE.read_text(encoding="utf-8"))


def test_annotation_lists_the_changes_of_the_newest_version() -> None:
    assert changelog.with_changes(TEXT, SECTIONS[0].changes) == TEXT, "stale: run `make generate`"
    listed = yaml.safe_load(CHART["annotations"]["artifacthub.io/changes"])
    assert listed == SECTIONS[0].changes
    assert {change["kind"] for change in listed} <= set(changelog.KINDS)


def test_newest_version_of_the_changelog_is_the_charts() -> None:
    assert SECTIONS[0].version == CHART["version"]


def test_versions_fall_and_are_semantic() -> None:
    numbers = [tuple(map(int, section.version.split("."))) for section in SECTIONS]
    assert all(len(number) == 3 for number in numbers)
    assert numbers == sorted(set(numbers), reverse=True)
    assert all(section.changes for section in SECTIONS)


def test_every_minor_and_major_version_says_how_to_upgrade_to_it() -> None:
    page = (rendering.CHART / "UPGRADING.md").read_text(encoding="utf-8")
    wanted = [section.version for section in SECTIONS[:-1] if section.version.endswith(".0")]
    assert re.findall(r"^## To (\S+)", page, flags=re.MULTILINE) == wanted


def test_every_annotation_is_a_text() -> None:
    """A bool without quotes is refused by Helm's schema of Chart.yaml."""
    assert {type(value) for value in CHART["annotations"].values()} == {str}


def test_heading_that_artifact_hub_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="### Improved"):
        changelog.sections("## 1.0.0\n### Improved\n- all\n")


def test_change_of_several_lines_is_one_change() -> None:
    (section,) = changelog.sections("## 1.0.0\n### Added\n- one\n  thing\n- another\n")
    assert [change["description"] for change in section.changes] == ["one thing", "another"]
