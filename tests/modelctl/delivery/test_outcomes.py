"""Files of outcomes: what is read, what is counted, what is refused."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelctl.delivery.outcomes import read
from modelctl.errors import ModelctlError
from tests.modelctl.delivery.experiment_files import experiment, mean, metric

PLAN = experiment(metrics=[metric(), mean(prePeriod="before")])
GOOD = "unit,accepted,revenue,before\n007,1,2.5,1\nNA,0,,3\nu3,true,-1e3,\n"


def write(tmp_path: Path, text: str, name: str = "o.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_units_are_texts_and_missing_values_stay_missing(tmp_path: Path) -> None:
    found = read(write(tmp_path, GOOD), PLAN)
    assert found.units == ["007", "NA", "u3"]
    np.testing.assert_array_equal(found.values["accepted"], [1, 0, 1])
    np.testing.assert_array_equal(found.values["revenue"], [2.5, math.nan, -1000])
    np.testing.assert_array_equal(found.before["revenue"], [1, 3, math.nan])


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    columns = {
        "unit": ["007", "NA", "u3"],
        "accepted": [True, False, True],
        "revenue": [2.5, None, -1e3],
        "before": [1, 3, None],
    }
    path = tmp_path / "o.parquet"
    pd.DataFrame(columns).to_parquet(path)
    ours, theirs = read(path, PLAN), read(write(tmp_path, GOOD), PLAN)
    assert ours.units == theirs.units
    for name, values in ours.values.items():
        np.testing.assert_array_equal(values, theirs.values[name])


def test_whole_numbers_are_units_and_fractions_are_not(tmp_path: Path) -> None:
    plan, path = experiment(), tmp_path / "o.parquet"
    pd.DataFrame({"unit": [7, 12], "accepted": [1, 0]}).to_parquet(path)
    assert read(path, plan).units == ["7", "12"]
    pd.DataFrame({"unit": [7.0, 12.0], "accepted": [1, 0]}).to_parquet(path)
    with pytest.raises(ModelctlError, match="fractional numbers as units"):
        read(path, plan)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "lacks columns: unit, accepted", id="empty"),
        pytest.param("unit,accepted,revenue,before\n", "has no rows", id="no-rows"),
        pytest.param("unit,accepted\nu,1\n", "lacks columns: revenue, before", id="columns"),
        pytest.param(GOOD.replace("007,1", "007,2"), "row 1, accepted: expected 0 or 1", id="two"),
        pytest.param(GOOD.replace("2.5", "inf"), "row 1, revenue: expected a number", id="inf"),
        pytest.param(GOOD.replace("2.5", "1e999"), "revenue: expected a number", id="overflow"),
        pytest.param(GOOD.replace("2.5", "2;5"), "found '2;5'", id="text"),
        pytest.param(GOOD.replace("2.5", "1_0"), "found '1_0'", id="underscore"),
        pytest.param(GOOD.replace("2.5", "\u0661"), "revenue: expected a number", id="digits"),
        pytest.param(GOOD.replace("2.5", "1e200"), "revenue: expected a number", id="huge"),
        pytest.param(GOOD.replace("007,1", "a\x00,1"), "no header or cookie has", id="NUL"),
        pytest.param(GOOD.replace("007,1", "a\x7f,1"), "no header or cookie has", id="DEL"),
        pytest.param(GOOD.replace("007,1", " 007,1"), "' 007' has spaces around it", id="spaces"),
        pytest.param(GOOD.replace("007,1,", "007,1"), ":2: expected 4 cells", id="cells"),
        pytest.param(GOOD.replace("before", "revenue", 1), "of the same name", id="same-name"),
        pytest.param(GOOD.replace("NA,", "007,"), "units with several rows", id="duplicates"),
        pytest.param(GOOD.replace("007,1", '"007,1'), "cannot be read as CSV", id="quote"),
        pytest.param(
            "unit,accepted,revenue,before\n,1,1,1\n", "no rows with a unit", id="anonymous"
        ),
    ],
)
def test_a_hostile_file_is_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelctlError) as caught:
        read(write(tmp_path, text), PLAN)
    assert message in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_bytes(b"unit,accepted\n\xff\xfe,1\n")
    with pytest.raises(ModelctlError, match="cannot be read as CSV"):
        read(path, experiment())


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (metric(aggregate="any"), [1, 0]),
        (metric(aggregate="all"), [0, 0]),
        (mean(name="accepted", aggregate="sum"), [1, 0]),
        (mean(name="accepted", aggregate="mean"), [0.5, 0]),
    ],
    ids=lambda value: value.get("aggregate") if isinstance(value, dict) else "",
)
def test_rows_of_a_unit_are_aggregated_by_the_rule_in_git(
    tmp_path: Path, entry: dict[str, object], expected: list[float]
) -> None:
    plan = experiment(metrics=[entry])
    found = read(write(tmp_path, "unit,accepted\na,0\nb,0\na,1\na,\n,1\n"), plan)
    assert found.values["accepted"].tolist() == expected
    assert (found.rows, found.repeated, found.anonymous) == (5, 1, 1)


@pytest.mark.parametrize(
    "units",
    [
        pytest.param([b"u1", b"u2"], id="bytes"),
        pytest.param([Decimal("1.5"), Decimal(2)], id="decimals"),
        pytest.param([True, False], id="booleans"),
        pytest.param([["a"], ["b"]], id="lists"),
        pytest.param([date(2026, 1, 1), date(2026, 1, 2)], id="dates"),
        pytest.param(pd.to_datetime(["2026-01-01", "2026-01-02"]), id="timestamps"),
        pytest.param(pd.to_timedelta(["1D", "2D"]), id="durations"),
        pytest.param([1.0, 2.0], id="fractions"),
        pytest.param(pd.Categorical([1.5, 2.5]), id="categories of fractions"),
    ],
)
def test_units_of_another_type_are_refused(tmp_path: Path, units: Any) -> None:
    """Their text is not what the client sent, so that the arms would be quite others."""
    path = tmp_path / "o.parquet"
    pd.DataFrame({"unit": units, "accepted": [1, 0]}).to_parquet(path)
    with pytest.raises(ModelctlError, match="as units") as caught:
        read(path, experiment())
    assert caught.value.expected == "texts or whole numbers, as the client sends them"


@pytest.mark.parametrize("units", [pd.Categorical(["7", "x"]), pd.array([7, None], "Int64")])
def test_texts_and_whole_numbers_of_any_width_are_units(tmp_path: Path, units: Any) -> None:
    path = tmp_path / "o.parquet"
    pd.DataFrame({"unit": units, "accepted": [1, 0]}).to_parquet(path)
    assert read(path, experiment()).units[0] == "7"


def test_the_case_of_the_extension_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "OK.PARQUET"
    pd.DataFrame({"unit": ["a", "b"], "accepted": [1, 0]}).to_parquet(path)
    assert read(path, experiment()).units == ["a", "b"]
