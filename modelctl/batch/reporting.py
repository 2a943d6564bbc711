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
    from pathlib import Path

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


def status(plan: Plan, out: Path) -> list[PartStatus]:
    """Every part of the plan. Raises RefusedError for one of another run."""
    with translated():
        found = results.read_parts(plan, out)
    listed = []
    for index, (shard, facts) in enumerate(zip(plan.shards, found, strict=True)):
        name = plan.files[shard.file].path
        if facts is not None:
            numbers = (facts.predicted, facts.rejected)
            listed.append(PartStatus(index, name, shard.rows, *numbers, "done"))
            continue
        failure = parts.failure_path(out, index)
        reason = _reason(failure) if failure.exists() else ""
        state = "failed" if reason else "missing"
        listed.append(PartStatus(index, name, shard.rows, None, None, state, reason))
    return listed


def _reason(failure: Path) -> str:
    try:
        return str(orjson.loads(failure.read_bytes())["what"])
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return f"{failure} cannot be read"


def verify(plan: Plan, out: Path) -> Totals:
    """Recount every part and compare with the plan and `_SUCCESS.json`. Raises RefusedError."""
    with translated():
        found = results.read_parts(plan, out)
        success = results.read_success(plan, out)
    if len(success.parts) != len(plan.shards):
        raise _not_about(plan, len(success.parts), success.rows)
    for index, (facts, written) in enumerate(zip(found, success.parts, strict=True)):
        for name, expected in written.files.items():
            _require_sha256(out / name, expected)
        counted = _recount(plan, out, index)
        if facts is None or counted != (facts.predicted, facts.rejected):
            raise RefusedError(
                f"part {index} has another number of rows than it says",
                expected="what its metadata say",
                found=f"{counted[0]:,} predicted and {counted[1]:,} rejected",
                fix=RUN_AGAIN.format(parts.part_path(out, index)),
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


def _require_sha256(path: Path, expected: str) -> None:
    found = results.sha256_of(path) if path.exists() else "no file"
    if found != expected:
        raise RefusedError(
            f"{path} changed after the run",
            expected=f"sha256:{expected}",
            found=found if found == "no file" else f"sha256:{found}",
            fix=RUN_AGAIN.format(path),
        )


def _recount(plan: Plan, out: Path, index: int) -> tuple[int, int]:
    """How many rows are in both files; each row of the shard has to be in one of them, once."""
    shard = plan.shards[index]
    seen = np.zeros(shard.rows, dtype=np.int64)
    paths = (parts.part_path(out, index), parts.rejected_path(out, index))
    predicted, rejected = (_count(path, plan, shard, seen) for path in paths)
    if (seen != 1).any():
        lost, doubled = int((seen == 0).sum()), int((seen > 1).sum())
        raise RefusedError(
            f"part {index} does not have each row once",
            expected=f"{shard.rows:,} rows from row {shard.first_row:,}",
            found=f"{lost:,} missing and {doubled:,} repeated",
            fix=RUN_AGAIN.format(parts.part_path(out, index)),
        )
    return predicted, rejected


def _count(path: Path, plan: Plan, shard: Shard, seen: np.ndarray[Any, Any]) -> int:
    count = 0
    for batch in pq.ParquetFile(path).iter_batches(columns=[FILE, ROW]):
        rows = batch.column(ROW).to_numpy() - shard.first_row
        names = set(batch.column(FILE).unique().to_pylist())
        if names - {plan.files[shard.file].path} or ((rows < 0) | (rows >= shard.rows)).any():
            raise RefusedError(
                f"{path} has rows of another shard",
                expected=f"{shard.rows:,} rows from row {shard.first_row:,}",
                fix=RUN_AGAIN.format(path),
            )
        np.add.at(seen, rows, 1)
        count += batch.num_rows
    return count
