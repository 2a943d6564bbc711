"""What a cluster has, and what of it is gone later: names of objects, not their content.

Must not know why anything is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import argocd, kube

if TYPE_CHECKING:
    from sandbox.layout import Layout

# They come and go with their owners, or are made anew by whatever starts.
_EPHEMERAL = (
    "bindings", "componentstatuses", "controllerrevisions", "endpoints", "endpointslices", "events",
    "leases", "nodes", "pods", "replicasets", "csinodes", "ipaddresses", "tokenreviews",
)  # fmt: skip


@dataclass(frozen=True)
class Lost:
    """What a case did not bring back: names of objects, and counts of what has no name."""

    objects: tuple[str, ...]
    syncs: int
    events: int

    def describe(self) -> str:
        """Return it in one line."""
        words = [f"{len(self.objects)} objects ({', '.join(self.objects)})"] if self.objects else []
        words += [f"{self.syncs} entries of Argo CD's sync history"] if self.syncs else []
        words += [f"{self.events} events"] if self.events else []
        return "; ".join(words) or "nothing"


@dataclass(frozen=True)
class Inventory:
    """What a cluster has: names of objects, entries of Argo CD's sync history, ids of events."""

    objects: frozenset[str]
    syncs: int
    events: frozenset[str]

    def __sub__(self, after: Inventory) -> Lost:
        """What `after` lacks."""
        objects = sorted(self.objects - after.objects)
        events = len(self.events - after.events)
        return Lost(tuple(objects), max(0, self.syncs - after.syncs), events)


def take(layout: Layout) -> Inventory:
    """Return what the cluster has, without what comes and goes. Raises SandboxError."""
    listed = kube.kubectl(layout, ["api-resources", "--verbs=list", "--output=name"]).stdout.split()
    kinds = [kind for kind in listed if kind.partition(".")[0] not in _EPHEMERAL
             and ".metrics.k8s.io" not in kind]  # fmt: skip
    columns = "custom-columns=:kind,:metadata.namespace,:metadata.name"
    words = ["get", ",".join(kinds), "--all-namespaces", f"--output={columns}", "--no-headers"]
    lines = kube.kubectl(layout, words).stdout.splitlines()
    objects = {" ".join(word for word in line.split() if word != "<none>") for line in lines}
    applications = argocd.applications(layout).values()
    syncs = sum(len(item.get("status", {}).get("history") or []) for item in applications)
    events = (kube.get(layout, "/api/v1/events") or {"items": []})["items"]
    return Inventory(frozenset(objects), syncs, frozenset(e["metadata"]["uid"] for e in events))
