"""Wait until Argo CD has made true what git says, showing what is still pending and why."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from sandbox import argocd, symptoms
from sandbox.errors import SandboxError, WaitError
from sandbox.sync import Expected, Verdict, judge
from sandbox.task import WIDTH
from sandbox.wait import Answer, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.environments import Environment, Release
    from sandbox.gitops import GitOps
    from sandbox.layout import Layout

# Image pull, start budget and Argo CD's polling together stay far below it.
DEADLINE_SECONDS = 300
# An autoscaler counts as Degraded until the first metrics of its pods are there.
DEGRADED_SECONDS = 60
_INTERVAL_SECONDS = 1.0


class Progress:
    """Prints a line when an Application gets ready, and keeps one line with what is pending."""

    def __init__(self, write: Callable[[str], object] = sys.stdout.write, *, living: bool) -> None:
        self._write = write
        self._living = living
        self._announced: set[str] = set()
        self._said = ""
        self.verdicts: Sequence[Verdict] = ()

    def show(self, verdicts: Sequence[Verdict], seconds: float) -> None:
        """Take in the present verdicts, `seconds` after the start."""
        self.verdicts = verdicts
        for verdict in verdicts:
            # Once: a later commit takes it back for the moment until Argo CD has seen that, too.
            if verdict.done and verdict.name not in self._announced:
                self._announced.add(verdict.name)
                self._clear()
                self._write(f"  {verdict.name:<24} {verdict.state:<18} {seconds:5.0f} s\n")
        line = pending_line(verdicts)
        if self._living:
            self._clear()
            self._write(line)
        elif line and line != self._said:
            self._write(f"{line}\n")
        self._said = line

    def close(self) -> None:
        """Leave the terminal clean."""
        self._clear()

    def _clear(self) -> None:
        if self._living:
            self._write("\r\x1b[2K")


class Patience:
    """Remembers since when each Application has been Degraded without a break."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[str, float] = {}

    def lost(self, verdicts: Sequence[Verdict], now: float) -> list[Verdict]:
        """Return those that have been Degraded for too long at the time `now`, in seconds."""
        degraded = [verdict for verdict in verdicts if verdict.degraded]
        self._since = {entry.name: self._since.get(entry.name, now) for entry in degraded}
        return [entry for entry in degraded if now - self._since[entry.name] >= self._seconds]


def pending_line(verdicts: Sequence[Verdict], width: int = WIDTH) -> str:
    """Return how many are ready and the first that is not, cut to `width`; empty when all are."""
    pending = [verdict for verdict in verdicts if not verdict.done]
    if not pending:
        return ""
    ready = len(verdicts) - len(pending)
    first = pending[0]
    line = f"  {ready} of {len(verdicts)} ready; {first.name}: {first.state}"
    return line if len(line) <= width else f"{line[: width - 3]}..."


def expectations(
    environments: Sequence[Environment], releases: Sequence[Release]
) -> list[Expected]:
    """Return what git asks for in `environments`: the root, the baselines and the releases."""
    names = {entry.name for entry in environments}
    return [
        Expected(argocd.ROOT),
        *(Expected(f"{entry.name}-baseline", entry.namespace) for entry in environments),
        *(Expected(r.name, r.namespace, r.model) for r in releases if r.environment in names),
    ]


def wait_for(
    layout: Layout,
    gitops: GitOps,
    expected: Sequence[Expected],
    *,
    progress: Progress | None = None,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> float:
    """Wait until all of `expected` are Synced and Healthy at the pushed commit; return seconds.

    Raises WaitError, with conditions, refusal lines and events, at the deadline or as soon as
    one stays Degraded: that does not mend by waiting.
    """
    shown = progress or Progress(living=sys.stdout.isatty())
    try:
        return wait_until(
            "Applications Synced and Healthy",
            watching(layout, gitops, expected, shown),
            deadline_seconds,
            interval_seconds=_INTERVAL_SECONDS,
        )
    except WaitError as error:
        raise explain(layout, expected, shown.verdicts, error) from error
    finally:
        shown.close()


def watching(
    layout: Layout, gitops: GitOps, expected: Sequence[Expected], shown: Progress
) -> Callable[[], Answer]:
    """Return the probe that looks at `expected` and shows them; it raises WaitError for a loss."""
    patience = Patience(DEGRADED_SECONDS)
    started = time.monotonic()

    def probe() -> Answer:
        try:
            verdicts = look(layout, gitops, expected)
        except SandboxError as error:
            return Answer(False, error.found)
        seconds = time.monotonic() - started
        shown.show(verdicts, seconds)
        for verdict in patience.lost(verdicts, seconds):
            raise WaitError(
                f"{verdict.name} stays Degraded",
                found=verdict.state,
                expected="Synced, Healthy",
                fix="",
            )
        return Answer(all(verdict.done for verdict in verdicts), pending_line(verdicts).strip())

    return probe


def look(layout: Layout, gitops: GitOps, expected: Sequence[Expected]) -> list[Verdict]:
    """Return the present verdict on each expected Application. Raises SandboxError."""
    found = argocd.applications(layout)
    # Asked each time: what somebody pushes meanwhile is what has to be served.
    revision = gitops.pushed()
    return [judge(entry, found.get(entry.name), revision) for entry in expected]


def explain(
    layout: Layout, expected: Sequence[Expected], verdicts: Sequence[Verdict], error: WaitError
) -> WaitError:
    """Return the error with everything that the cluster says about what is pending."""
    by_name = {entry.name: entry for entry in expected}
    pending = [verdict for verdict in verdicts if not verdict.done]
    details = [f"{verdict.name}: {verdict.state}" for verdict in pending]
    for verdict in pending:
        entry = by_name[verdict.name]
        if entry.namespace:
            details.append(symptoms.describe(layout, entry.namespace, entry.model))
    log = layout.log_file("argocd-controller")
    return WaitError(
        error.what,
        found=error.found,
        expected=error.expected,
        fix=f"correct it in .sandbox/gitops, commit and push; or read {log}",
        details="\n".join(filter(None, details)),
    )
