"""Wait until Argo CD has synced what is in git, showing what is still pending and why."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from sandbox import argocd, kube, symptoms
from sandbox.errors import SandboxError, WaitError
from sandbox.sync import ApplicationState, Expected, application_state
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
# An ApplicationSet that met a repo server which was restarting is Degraded until it asks again:
# after `requeueAfterSeconds` of argocd/values.yaml, or with the next push.
ROOT_DEGRADED_SECONDS = 240
_INTERVAL_SECONDS = 1.0


class RolloutDisplay:
    """Prints a line when an Application becomes ready, and a status line with what is pending."""

    def __init__(self, write: Callable[[str], object] = sys.stdout.write, *, is_tty: bool) -> None:
        self._write = write
        self._is_tty = is_tty
        self._announced: set[str] = set()
        self._last_line = ""
        self.states: Sequence[ApplicationState] = ()

    def show(self, states: Sequence[ApplicationState], seconds: float) -> None:
        """Show the present states, `seconds` after the start."""
        self.states = states
        for state in states:
            # Once: a later commit makes it pending again until Argo CD has seen that commit.
            if state.is_ready and state.name not in self._announced:
                self._announced.add(state.name)
                self._clear()
                self._write(f"  {state.name:<24} {state.summary:<18} {seconds:5.0f} s\n")
        line = pending_line(states)
        if self._is_tty:
            self._clear()
            self._write(line)
        elif line and line != self._last_line:
            self._write(f"{line}\n")
        self._last_line = line

    def close(self) -> None:
        """Leave the terminal clean."""
        self._clear()

    def _clear(self) -> None:
        if self._is_tty:
            self._write("\r\x1b[2K")


class DegradedTimer:
    """Remembers since when each Application has been Degraded without interruption."""

    def __init__(self, seconds: float, root_seconds: float) -> None:
        self._seconds, self._root_seconds = seconds, root_seconds
        self._since: dict[str, float] = {}

    def expired(self, states: Sequence[ApplicationState], now: float) -> list[ApplicationState]:
        """Return those that have been Degraded for too long at the time `now`, in seconds."""
        degraded = [state for state in states if state.is_degraded]
        self._since = {state.name: self._since.get(state.name, now) for state in degraded}
        return [state for state in degraded if now - self._since[state.name] >= self._limit(state)]

    def _limit(self, state: ApplicationState) -> float:
        return self._root_seconds if state.name == argocd.ROOT else self._seconds


def pending_line(states: Sequence[ApplicationState], width: int = WIDTH) -> str:
    """Return how many are ready and the first that is not, cut to `width`; empty when all are."""
    pending = [state for state in states if not state.is_ready]
    if not pending:
        return ""
    ready = len(states) - len(pending)
    first = pending[0]
    line = f"  {ready} of {len(states)} ready; {first.name}: {first.summary}"
    return line if len(line) <= width else f"{line[: width - 3]}..."


def expectations(
    environments: Sequence[Environment], releases: Sequence[Release]
) -> list[Expected]:
    """Return the Applications of `environments`: root, namespaces, baselines and releases."""
    names = {entry.name for entry in environments}
    return [
        Expected(argocd.ROOT),
        *(
            Expected(f"{entry.name}-{part}", entry.namespace)
            for entry in environments
            for part in ("namespace", "baseline")
        ),
        *(Expected(r.name, r.namespace, r.model) for r in releases if r.environment in names),
    ]


def wait_for(
    layout: Layout,
    gitops: GitOps,
    expected: Sequence[Expected],
    *,
    display: RolloutDisplay | None = None,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> float:
    """Wait until all of `expected` are Synced and Healthy at the pushed commit; return seconds.

    Raises WaitError, with conditions, refusals and events, at the deadline or as soon as one stays
    Degraded, which waiting does not cure.
    """
    display = display or RolloutDisplay(is_tty=sys.stdout.isatty())
    try:
        with kube.watching(layout, argocd.APPLICATIONS) as pause:
            return wait_until(
                "Applications Synced and Healthy",
                applications_probe(layout, gitops, expected, display),
                deadline_seconds,
                # Git has no watch: somebody may push meanwhile.
                interval_seconds=_INTERVAL_SECONDS,
                pause=pause,
            )
    except WaitError as error:
        raise with_symptoms(layout, expected, display.states, error) from error
    finally:
        display.close()


def applications_probe(
    layout: Layout, gitops: GitOps, expected: Sequence[Expected], display: RolloutDisplay
) -> Callable[[], Answer]:
    """Return the probe that reads `expected` and shows them.

    The probe raises WaitError when an Application stays Degraded.
    """
    timer = DegradedTimer(DEGRADED_SECONDS, ROOT_DEGRADED_SECONDS)
    started = time.monotonic()

    def probe() -> Answer:
        try:
            states = read_states(layout, gitops, expected)
        except SandboxError as error:
            return Answer(False, error.found)
        seconds = time.monotonic() - started
        display.show(states, seconds)
        for state in timer.expired(states, seconds):
            raise WaitError(
                f"{state.name} stays Degraded",
                found=state.summary,
                expected="Synced, Healthy",
                fix="",
            )
        return Answer(all(state.is_ready for state in states), pending_line(states).strip())

    return probe


def read_states(
    layout: Layout, gitops: GitOps, expected: Sequence[Expected]
) -> list[ApplicationState]:
    """Return the present state of each expected Application. Raises SandboxError."""
    applications = argocd.applications(layout)
    # Read each time: a commit that somebody pushes meanwhile is the one to be served.
    revision = gitops.pushed()
    return [application_state(each, applications.get(each.name), revision) for each in expected]


def with_symptoms(
    layout: Layout,
    expected: Sequence[Expected],
    states: Sequence[ApplicationState],
    error: WaitError,
) -> WaitError:
    """Return the error with what the cluster reports about everything that is pending."""
    by_name = {entry.name: entry for entry in expected}
    pending = [state for state in states if not state.is_ready]
    details = [f"{state.name}: {state.summary}" for state in pending]
    for state in pending:
        entry = by_name[state.name]
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
