"""Run a plan on this machine, or the rest of it: one run at a time in a folder."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.batch import parts, results
from app.batch.folders import LocalFolder
from app.batch.inputs import open_inputs, opened
from modelctl.batch.refusals import translated
from modelctl.batch.workers import Pool
from modelctl.errors import RefusedError
from modelctl.packaging.bundles import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.batch.attempts import Failure
    from app.batch.folders import Folder
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


@dataclass(frozen=True)
class Request:
    """What to run, where, by which bundle; `max_rejected` is a share of the rows."""

    plan: Plan
    out: Folder
    bundle: Path
    processes: int
    max_rejected: float | None = None


def run(
    request: Request,
    on_rows: Callable[[int, int], None],
    on_part: Callable[[parts.Facts], None],
) -> Run:
    """Write every part that is missing, then `_SUCCESS.json`. Raises ModelctlError."""
    plan, out = request.plan, request.out
    with _alone(out), translated():
        verify_bundle(request.bundle, plan.bundle.digest)
        found = results.read_parts(plan, out)
        kept = {plan.shards[index].file for index, facts in enumerate(found) if facts is not None}
        _require_inputs(plan, out, kept)
        if results.SUCCESS in out.names():
            out.remove(results.SUCCESS)
        missing = [index for index, facts in enumerate(found) if facts is None]
        processes = min(request.processes, max(1, len(missing)))
        pool = Pool(out, request.bundle, processes, on_rows, on_part)
        try:
            pool.run(missing)
        finally:
            # What processes that were killed left behind.
            if isinstance(out, LocalFolder):
                out.remove_left("part-*")
        totals = None if pool.failures else results.finish(plan, out, request.max_rejected)
    return Run(totals, pool.failures, len(found) - len(missing), pool.retries)


def _require_inputs(plan: Plan, out: Folder, kept: set[int]) -> None:
    """Refuse an input that is missing or of another size before any process starts.

    Whoever writes a part checks what is read for it. Files of parts that are there are checked here
    by their hash, unless a store pins them: those parts are of that object.
    """
    inputs = open_inputs(plan, out)
    for index, file in enumerate(plan.files):
        with opened(inputs, file) as source:
            if index in kept:
                source.verify([(0, file.bytes)], file.sha256)


@contextmanager
def _alone(out: Folder) -> Iterator[None]:
    """Raises RefusedError while another run writes into the folder.

    In a store nobody can be kept out: two runs of one plan write the same parts.
    """
    if not isinstance(out, LocalFolder):
        yield
        return
    with (out.path / LOCK).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RefusedError(
                f"another run writes into {out.path}",
                expected="one run at a time in a folder",
                fix="wait until it ends",
            ) from error
        yield
