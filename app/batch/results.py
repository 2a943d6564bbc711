"""All parts of a run together, and `_SUCCESS.json` once every row is accounted for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.batch import parts
from app.batch.errors import BatchRefusedError
from app.model.bundle import canonical

if TYPE_CHECKING:
    from pathlib import Path

    from app.batch.plan import Plan

SUCCESS = "_SUCCESS.json"


@dataclass(frozen=True)
class Totals:
    """The rows of all parts that are there."""

    rows: int
    predicted: int
    rejected: int

    @classmethod
    def of(cls, found: list[parts.Facts]) -> Totals:
        """The sums over parts."""
        return cls(
            sum(one.rows for one in found),
            sum(one.predicted for one in found),
            sum(one.rejected for one in found),
        )


def read_parts(plan: Plan, out: Path) -> list[parts.Facts | None]:
    """What each part says of itself; None for one that is missing. Raises BatchRefusedError.

    A part of another run, or one that the plan does not have, is refused.
    """
    expected = {parts.part_path(out, index) for index in range(len(plan.shards))}
    for path in sorted(out.glob("part-*.parquet")):
        if path not in expected:
            parts.read_facts(path, plan.run)
            raise BatchRefusedError(
                f"{path} is no part of the plan",
                expected=f"{len(plan.shards)} parts",
                found=path.name,
                fix="remove it, or use another folder",
            )
    return [parts.read_complete(out, index, plan.run) for index in range(len(plan.shards))]


def finish(plan: Plan, out: Path) -> Totals:
    """Write `_SUCCESS.json`. Raises BatchRefusedError unless rows in = rows out + rejected."""
    found = read_parts(plan, out)
    present = [one for one in found if one is not None]
    totals = Totals.of(present)
    _require_all(plan, len(present), totals)
    document = {
        "run": plan.run,
        "bundle": plan.bundle.digest,
        "rows": totals.rows,
        "predicted": totals.predicted,
        "rejected": totals.rejected,
        "parts": [_entry(out, one) for one in present],
    }
    parts.write_whole(out / SUCCESS, canonical(document))
    return totals


def _require_all(plan: Plan, present: int, totals: Totals) -> None:
    if present != len(plan.shards):
        raise BatchRefusedError(
            "the run is not complete",
            expected=f"{len(plan.shards)} parts",
            found=str(present),
            fix="run it again: it goes on with the missing parts",
        )
    if not plan.rows == totals.rows == totals.predicted + totals.rejected:
        raise BatchRefusedError(
            "not every row is accounted for",
            expected=f"{plan.rows:,} rows, as planned",
            found=f"{totals.predicted:,} predicted and {totals.rejected:,} rejected",
            fix="run the plan again in an empty folder",
        )


def _entry(out: Path, facts: parts.Facts) -> dict[str, Any]:
    paths = (parts.part_path(out, facts.part), parts.rejected_path(out, facts.part))
    return {
        "part": facts.part,
        "rows": facts.rows,
        "predicted": facts.predicted,
        "rejected": facts.rejected,
        "files": {path.relative_to(out).as_posix(): sha256_of(path) for path in paths},
    }


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file of the run."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
