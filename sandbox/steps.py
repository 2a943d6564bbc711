"""Steps of `up`: a title and an idempotent function.

Must not know any particular step; `cluster` and `delivery` list them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import process
from sandbox.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sandbox.component import Component
    from sandbox.layout import Layout
    from sandbox.probes import Probe


@dataclass(frozen=True)
class Step:
    """One line of `up`. `act` is idempotent and raises SandboxError; a text it returns is shown.

    `component` is set for steps that start one: `down` and `status` read it.
    """

    title: str
    act: Callable[[], object]
    component: Component | None = None


def start_step(layout: Layout, component: Component) -> Step:
    """Return the step that starts `component` and waits until it is ready."""

    def act() -> str:
        process.ensure(layout, component)
        return "ready"

    return Step(component.name, act, component)


def wait_step(
    title: str,
    probe: Probe,
    deadline_seconds: float,
    log: Path | None = None,
) -> Step:
    """Return the step that waits until `probe` is ready."""

    def act() -> str:
        wait_until(title, probe.check, deadline_seconds, log=log)
        return ""

    return Step(title, act)


def run_steps(steps: Sequence[Step]) -> None:
    """Run the steps in order, printing `[3/14] kube-apiserver ready 2.4 s` for each."""
    for number, step in enumerate(steps, start=1):
        print(f"[{number}/{len(steps)}] {step.title}", end=" ", flush=True)
        started = time.monotonic()
        try:
            shown = step.act()
        except BaseException:
            print("FAILED", flush=True)
            raise
        words = [shown] if isinstance(shown, str) and shown else []
        print(*words, f"{time.monotonic() - started:.1f} s", flush=True)
