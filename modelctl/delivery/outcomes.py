"""Read what became of the units of an experiment: one value of each metric for each unit.

The arm of a unit is computed from the unit. A column of arms in the file is only compared with
that: whoever logged another arm did not see what the gateway did.
"""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.delivery.assignment import Assignment, unit_violation
from modelctl.errors import ModelctlError
from modelctl.repository.experiments import ARM, LARGEST, UNIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pandas import Series

    from modelctl.repository.experiments import Experiment, Measure

    Numbers = NDArray[np.float64]
    Table = dict[str, list[str]]

MISSING = frozenset({"", "NA", "N/A", "<NA>", "NaN", "nan", "null", "NULL", "None"})
TRUE, FALSE = frozenset({"true", "True", "TRUE"}), frozenset({"false", "False", "FALSE"})
MAX_SHOWN = 5
# Python's own float() reads 1_0 and the digits of every script, which other readers do not.
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Outcomes:
    """The units of a file, each once, in the order in which they first appear.

    `values` and `before` have a column by metric, NaN where a unit has no value. `disagreeing` are
    units whose logged arm is not the assigned one; None without a column of arms.
    """

    units: list[str]
    arms: list[str]
    values: dict[str, Numbers]
    before: dict[str, Numbers]
    rows: int
    repeated: int = 0
    anonymous: int = 0
    disagreeing: int | None = None

    def count(self, arm: str) -> int:
        """The number of units in an arm."""
        return self.arms.count(arm)

    def of(self, column: Numbers, arm: str) -> Numbers:
        """The values of an arm's units."""
        chosen: Numbers = column[self._arm_of_each == arm]
        return chosen

    @cached_property
    def _arm_of_each(self) -> NDArray[np.str_]:
        return np.array(self.arms)


def read(path: Path, experiment: Experiment) -> Outcomes:
    """The outcomes in a CSV or Parquet file. Raises ModelctlError with everything unusable."""
    measured = experiment.measures
    wanted = [UNIT, *(each.name for each in measured)]
    wanted += [each.pre_period for each in measured if each.pre_period]
    table = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    missing = [name for name in wanted if name not in table]
    if missing:
        raise ModelctlError(
            f"{path} lacks columns: {', '.join(missing)}",
            expected=", ".join(wanted),
            found=", ".join(table)[:500] or "no columns",
            fix="name the columns as experiment.yaml does; other columns are ignored",
        )
    problems: list[str] = []
    groups = _groups(path, table[UNIT], problems)
    values = {each.name: _column(table, each, problems) for each in measured}
    before = {
        each.name: _numbers(table[each.pre_period], each.pre_period, problems)
        for each in measured
        if each.pre_period
    }
    if problems:
        more = f"; and {len(problems) - MAX_SHOWN} more" if len(problems) > MAX_SHOWN else ""
        raise ModelctlError(
            f"{path} has unusable cells", found="; ".join(problems[:MAX_SHOWN]) + more
        )
    anonymous = len(groups.pop("", ()))
    if not groups:
        raise ModelctlError(f"{path} has no rows with a unit")
    repeated = sum(len(rows) > 1 for rows in groups.values())
    if repeated:
        _require_rules(path, measured, groups)
    assignment = Assignment.of(experiment.variants)
    arms = [assignment.arm(unit) for unit in groups]
    return Outcomes(
        list(groups),
        arms,
        {each.name: _by_unit(values[each.name], groups, each.aggregate) for each in measured},
        {name: _by_unit(column, groups, "mean") for name, column in before.items()},
        len(table[UNIT]),
        repeated,
        anonymous,
        _disagreeing(table[ARM], groups, arms) if ARM in table else None,
    )


def _csv(path: Path) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            names = next(reader, [])
            rows = []
            for row in reader:
                if row and len(row) != len(names):
                    raise ModelctlError(
                        f"{path}:{reader.line_num}: expected {len(names)} cells, found {len(row)}"
                    )
                rows += [row] if row else []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelctlError(f"{path} cannot be read as CSV", found=str(error)) from error
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ModelctlError(f"{path} has columns of the same name: {', '.join(twice)}")
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def _parquet(path: Path) -> Table:
    """Every column as the texts of a CSV file, so that both formats are read the same way."""
    from modelctl.packaging.samples import read_sample

    frame = read_sample(path, lambda _columns: {}).rename(columns=str)
    if UNIT in frame and (other := _other_types(frame[UNIT])):
        raise ModelctlError(
            f"{path} has {other} as units",
            expected="texts or whole numbers, as the client sends them",
            fix=f"write the column {UNIT} as text",
        )
    return {
        name: [
            "" if missing else str(value)
            for value, missing in zip(column.tolist(), column.isna().tolist(), strict=True)
        ]
        for name, column in ((name, frame[name].astype(object)) for name in frame.columns)
    }


