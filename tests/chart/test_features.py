"""The page of features cannot lie: its values and its tests exist, and no value is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from modelctl.repository import placement
from tests import rendering
from tests.chart.test_generated import declared, defaults
from tests.paths import ROOT

PAGE = ROOT / "docs" / "reference" / "chart-features.md"


class Row(NamedTuple):
    """One feature: the values that set it (none when it is always there), and its tests."""

    feature: str
    values: list[str]
    tests: list[str]


def rows() -> list[Row]:
    """Every row of every table."""
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and not line.endswith("| tests |")
    ]
    return [
        Row(feature, re.findall(r"`([^`]+)`", values), re.findall(r"`([^`]+)`", tests))
        for feature, values, tests in (line for line in cells)
    ]


ROWS = rows()


def exists(reference: str) -> bool:
    """Is there such a case of helm-unittest, or such a function of pytest?"""
    if "::" in reference:
        module, function = reference.split("::")
        folder = ROOT / "tests" / ("" if "/" in module else "chart")
        file = folder / f"{module}.py"
        wanted = f"def {function}("
    else:
        suite, case = reference.split(": ", 1)
        file = rendering.CHART / "tests" / f"{suite}.yaml"
        wanted = case
    if not file.is_file():
        return False
    text = file.read_text(encoding="utf-8")
    return f"\n{wanted}" in text if "::" in reference else wanted in cases(file)


def cases(file: Path) -> list[str]:
    """The names of the cases of a suite of helm-unittest."""
    return [test["it"] for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]]


def test_page_has_every_feature_rule_and_complaint() -> None:
    assert len(ROWS) > 60


@pytest.mark.parametrize("row", ROWS, ids=[row.feature[:60] for row in ROWS])
def test_row_names_values_and_tests_that_exist(row: Row) -> None:
    assert row.tests
    assert [name for name in row.tests if not exists(name)] == []
    assert [key for key in row.values if not declared(key.split("."))] == []


def test_every_value_belongs_to_a_feature() -> None:
    named = [tuple(key.split(".")) for row in ROWS for key in row.values]
    homeless = [
        ".".join(keys)
        for keys in placement.leaves(defaults())
        if not any(keys[: len(prefix)] == prefix for prefix in named)
    ]
    assert homeless == []
