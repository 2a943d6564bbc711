"""What a release's Deployment or Rollout says: its version, and whether all of its pods serve it.

A pod refuses to start unless its bundle has the digest in its environment, and is ready only once
it serves it: a ready pod of the current template is the proof of the digest, without a request to
each service, which takes a permission (`services/proxy`) that readers lack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelctl.cluster import transition
from modelctl.cluster.kube import CONTAINER, ROLLOUT

if TYPE_CHECKING:
    from modelctl.cluster.transition import Transition

DIGEST_VARIABLE = "MODEL_DIGEST"
VERSION_LABEL = "app.kubernetes.io/version"
TRACKING = "argocd.argoproj.io/tracking-id"


@dataclass(frozen=True)
class Workload:
    """The pods of a release.

    `wanted`, `existing`, `updated` and `ready` count pods; terminating ones are in none of them.
    `rolled_out_at` is when the rollout of the current template completed (ISO 8601); scaling and
    lost pods do not change it. Empty while it is in progress. A Rollout has its `transition`.
    """

    images: tuple[str, ...]
    digest: str
    version: str
    wanted: int
    existing: int
    updated: int
    ready: int
    is_observed: bool
    rolled_out_at: str = ""
    transition: Transition | None = None

    @property
    def is_rolled_out(self) -> bool:
        """Whether all pods that get requests have the current template and are ready."""
        has_pods = bool(self.existing) == bool(self.wanted)
        if not self.is_observed or not has_pods:
            return False
        if self.transition is None:
            return self.existing == self.updated == self.ready
        # After a blue-green switch the old pods stay for a while, without requests.
        old = 0 if self.transition.strategy == transition.BLUE_GREEN else self.existing
        return self.transition.is_promoted and max(old, self.updated) == self.wanted <= self.ready

    @property
    def served_digest(self) -> str:
        """The digest of the bundle that all pods serve; empty while they do not agree."""
        return self.digest if self.is_rolled_out and self.ready else ""

    @property
    def shortfall(self) -> str:
        """What the pods lack; empty if all of them serve the current template."""
        if self.is_rolled_out:
            return ""
        if not self.is_observed:
            return "the rollout has not begun"
        if not self.existing:
            return f"no pods, {self.wanted} wanted"
        if self.transition and not self.transition.is_promoted:
            return str(self.transition)
        old = self.existing - self.updated
        parts = [f"{self.ready} of {self.existing} pods ready"]
        parts += [f"{old} with an earlier template"] if old else []
        return ", ".join(parts)


def read(found: dict[str, Any], application: str) -> Workload | None:
    """The workload of an Application's Deployment or Rollout; None if it is another's.

    Environments in different clusters may have namespaces of the same name.
    """
    metadata, spec = found["metadata"], found["spec"]
    owner = metadata.get("annotations", {}).get(TRACKING, "").partition(":")[0]
    if owner and owner != application and not owner.endswith(f"_{application}"):
        return None
    status, template = found.get("status", {}), spec["template"]
    is_rollout = found.get("kind") == ROLLOUT
    model = next(c for c in template["spec"]["containers"] if c["name"] == CONTAINER)
    environment = {entry["name"]: entry.get("value", "") for entry in model.get("env", [])}
    return Workload(
        images=(model.get("image", ""),),
        digest=environment.get(DIGEST_VARIABLE, ""),
        version=template.get("metadata", {}).get("labels", {}).get(VERSION_LABEL, ""),
        wanted=spec.get("replicas", 1),
        existing=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        is_observed=(
            transition.is_observed(found)
            if is_rollout
            else status.get("observedGeneration") == metadata.get("generation")
        ),
        rolled_out_at=transition.completed_at(found) if is_rollout else _rolled_out_at(status),
        transition=transition.read(found) if is_rollout else None,
    )


def _rolled_out_at(status: dict[str, Any]) -> str:
    for condition in status.get("conditions", []):
        if condition["type"] == "Progressing" and condition["reason"] == "NewReplicaSetAvailable":
            return str(condition["lastUpdateTime"])
    return ""
