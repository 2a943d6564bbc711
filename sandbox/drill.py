"""The disaster drill: save what git does not hold, destroy, bring back, compare what serves.

The one place that knows the order; what each step does is in `disaster`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import copies, inventory, lock, netns, process
from sandbox.disaster import BACKUP_RECORD, DRILL_RECORD, WAITING, Site, record
from sandbox.errors import SandboxError
from sandbox.gitops import open_gitops

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.layout import Layout

ETCD, REGISTRY, BOTH = "etcd", "registry", "both"


@dataclass(frozen=True)
class Outcome:
    """One case: seconds from the destruction until all serves again, and what was lost."""

    case: str
    recovery: float
    releases: int
    lost: inventory.Lost


TEXT = {
    ETCD: "etcd's data is gone, and with it every object of the cluster",
    REGISTRY: "the registry's data is gone, and the node has none of its images",
    BOTH: "etcd's data and the registry's data are gone",
}


def run_case(site: Site, case: str) -> Outcome:
    """Run one case. Raises SandboxError when the same digests do not serve at its end."""
    print(f"\n=== case {case}: {TEXT[case]}", flush=True)
    before, there = site.wait_serving(), inventory.take(site.layout)
    copies.verify(site.target)
    started = time.monotonic()
    if case in (ETCD, BOTH):
        site.destroy_cluster()
    if case in (REGISTRY, BOTH):
        site.destroy_registry()
    print(f"  destroyed in {time.monotonic() - started:.0f} s", flush=True)
    destroyed = time.monotonic()
    if case in (REGISTRY, BOTH):
        site.restore_registry()
    if case in (ETCD, BOTH):
        site.restore_cluster()
    else:
        # Their pulls wait longer after each failure.
        site.delete_pods(*WAITING)
    after = site.wait_serving()
    ended = time.monotonic()
    if after != before:
        raise SandboxError(
            f"case {case}: other digests serve than before",
            found=str({name: after[name] for name in after if after[name] != before[name]}),
            expected=str(before),
            fix="compare .sandbox/gitops/environments with `make status`",
        )
    lost = there - inventory.take(site.layout)
    return Outcome(case, ended - destroyed, len(after), lost)


def plan(site: Site, cases: Sequence[str]) -> str:
    """Return what a drill would do: copies, and for each case what is destroyed."""
    lines = [f"save to {site.target}, with the hash of every file:"]
    for part in site.parts():
        size = sum(path.stat().st_size for path in part.source.rglob("*") if path.is_file())
        lines.append(f"  {part.name:<9} {size / 1e6:>6.0f} MB  {part.purpose}: {part.source}")
    lines += [
        "  argocd              `argocd admin export`: Argo CD's Secrets and ConfigMaps",
        f"git holds the rest: {site.gitops.bare}",
        "not saved: Prometheus' data, events, Argo CD's sync history, objects that are not in git",
        "then verify the copy, and one case after the other: destroy, bring back, compare digests:",
        *(f"  {case:<9} {TEXT[case]}" for case in cases),
    ]
    return "\n".join(lines)


def require_sandbox(layout: Layout, environ: Mapping[str, str], *, running: bool = True) -> None:
    """Raise SandboxError unless the running sandbox of this checkout is what would be destroyed."""
    found = ""
    if environ.get("KUBE_CONTEXT"):
        found = f"KUBE_CONTEXT={environ['KUBE_CONTEXT']}"
    elif lock.owner() != layout.root or not netns.exists():
        found = f"the machine's sandbox belongs to {lock.owner() or 'nobody'}"
    elif running and process.find_running(layout, "etcd") is None:
        found = "its etcd does not run"
    if found:
        raise SandboxError(
            "the drill destroys a cluster, and only the sandbox of this checkout may be destroyed",
            found=found,
            expected=f"a running sandbox of {layout.root}",
            fix="run `make up`, then `make drill` without KUBE_CONTEXT; for other clusters follow "
            "docs/how-to/recover.md",
        )


def table(outcomes: Sequence[Outcome]) -> str:
    """Return one line for each case, then what each lost."""
    rows = [f"{'CASE':<10}{'RECOVERY':>10}  SERVES"]
    rows += [
        f"{each.case:<10}{each.recovery:>8.0f} s  {each.releases} releases, the same digests"
        for each in outcomes
    ]
    return "\n".join([*rows, *(f"lost in case {o.case}: {o.lost.describe()}" for o in outcomes)])


def restore(layout: Layout, environ: Mapping[str, str]) -> None:
    """Bring everything back from the last copy, as after a drill that failed half-way."""
    require_sandbox(layout, environ, running=False)
    site = Site(layout, open_gitops(layout), layout.home / "copies")
    with lock.exclusive():
        copies.verify(site.target)
        site.restore_registry()
        site.restore_cluster()
        site.delete_pods(*WAITING)
        serving = site.wait_serving()
    print(f"{len(serving)} releases serve the version in git")


def drill(
    layout: Layout, cases: Sequence[str], environ: Mapping[str, str], *, dry_run: bool
) -> list[Outcome]:
    """Run the cases and print recovery times; with `dry_run` print the plan alone.

    Raises SandboxError at the first case that does not come back.
    """
    require_sandbox(layout, environ)
    site = Site(layout, open_gitops(layout), layout.home / "copies")
    if dry_run:
        print(plan(site, cases))
        return []
    with lock.exclusive():
        saved = site.save()
        print(f"saved and verified {saved.size / 1e6:.0f} MB in {site.target}", flush=True)
        outcomes = [run_case(site, case) for case in cases]
        record(layout, BACKUP_RECORD)
        record(layout, DRILL_RECORD)
    print(f"\n{table(outcomes)}")
    return outcomes
