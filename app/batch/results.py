"""All parts of a run together, and `_SUCCESS.json` once every row is accounted for."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import msgspec

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


@dataclass(frozen=True)
class Written:
    """One part, with the SHA-256 of its files by their path in the folder."""

    part: int
    rows: int
    predicted: int
    rejected: int
    files: dict[str, str]


@dataclass(frozen=True)
class Success:
    """What `_SUCCESS.json` says."""

    run: str
    bundle: str
    rows: int
    predicted: int
    rejected: int
    parts: tuple[Written, ...]


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
    listed = tuple(_written(out, one) for one in present)
    success = Success(plan.run, plan.bundle.digest, **asdict(totals), parts=listed)
    parts.write_whole(out / SUCCESS, canonical(asdict(success)))
    return totals


def read_success(plan: Plan, out: Path) -> Success:
    """What `_SUCCESS.json` says of this run. Raises BatchRefusedError."""
    path = out / SUCCESS
    try:
        success = msgspec.json.decode(path.read_bytes(), type=Success)
    except (OSError, msgspec.DecodeError) as error:
        raise BatchRefusedError(
            "the run is not complete",
            expected=str(path),
            found="none that can be read",
            fix="run the plan again: it goes on with the missing parts",
        ) from error
    if success.run != plan.run:
        raise BatchRefusedError(
            f"{path} belongs to another run",
            expected=plan.run,
            found=success.run,
            fix="run the plan again",
        )
    return success


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


def _written(out: Path, facts: parts.Facts) -> Written:
    paths = (parts.part_path(out, facts.part), parts.rejected_path(out, facts.part))
    files = {path.relative_to(out).as_posix(): sha256_of(path) for path in paths}
    return Written(facts.part, facts.rows, facts.predicted, facts.rejected, files)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file of the run."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
