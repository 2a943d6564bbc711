"""Look at the parts of a run: how far it is, and whether they are what `_SUCCESS.json` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow.parquet as pq

from app.batch import parts, results
from app.batch.shard import FILE, ROW
from modelctl.batch.refusals import translated
from modelctl.errors import RefusedError

if TYPE_CHECKING:
    from app.batch.folders import Folder
    from app.batch.plan import Plan, Shard
    from app.batch.results import Totals

RUN_AGAIN = "remove {}, and run the plan again"


@dataclass(frozen=True)
class PartStatus:
    """One part: `done`, `missing` or `failed`, then with the reason."""

    part: int
    file: str
    rows: int
    predicted: int | None
    rejected: int | None
    state: str
    reason: str = ""


def status(plan: Plan, out: Folder) -> list[PartStatus]:
    """Every part of the plan. Raises RefusedError for one of another run."""
    with translated():
        found = results.read_parts(plan, out)
        failed = out.names(parts.FAILED)
    listed = []
    for index, (shard, facts) in enumerate(zip(plan.shards, found, strict=True)):
        name = plan.files[shard.file].path
        if facts is not None:
            numbers = (facts.predicted, facts.rejected)
            listed.append(PartStatus(index, name, shard.rows, *numbers, "done"))
            continue
        failure = parts.failure_name(index)
        reason = _reason(out, failure) if failure in failed else ""
        state = "failed" if reason else "missing"
        listed.append(PartStatus(index, name, shard.rows, None, None, state, reason))
    return listed


def _reason(out: Folder, failure: str) -> str:
    try:
        with translated():
            return str(orjson.loads(out.read(failure))["what"])
    except (FileNotFoundError, orjson.JSONDecodeError, TypeError, KeyError):
        return f"{out.where(failure)} cannot be read"


def verify(plan: Plan, out: Folder) -> Totals:
    """Recount every part and compare with the plan and `_SUCCESS.json`. Raises ModelctlError."""
    with translated():
        return _verify(plan, out)


def _verify(plan: Plan, out: Folder) -> Totals:
    found = results.read_parts(plan, out)
    success = results.read_success(plan, out)
    if len(success.parts) != len(plan.shards):
        raise _not_about(plan, len(success.parts), success.rows)
    for index, (facts, written) in enumerate(zip(found, success.parts, strict=True)):
        for name, expected in written.files.items():
            _require_sha256(out, name, expected)
        counted = _recount(plan, out, index)
        if facts is None or counted != (facts.predicted, facts.rejected):
            raise RefusedError(
                f"part {index} has another number of rows than it says",
                expected="what its metadata say",
                found=f"{counted[0]:,} predicted and {counted[1]:,} rejected",
                fix=RUN_AGAIN.format(out.where(parts.part_name(index))),
            )
    totals = results.Totals.of([facts for facts in found if facts is not None])
    claimed = results.Totals(success.rows, success.predicted, success.rejected)
    if claimed != totals or totals.rows != plan.rows:
        raise _not_about(plan, len(plan.shards), success.rows)
    return totals


def _not_about(plan: Plan, listed: int, rows: int) -> RefusedError:
    return RefusedError(
        f"{results.SUCCESS} is not about these parts",
        expected=f"{len(plan.shards)} parts with {plan.rows:,} rows",
        found=f"{listed} parts with {rows:,} rows",
        fix="run the plan again",
    )


def _require_sha256(out: Folder, name: str, expected: str) -> None:
    path = out.where(name)
    try:
        found = results.sha256_of(out, name)
    except FileNotFoundError:
        found = "no file"
    if found != expected:
        raise RefusedError(
            f"{path} changed after the run",
            expected=f"sha256:{expected}",
            found=found if found == "no file" else f"sha256:{found}",
            fix=RUN_AGAIN.format(path),
        )


def _recount(plan: Plan, out: Folder, index: int) -> tuple[int, int]:
    """How many rows are in both files; each row of the shard has to be in one of them, once."""
    shard = plan.shards[index]
    seen = np.zeros(shard.rows, dtype=np.int64)
    names = (parts.part_name(index), parts.rejected_name(index))
    predicted, rejected = (_count(out, name, plan, shard, seen) for name in names)
    if (seen != 1).any():
        lost, doubled = int((seen == 0).sum()), int((seen > 1).sum())
        raise RefusedError(
            f"part {index} does not have each row once",
            expected=f"{shard.rows:,} rows from row {shard.first_row:,}",
            found=f"{lost:,} missing and {doubled:,} repeated",
            fix=RUN_AGAIN.format(out.where(parts.part_name(index))),
        )
    return predicted, rejected


def _count(out: Folder, name: str, plan: Plan, shard: Shard, seen: np.ndarray[Any, Any]) -> int:
    count = 0
    with out.open(name) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(columns=[FILE, ROW]):
            rows = batch.column(ROW).to_numpy() - shard.first_row
            files = set(batch.column(FILE).unique().to_pylist())
            if files - {plan.files[shard.file].path} or ((rows < 0) | (rows >= shard.rows)).any():
                raise RefusedError(
                    f"{out.where(name)} has rows of another shard",
                    expected=f"{shard.rows:,} rows from row {shard.first_row:,}",
                    fix=RUN_AGAIN.format(out.where(name)),
                )
            np.add.at(seen, rows, 1)
            count += batch.num_rows
    return count
