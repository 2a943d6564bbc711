"""The part of a run that one pod does: pod i of n writes the parts i, i+n, i+2n, ...

There is no orchestrator. Pod 0 plans, the others wait for plan.json; whoever finds that every part
is there writes `_SUCCESS.json`. Each of them may be ended at any moment and started again.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.batch import planning, results
from app.batch.attempts import Attempts, Failure
from app.batch.errors import BatchRefusedError, StoreUnavailableError
from app.batch.folders import LocalFolder
from app.batch.plan import PLAN
from app.batch.shard import ShardRunner

if TYPE_CHECKING:
    from app.batch.folders import Folder
    from app.batch.model import Model
    from app.batch.parts import Facts
    from app.batch.plan import Plan
    from app.batch.planning import Request
    from app.batch.results import Totals

POLL_SECONDS = 1.0
# Parts in a row that a store may cost: by then it is the store.
MAX_LOST = 3
LOGGER = logging.getLogger("batch")


@dataclass(frozen=True)
class Place:
    """Which of the pods this one is."""

    index: int
    pods: int


@dataclass
class Progress:
    """What the pod has done, as its metrics say it."""

    planned: int = 0
    written: int = 0
    kept: int = 0
    failed: int = 0
    predicted: int = 0
    rejected: int = 0
    # Rows that were read, of a part that is not written yet too.
    rows: int = 0
    about: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """How long to wait for a plan, in seconds, and which share of the rows may be rejected."""

    plan_timeout: float
    max_rejected: float | None


class Pod:
    """One pod of a run."""

    def __init__(
        self, place: Place, request: Request, out: Folder, limits: Limits, progress: Progress
    ) -> None:
        self._place, self._request, self._out = place, request, out
        self._limits, self._progress = limits, progress

    def run(self, model: Model) -> list[Failure]:
        """Write the pod's parts, and `_SUCCESS.json` if they were the last ones.

        Raises BatchError, BundleRefusedError.
        """
        plan = self._planned()
        mine = range(self._place.index, len(plan.shards), self._place.pods)
        self._progress.planned = len(mine)
        self._progress.about = {
            "run": plan.run,
            "model": plan.bundle.name,
            "model_version": plan.bundle.version,
        }
        LOGGER.info(
            "batch_started",
            extra={
                **self._progress.about,
                "model_digest": plan.bundle.digest,
                "index": self._place.index,
                "pods": self._place.pods,
                "parts": len(mine),
                "parts_of_run": len(plan.shards),
            },
        )
        failures = self._write(plan, model, mine)
        if not failures:
            self._finish(plan)
        return failures

    def _planned(self) -> Plan:
        plan = planning.find(self._out)
        if plan is None:
            plan = self._make() if self._place.index == 0 else self._wait()
        planning.require_fit(plan, self._request, self._out)
        return plan

    def _make(self) -> Plan:
        """Plan, unless somebody else was faster: then theirs is the plan."""
        started = time.monotonic()
        plan = planning.make(self._request, self._out)
        planning.require_own_parts(plan, self._out)
        is_first = self._out.create(PLAN, plan.encoded)
        seconds = round(time.monotonic() - started, 3)
        counts = {"files": len(plan.files), "rows": plan.rows, "parts": len(plan.shards)}
        extra = {"run": plan.run, **counts, "seconds": seconds}
        LOGGER.info("plan_written" if is_first else "plan_found", extra=extra)
        if is_first:
            return plan
        existing = planning.find(self._out)
        if existing is None:
            raise BatchRefusedError(
                f"{self._out.where(PLAN)} was removed meanwhile", fix="run again"
            )
        return existing

    def _wait(self) -> Plan:
        """Raises StoreUnavailableError if there is no plan in time."""
        limit = self._limits.plan_timeout
        end = time.monotonic() + limit
        LOGGER.info("plan_awaited", extra={"plan": self._out.where(PLAN), "limit_seconds": limit})
        while (plan := planning.find(self._out)) is None:
            if time.monotonic() > end:
                raise StoreUnavailableError(
                    f"{self._out.where(PLAN)} is not there",
                    expected=f"a plan by the pod of index 0 within {limit:g} s",
                    found="none",
                    fix="look at the log of that pod, or raise --plan-timeout",
                )
            time.sleep(min(POLL_SECONDS, max(0.0, end - time.monotonic())))
        return plan

    def _write(self, plan: Plan, model: Model, mine: range) -> list[Failure]:
        attempts = Attempts(ShardRunner(plan, self._out, model), self._out)
        if isinstance(self._out, LocalFolder):
            for index in mine:
                self._out.remove_left(f"part-{index:05d}.*")
        missing = set(results.missing_parts(plan, self._out))
        failures: list[Failure] = []
        lost = 0
        for index in mine:
            started = time.monotonic()
            done = attempts.write(index, self._count)
            if isinstance(done, Failure):
                failures.append(done)
                self._progress.failed += 1
                LOGGER.error("part_failed", extra={"run": plan.run, "part": index, **done.fields})
                lost = lost + 1 if done.is_transient else 0
                if lost == MAX_LOST:
                    break
                continue
            lost = 0
            self._report(plan, done, time.monotonic() - started, is_kept=index not in missing)
        return failures

    def _count(self, rows: int) -> None:
        self._progress.rows += rows

    def _report(self, plan: Plan, facts: Facts, seconds: float, *, is_kept: bool) -> None:
        progress = self._progress
        if is_kept:
            progress.kept += 1
        else:
            progress.written += 1
            progress.predicted += facts.predicted
            progress.rejected += facts.rejected
        LOGGER.info(
            "part_kept" if is_kept else "part_written",
            extra={
                "run": plan.run,
                "part": facts.part,
                "file": plan.files[plan.shards[facts.part].file].path,
                "rows": facts.rows,
                "predicted": facts.predicted,
                "rejected": facts.rejected,
                "seconds": round(seconds, 3),
                "done": progress.kept + progress.written,
                "parts": progress.planned,
            },
        )

    def _finish(self, plan: Plan) -> None:
        missing = results.missing_parts(plan, self._out)
        if missing:
            LOGGER.info(
                "parts_of_others_missing", extra={"run": plan.run, "parts_missing": len(missing)}
            )
            return
        if self._progress.written or not self._is_finished(plan):
            totals = results.finish(plan, self._out, self._limits.max_rejected)
            self._log_finished("run_completed", plan, totals)
            return
        success = results.read_success(plan, self._out)
        totals = results.Totals(success.rows, success.predicted, success.rejected)
        self._log_finished("run_was_complete", plan, totals)

    def _is_finished(self, plan: Plan) -> bool:
        try:
            return results.read_success(plan, self._out).rows == plan.rows
        except BatchRefusedError:
            return False

    def _log_finished(self, event: str, plan: Plan, totals: Totals) -> None:
        extra = {
            "run": plan.run,
            "rows": totals.rows,
            "predicted": totals.predicted,
            "rejected": totals.rejected,
        }
        LOGGER.info(event, extra=extra)


def is_retryable(failures: list[Failure]) -> bool:
    """Whether another try may succeed."""
    return any(failure.is_transient for failure in failures)