def _other_types(units: Series[Any]) -> str:
    """The types of units whose text is not what a client sent; empty if there are none."""
    if units.dtype.kind == "f":
        return "fractional numbers"
    known = units[~units.isna()].astype(object).tolist()
    types = {type(unit) for unit in known if isinstance(unit, bool) or type(unit) not in (str, int)}
    return ", ".join(sorted(each.__name__ for each in types))


def _groups(path: Path, units: list[str], problems: list[str]) -> dict[str, list[int]]:
    """The rows of each unit; those without one under the empty text."""
    groups: dict[str, list[int]] = {}
    for at, unit in enumerate(units):
        groups.setdefault(unit, []).append(at)
    problems += [
        f"{_place(rows[0])}, {UNIT}: {unit[:40]!r} {reason}, which no header or cookie has"
        for unit, rows in groups.items()
        if unit and (reason := unit_violation(unit))
    ]
    if not units:
        raise ModelctlError(f"{path} has no rows")
    return groups


def _column(table: Table, metric: Measure, problems: list[str]) -> Numbers:
    numbers = _numbers(table[metric.name], metric.name, problems)
    if metric.kind == "proportion":
        known = ~np.isnan(numbers)
        for at in np.flatnonzero(known & (numbers != 0) & (numbers != 1)).tolist():
            found = table[metric.name][at]
            problems.append(f"{_place(at)}, {metric.name}: expected 0 or 1, found {found[:40]!r}")
    return numbers


def _numbers(cells: Sequence[str], name: str, problems: list[str]) -> Numbers:
    """The numbers in texts; NaN where one is missing."""
    numbers = np.empty(len(cells))
    for at, cell in enumerate(cells):
        number = _number(cell.strip())
        if number is None:
            problems.append(
                f"{_place(at)}, {name}: expected a number within ±{LARGEST:g}, found {cell[:40]!r}"
            )
        else:
            numbers[at] = number
    return numbers


def _number(text: str) -> float | None:
    """None for a text that is no number whose square can be added up."""
    if text in MISSING:
        return math.nan
    if text in TRUE or text in FALSE:
        return float(text in TRUE)
    number = float(text) if NUMBER.fullmatch(text) else math.inf
    return number if abs(number) <= LARGEST else None


def _place(at: int) -> str:
    return f"row {at + 1}"


def _require_rules(path: Path, measured: Iterable[Measure], groups: dict[str, list[int]]) -> None:
    """Raise ModelctlError if units have several rows and a metric does not say what that means."""
    silent = [each.name for each in measured if each.aggregate is None]
    if silent:
        unit, rows = next((unit, rows) for unit, rows in groups.items() if len(rows) > 1)
        raise ModelctlError(
            f"{path} has units with several rows",
            expected="one row for each unit, or `aggregate` of every metric in experiment.yaml",
            found=f"{len(rows)} rows of {unit[:40]!r}; no `aggregate`: {', '.join(silent)}",
            fix="aggregate the file, or set aggregate: any, all, mean or sum",
        )


def _by_unit(column: Numbers, groups: dict[str, list[int]], aggregate: str | None) -> Numbers:
    """One value for each unit, of the rows that have one."""
    functions: dict[str, Callable[[list[float]], float]] = {
        "any": max,
        "all": min,
        "sum": math.fsum,
    }
    values = np.full(len(groups), math.nan)
    for at, rows in enumerate(groups.values()):
        if len(rows) == 1:
            values[at] = column[rows[0]]
            continue
        known = [float(column[row]) for row in rows if not math.isnan(column[row])]
        if known:
            function = functions.get(aggregate or "")
            values[at] = function(known) if function else math.fsum(known) / len(known)
    return values


def _disagreeing(logged: list[str], groups: dict[str, list[int]], arms: list[str]) -> int:
    return sum(
        any(logged[row].strip() not in ("", arm) for row in rows)
        for rows, arm in zip(groups.values(), arms, strict=True)
    )
