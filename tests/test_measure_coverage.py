"""What `make coverage` makes of counts: a table by package, and a floor that only rises."""

from __future__ import annotations

import pytest

from tests import measure_coverage as measured


def counts(*numbers: int) -> dict[str, int]:
    return dict(zip(measured.COUNTED, numbers, strict=True))


def test_files_add_up_by_package() -> None:
    files = {
        "app/inflate.py": {"summary": counts(8, 10, 1, 2)},
        "app/model/bundle.py": {"summary": counts(5, 5, 0, 0)},
        "app/observability/metrics/bins.py": {"summary": counts(1, 2, 3, 4)},
        "app/observability/logs.py": {"summary": counts(10, 20, 30, 40)},
    }
    assert measured.by_package(files) == {
        "app": counts(8, 10, 1, 2),
        "app/model": counts(5, 5, 0, 0),
        "app/observability": counts(11, 22, 33, 44),
    }


def test_lines_and_branches_count_alike() -> None:
    assert measured.percent(counts(8, 10, 1, 2)) == 75.0
    assert measured.percent(counts(0, 0, 0, 0)) == 100.0
    assert measured.line("app", counts(8, 10, 1, 2)).split() == ["app", "8/10", "1/2", "75.0"]


@pytest.mark.parametrize(
    ("found", "holds", "word"),
    [
        (79.9, False, "below"),
        (80.0, True, "is the floor"),
        (80.9, True, "is the floor"),
        (81.0, True, "from 80 to 81"),
        (84.7, True, "from 80 to 84.5"),
    ],
)
def test_the_floor_holds_and_rises(found: float, word: str, *, holds: bool) -> None:
    passed, text = measured.verdict(found, 80)
    assert passed is holds
    assert word in text
