"""Many releases in one Argo CD with its default resync: do they all reconcile, how long, how big.

`make bench-scale` runs it with 100 models in three environments; here a few show that it works.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
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
PAGE = os.sysconf("SC_PAGE_SIZE")
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
        before = memory(loop)
        fleet.write()
        started = time.monotonic()
        fleet.bootstrap()
        fleet.wait_healthy(DEADLINE_SECONDS)
        seconds = time.monotonic() - started
        measured(f"{count} releases from nothing to Synced and Healthy", seconds, 30 + 1.0 * count)
        for name, size in memory(loop).items():
            print(f"    {name}: {size:.0f} MiB, {before[name]:.0f} before", flush=True)

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


def memory(loop: Loop) -> dict[str, float]:
    """The resident memory of each process of Argo CD, MiB."""
    found = {}
    for component in argocd.components(loop.layout):
        record = process.find_running(loop.layout, component.name)
        assert record, component.name
        pages = int(Path(f"/proc/{record.pid}/statm").read_text().split()[1])
        found[component.name] = pages * PAGE / 2**20
    return found
