"""`modelctl validate`: invalid training data is refused with every violation."""

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


def with_folder(repo: Path) -> None:
    """Give iris a folder without expectations."""
    path = repo / "models/iris/model.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("name: iris\nversion: 1.0.0\n")


def test_rows_as_expected_pass(expecting: Path) -> None:
    assert run("validate", "iris") == "iris: 4 rows with 5 columns, valid\n"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (GOOD[:2], "expected at least 3 rows, found 2"),
        ([*GOOD, "130,Biscoe,,True,1"], "column 'age': 1 row outside 0 to 120, such as 130"),
        ([*GOOD, "7,Biscoe,,True,inf"], "column 'score': 1 row outside -inf to inf, such as inf"),
        (
            [*GOOD, ",Biscoe,,True,1"],
            "column 'age': expected at most 25.0% missing, found 40.0%",
        ),
        ([*GOOD, "old,Biscoe,,True,1"], "column 'age': expected number, found text"),
        ([*GOOD, "7,Biscoe,,maybe,1"], "column 'grown': expected boolean, found text"),
        (
            [*GOOD, "7,Torgersen,,True,1", "7,Dream,,True,1"],
            "column 'island': 2 rows with an unexpected value: 'Torgersen', 'Dream'",
        ),
        (
            ["130,Dream,,True,1", *GOOD],
            "column 'age': 1 row outside 0 to 120, such as 130; "
            "column 'island': 1 row with an unexpected value: 'Dream'",
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
    assert refused.value.what == "the training data of 'iris' is not valid"
    assert refused.value.found == problem
    assert refused.value.exit_code == 3


def test_columns_that_are_gone_or_new_are_named(expecting: Path) -> None:
    sample = expecting / "other.csv"
    sample.write_text("age,island,comment,grown,size\n" + "\n".join(GOOD) + "\n")
    with pytest.raises(RefusedError) as refused:
        run("validate", "iris", "--sample", str(sample))
    assert refused.value.found == "column 'score' is missing; unexpected column 'size'"


def test_without_expectations_nothing_passes(repo: Path) -> None:
    with_folder(repo)
    rows(repo, *GOOD)
    with pytest.raises(ModelctlError, match="model 'iris' has no data expectations") as error:
        run("validate", "iris")
    assert "`modelctl validate iris --update`" in error.value.fix


def test_what_update_writes_is_met_by_the_rows_it_was_made_from(repo: Path) -> None:
    with_folder(repo)
    rows(repo, *GOOD)
    assert "wrote models/iris/data.yaml" in run("validate", "iris", "--update")
    path = repo / "models/iris/data.yaml"
    assert path.read_text().startswith("# Expectations of the training data of iris, ")
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
    assert "5 columns, valid" in run("validate", "iris")


def test_update_keeps_comments_and_changes_nothing_the_second_time(expecting: Path) -> None:
    run("validate", "iris", "--update")
    path = expecting / "models/iris/data.yaml"
    assert path.read_text().startswith("# ours\n")
    # Because it was expected, None stays the name of an island.
    assert data_expectations.read(path, "iris").columns["island"].values == ["Biscoe", "None"]
    commit_all(expecting, "narrower")
    assert "already up to date" in run("validate", "iris", "--update")


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
