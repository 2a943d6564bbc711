"""Run a plan on this machine, or the rest of it: one run at a time in a folder."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.batch import parts, results
from modelctl.batch.refusals import translated
from modelctl.batch.workers import Failure, Pool
from modelctl.errors import RefusedError
from modelctl.packaging.bundles import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.batch.plan import Plan
    from app.batch.results import Totals

LOCK = ".lock"


@dataclass(frozen=True)
class Run:
    """How a run ended: the totals if it is complete, else what failed.

    `skipped`: parts that were there before. `retries`: parts begun again after a process died.
    """

    totals: Totals | None
    failures: list[Failure]
    skipped: int
    retries: int


def run(
    plan: Plan,
    path: Path,
    processes: int,
    on_rows: Callable[[int, int], None],
    on_part: Callable[[parts.Facts], None],
) -> Run:
    """Write every part that is missing, then `_SUCCESS.json`. Raises ModelctlError."""
    out = path.parent
    bundle = plan.bundle_path(out)
    with _alone(out), translated():
        verify_bundle(bundle, plan.bundle.digest)
        found = results.read_parts(plan, out)
        kept = {plan.shards[index].file for index, facts in enumerate(found) if facts is not None}
        _require_inputs(plan, out, kept)
        (out / results.SUCCESS).unlink(missing_ok=True)
        missing = [index for index, facts in enumerate(found) if facts is None]
        pool = Pool(path, bundle, min(processes, max(1, len(missing))), on_rows, on_part)
        try:
            pool.run(missing)
        finally:
            _remove_temporary(out)
        totals = None if pool.failures else results.finish(plan, out)
    return Run(totals, pool.failures, len(found) - len(missing), pool.retries)


def _require_inputs(plan: Plan, out: Path, kept: set[int]) -> None:
    """Refuse an input that is missing or of another size before any process starts.

    Whoever writes a part hashes what is read for it; files of parts that are there are hashed here.
    """
    from app.batch.source import Source

    for index, file in enumerate(plan.files):
        with Source(plan.source(out, file), file) as source:
            if index in kept:
                source.verify([(0, file.bytes)], file.sha256)


def _remove_temporary(out: Path) -> None:
    """What processes that were killed left behind."""
    for folder in (out, out / parts.REJECTED, out / parts.FAILED):
        for left in folder.glob(".part-*.tmp"):
            left.unlink(missing_ok=True)
    failed = out / parts.FAILED
    if failed.exists() and not any(failed.iterdir()):
        failed.rmdir()


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Raises RefusedError while another run writes into the folder."""
    with (out / LOCK).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RefusedError(
                f"another run writes into {out}",
                expected="one run at a time in a folder",
                fix="wait until it ends",
            ) from error
        yield
