"""Many releases in one Argo CD with its default resync: do they all reconcile, how long, how big.

`make bench-scale` runs it with 100 models in three environments; here a few show that it works.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sandbox import process
from sandbox.component import Component
from sandbox.components import argocd

from .fork import Fork
from .loop import Loop, eventually, measured

MODELS = int(os.environ.get("SCALE_MODELS", "8"))
ENVIRONMENTS = 3
# Generous: what CI runs on may be far slower than what we measured on.
DEADLINE_SECONDS = 120 + 5 * MODELS * ENVIRONMENTS
# What the sandbox shortens for people who watch; without it, Argo CD's own defaults hold.
SHORTENED = ("--app-resync", "--app-resync-jitter")


def with_defaults(component: Component) -> Component:
    """The same process with Argo CD's own resync."""
    words = list(component.argv)
    for flag in SHORTENED:
        if flag in words:
            del words[words.index(flag) : words.index(flag) + 2]
    env = {k: v for k, v in component.env.items() if k != "ARGOCD_RECONCILIATION_TIMEOUT"}
    return replace(component, argv=tuple(words), env=env)


@contextmanager
def default_resync(loop: Loop) -> Iterator[None]:
    """Argo CD with its own resync meanwhile."""
    components = argocd.components(loop.layout)
    for component in components:
        process.ensure(loop.layout, with_defaults(component))
    try:
        yield
    finally:
        for component in components:
            process.ensure(loop.layout, component)


@pytest.fixture
def fleet(loop: Loop) -> Iterator[Fork]:
    """Models that take part in everything but use no processor: none has a pod."""
    made = Fork(
        loop,
        loop.layout.home / "e2e-fleet",
        "fleet",
        ["in-cluster"] * ENVIRONMENTS,
        models=[f"model-{number:03}" for number in range(MODELS)],
        capacity={"replicaCount": 0},
    )
    made.remove()
    yield made
    made.remove()


def test_many_releases_reconcile_and_a_commit_to_one_is_seen_soon(loop: Loop, fleet: Fork) -> None:
    count = MODELS * ENVIRONMENTS
    with default_resync(loop):
        before = usage(loop)
        fleet.write()
        started = time.monotonic()
        fleet.bootstrap()
        fleet.wait_healthy(DEADLINE_SECONDS)
        seconds = time.monotonic() - started
        measured(f"{count} releases from nothing to Synced and Healthy", seconds, 30 + 1.0 * count)
        print_usage(before, usage(loop))

        model, environment = fleet.models[0], fleet.environments[0]
        path = f"environments/{environment}/{model}/settings.yaml"
        fleet.save(path, {"model": {"name": "iris"}, "config": {"maxBatchRows": 7}})
        fleet.push("One model of many")
        # A webhook tells Argo CD at once; without one it would be its resync of three minutes.
        for name in fleet.applications()[:1]:
            loop.kubectl(
                *("annotate", "application", name, "--namespace=argocd", "--overwrite"),
                "argocd.argoproj.io/refresh=normal",
            )
        words = ("configmap", model, f"--namespace={environment}")
        seconds = eventually(
            "the one has it",
            lambda: ((d := loop.get(*words)["data"])["MAX_BATCH_ROWS"] == "7", d),
            120,
        )
        measured(f"a commit to one of {count} is applied", seconds, 30)


@dataclass(frozen=True)
class Usage:
    """What a process has used since it began, programs that it ran (Helm, git) included."""

    peak_mib: float
    processor_seconds: float

    @classmethod
    def of(cls, pid: int) -> Usage:
        """As the kernel counts it."""
        status = Path(f"/proc/{pid}/status").read_text()
        peak = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        assert peak
        # Behind the name, which may hold spaces: utime, stime, cutime and cstime.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = sum(map(int, fields[11:15]))
        return cls(int(peak.group(1)) / 1024, ticks / os.sysconf("SC_CLK_TCK"))


def usage(loop: Loop) -> dict[str, Usage]:
    """Of each process of Argo CD, and of the API server that they write to."""
    found = {}
    for name in (*(c.name for c in argocd.components(loop.layout)), "kube-apiserver", "etcd"):
        record = process.find_running(loop.layout, name)
        assert record, name
        found[name] = Usage.of(record.pid)
    return found


def print_usage(before: dict[str, Usage], after: dict[str, Usage]) -> None:
    for name, now in after.items():
        then = before[name]
        print(
            f"    {name}: at most {now.peak_mib:.0f} MiB ({then.peak_mib:.0f} before), "
            f"{now.processor_seconds - then.processor_seconds:.0f} s of processor time",
            flush=True,
        )
