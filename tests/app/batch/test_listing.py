"""Patterns of objects, judged by the patterns of files."""

from __future__ import annotations

import glob
from pathlib import Path

import pytest

from app.batch.errors import BatchError
from app.batch.folders import LocalFolder
from app.batch.listing import listed, pattern

KEYS = [
    *("a.csv", "b.csv", "ab.csv", ".h.csv", "a[1].csv", "x/a.csv", "x/y/a.csv", "x/.d/a.csv"),
    *("x/b.parquet", "y/a.csv", "z.d/a.csv"),
]


@pytest.mark.parametrize(
    "asked",
    [
        *("*.csv", "?.csv", "[ab].csv", "[!a].csv", "a*.csv", "a[[]1].csv", "x/*", "x/*.csv"),
        *("*/a.csv", "**/a.csv", "x/**/a.csv", "**/*.csv", "z.d/*.csv", "x/y/*", "**/y/*.csv"),
    ],
)
def test_a_pattern_of_keys_finds_what_a_pattern_of_files_does(asked: str, tmp_path: Path) -> None:
    for key in KEYS:
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).touch()
    found = glob.glob(asked, root_dir=tmp_path, recursive=True)  # noqa: PTH207 - the judge
    files = sorted(name for name in found if (tmp_path / name).is_file())
    assert sorted(filter(pattern(asked).fullmatch, KEYS)) == files


def test_inputs_of_several_places_are_refused(tmp_path: Path) -> None:
    out = LocalFolder(tmp_path)
    with pytest.raises(BatchError, match="several places"):
        listed(["s3://one/a.csv", "s3://two/a.csv"], out)
    with pytest.raises(BatchError, match="several places"):
        listed(["s3://one/a.csv", str(tmp_path)], out)
