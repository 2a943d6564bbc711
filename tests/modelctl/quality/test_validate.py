"""`modelctl validate`: rows that are not as expected train no model."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from modelctl.quality import data_expectations
from tests.modelctl.conftest import commit_all, run

EXPECTED = """\
# ours
rows: {min: 3}
columns:
  age: {kind: number, min: 0, max: 120, missing: 0.25}
  island: {kind: text, values: [Biscoe, None]}
  comment: {kind: text, missing: 1}
  grown: {kind: boolean}
  score: {kind: number}
"""
GOOD = ["30,Biscoe,hello,True,1.5", "12,None,,False,-2", ",Biscoe,7,True,3", "99,Biscoe,,True,4"]
HEADER = "age,island,comment,grown,score"


def rows(root: Path, *lines: str, header: str = HEADER) -> Path:
    """The rows of iris where training puts them."""
    path = root / "build/training/iris/sample.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@pytest.fixture
def expecting(repo: Path) -> Path:
    """The checkout with expectations of iris, and rows that meet them."""
    (repo / ".gitignore").write_text("build/\n")
    path = repo / "models/iris/data.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(EXPECTED)
    commit_all(repo, "data")
    rows(repo, *GOOD)
    return repo


def test_rows_as_expected_pass(expecting: Path) -> None:
    assert run("validate", "iris") == "iris: 4 rows with 5 columns, as expected\n"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (GOOD[:2], "2 rows, has to be at least 3"),
        ([*GOOD, "130,Biscoe,,True,1"], "column 'age': 1 row outside 0 to 120, such as 130"),
        ([*GOOD, "7,Biscoe,,True,inf"], "column 'score': 1 row outside -inf to inf, such as inf"),
        ([*GOOD, ",Biscoe,,True,1"], "column 'age': 40.0% missing, has to be at most 25.0%"),
        ([*GOOD, "old,Biscoe,,True,1"], "column 'age': text, has to be number"),
        ([*GOOD, "7,Biscoe,,maybe,1"], "column 'grown': text, has to be boolean"),
        (
            [*GOOD, "7,Torgersen,,True,1", "7,Dream,,True,1"],
            "column 'island': 2 rows with a value that is not expected: 'Torgersen', 'Dream'",
        ),
        (
            ["130,Dream,,True,1", *GOOD],
            "column 'age': 1 row outside 0 to 120, such as 130; "
            "column 'island': 1 row with a value that is not expected: 'Dream'",
        ),
    ],
    ids=["few", "range", "infinite", "missing", "kind", "boolean", "values", "several"],
)
def test_rows_that_differ_are_refused_with_every_reason(
    expecting: Path, lines: list[str], problem: str
) -> None:
    rows(expecting, *lines)
    with pytest.raises(RefusedError) as refused:
        run("validate", "iris")
    assert refused.value.what == "the rows of 'iris' are not as expected"
    assert refused.value.found == problem
    assert refused.value.exit_code == 3


def test_columns_that_are_gone_or_new_are_named(expecting: Path) -> None:
    sample = expecting / "other.csv"
    sample.write_text("age,island,comment,grown,size\n" + "\n".join(GOOD) + "\n")
    with pytest.raises(RefusedError) as refused:
        run("validate", "iris", "--sample", str(sample))
    assert refused.value.found == "column 'score' is missing; column 'size' is not expected"


def test_without_expectations_nothing_passes(repo: Path) -> None:
    rows(repo, *GOOD)
    with pytest.raises(ModelctlError, match="nothing says what the rows") as error:
        run("validate", "iris")
    assert "`modelctl validate iris --update`" in error.value.fix


def test_what_update_writes_is_met_by_the_rows_it_was_made_from(repo: Path) -> None:
    rows(repo, *GOOD)
    assert "wrote models/iris/data.yaml" in run("validate", "iris", "--update")
    path = repo / "models/iris/data.yaml"
    assert path.read_text().startswith("# What the rows that iris is trained on have to look like")
    found = data_expectations.read(path, "iris")
    assert found.rows.min == 4
    assert found.columns["age"].model_dump() == {
        "kind": "number",
        "min": 12,
        "max": 99,
        "values": None,
        "missing": 0.25,
    }
    assert found.columns["grown"].kind == "boolean"
    assert "as expected" in run("validate", "iris")


def test_update_keeps_comments_and_changes_nothing_the_second_time(expecting: Path) -> None:
    run("validate", "iris", "--update")
    path = expecting / "models/iris/data.yaml"
    assert path.read_text().startswith("# ours\n")
    # Because it was expected, None stays the name of an island.
    assert data_expectations.read(path, "iris").columns["island"].values == ["Biscoe", "None"]
    commit_all(expecting, "narrower")
    assert "nothing to change" in run("validate", "iris", "--update")


@pytest.mark.parametrize(
    "line",
    ["  age: {kind: text, min: 0}", "  age: {kind: number, values: [a]}", "  age: {kind: date}"],
    ids=["min of a text", "values of a number", "unknown kind"],
)
def test_a_file_that_makes_no_sense_is_refused_by_its_line(expecting: Path, line: str) -> None:
    path = expecting / "models/iris/data.yaml"
    path.write_text(f"rows: {{min: 1}}\ncolumns:\n{line}\n")
    with pytest.raises(ModelctlError, match=r"data\.yaml:3: columns\.age"):
        run("validate", "iris")
