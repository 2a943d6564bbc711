"""All parts of a run together, and `_SUCCESS.json` once every row is accounted for."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import msgspec

from app.batch import parts
from app.batch.errors import BatchRefusedError, TooManyRejectedError
from app.model.bundle import canonical

if TYPE_CHECKING:
    from app.batch.folders import Folder
    from app.batch.plan import Plan

SUCCESS = "_SUCCESS.json"
PART = re.compile(r"part-\d+\.parquet")
# Parts that are looked at together: of a store, most of the time is waiting.
READERS = 8
BLOCK = 1 << 22


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


def missing_parts(plan: Plan, out: Folder) -> list[int]:
    """The parts of which a file is not there, by names alone.

    Raises BatchRefusedError for a part that the plan does not have, StoreError.
    """
    expected = {parts.part_name(index): index for index in range(len(plan.shards))}
    found = {name for name in out.names() if PART.fullmatch(name)}
    for name in sorted(found - expected.keys()):
        parts.read_facts(out, name, plan.run)
        raise BatchRefusedError(
            f"{out.where(name)} is no part of the plan",
            expected=f"{len(plan.shards)} parts",
            found=name,
            fix="remove it, or use another folder",
        )
    beside = out.names(parts.REJECTED)
    return [
        index
        for name, index in expected.items()
        if name not in found or parts.rejected_name(index) not in beside
    ]


def read_parts(plan: Plan, out: Folder) -> list[parts.Facts | None]:
    """What each part says of itself; None for one that is missing. Raises BatchRefusedError.

    A part of another run, or one that the plan does not have, is refused.
    """
    missing = set(missing_parts(plan, out))

    def read(index: int) -> parts.Facts | None:
        if index in missing:
            parts.read_facts(out, parts.part_name(index), plan.run)
            return None
        return parts.read_complete(out, index, plan.run)

    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(read, range(len(plan.shards))))


def finish(plan: Plan, out: Folder, max_rejected: float | None = None) -> Totals:
    """Write `_SUCCESS.json`, which says the same whoever writes it.

    Raises BatchRefusedError unless rows in = rows out + rejected, TooManyRejectedError, StoreError.
    """
    found = read_parts(plan, out)
    present = [one for one in found if one is not None]
    totals = Totals.of(present)
    _require_all(plan, len(present), totals)
    _require_few_rejected(totals, max_rejected)
    with ThreadPoolExecutor(READERS) as pool:
        listed = tuple(pool.map(lambda one: _written(out, one), present))
    success = Success(plan.run, plan.bundle.digest, **asdict(totals), parts=listed)
    out.write(SUCCESS, canonical(asdict(success)))
    return totals


def read_success(plan: Plan, out: Folder) -> Success:
    """What `_SUCCESS.json` says of this run. Raises BatchRefusedError, StoreError."""
    path = out.where(SUCCESS)
    try:
        success = msgspec.json.decode(out.read(SUCCESS), type=Success)
    except (OSError, msgspec.DecodeError) as error:
        raise BatchRefusedError(
            "the run is not complete",
            expected=path,
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


def _require_few_rejected(totals: Totals, limit: float | None) -> None:
    """Without a limit, something has to be predicted."""
    if limit is None:
        if totals.predicted:
            return
        expected = "at least one prediction"
    elif totals.rejected <= limit * totals.rows:
        return
    else:
        expected = f"at most {limit:.2%} of the rows (--max-rejected {limit:g})"
    raise TooManyRejectedError(
        "too many rows are rejected",
        expected=expected,
        found=f"{totals.rejected:,} of {totals.rows:,} rows",
        fix=f"look at the reasons in {parts.REJECTED}/, correct the input or the model's contract, "
        "or allow it: --max-rejected 1 allows any number",
    )


def _written(out: Folder, facts: parts.Facts) -> Written:
    names = (parts.part_name(facts.part), parts.rejected_name(facts.part))
    files = {name: sha256_of(out, name) for name in names}
    return Written(facts.part, facts.rows, facts.predicted, facts.rejected, files)


def sha256_of(out: Folder, name: str) -> str:
    """The SHA-256 of a file of the run. Raises FileNotFoundError, StoreError."""
    digest = hashlib.sha256()
    with out.open(name) as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
