"""A CSV file that is not what pandas expects is named for what it is."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from modelctl.errors import ModelctlError
from modelctl.packaging.samples import read_sample

FRAME = pd.DataFrame(
    {"größe": [1.5, 2.5, 3.5], "stadt": ["Köln", "Łódź, PL", "a;b"], "y": [0, 1, 0]}
)


def refused(path: Path) -> ModelctlError:
    with pytest.raises(ModelctlError) as caught:
        read_sample(path, lambda _names: {})
    return caught.value


@pytest.mark.parametrize(
    ("separator", "decimal", "name"),
    [
        (";", ".", "semicolons"),
        (";", ",", "semicolons"),
        ("\t", ".", "tabs"),
        ("|", ".", "vertical bars"),
    ],
)
def test_another_separator_is_named(
    separator: str, decimal: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    FRAME.to_csv(path, sep=separator, decimal=decimal, index=False)
    error = refused(path)
    assert error.what == f"{path} has its columns separated by {name}"
    assert f"sep={separator!r}" in error.fix


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16"])
def test_another_encoding_is_named(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    FRAME.head(1).to_csv(path, index=False, encoding=encoding)
    error = refused(path)
    assert error.what == f"{path} is not UTF-8"
    named = error.fix.split()[2]
    assert path.read_bytes().decode(named.lower()).lstrip("\ufeff").startswith("größe")


@pytest.mark.parametrize(
    "text",
    [
        "text\nfirst; second\nthird\n",
        "text\nno separator\nat all\n",
        'text\n"one | two"\n"three, four"\n',
        "a,b\n1;2,3;4\n",
        "only\n1\n2\n",
        "﻿text\nwith a byte order mark\n",
    ],
)
def test_a_column_of_texts_is_read_as_it_is(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="utf-8")
    assert len(read_sample(path, lambda _names: {})) == len(text.splitlines()) - 1
