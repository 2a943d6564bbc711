"""How far a Rollout has got with a new version: its step, the share of requests, and its end.

Pure: the object is given. The fields are those that the Argo Rollouts controller writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY, BLUE_GREEN = "canary", "blue-green"
HEALTHY = "Healthy"
MAX_MESSAGE = 200


@dataclass(frozen=True)
class Transition:
    """One Rollout.

    `step` counts the steps that are done, of `steps`; `weight` is the share of requests of the new
    version in percent, None where only the number of pods splits them. `aborted_at` (ISO 8601) is
    empty unless the new version was given up. `verdict` is the state of the analysis that decides
    the step, or else of the one that watches all steps, and why; `runs` names both. `revision` and
    `stable` are the pod-template hashes of the version in the Rollout and of the one that serves.
    """

    strategy: str
    phase: str
    step: int = 0
    steps: int = 0
    weight: int | None = None
    aborted_at: str = ""
    message: str = ""
    revision: str = ""
    stable: str = ""
    verdict: str = ""
    runs: tuple[str, ...] = ()

    @property
    def is_promoted(self) -> bool:
        """Whether the version in the Rollout has replaced the one before."""
        return self.phase == HEALTHY and self.revision == self.stable

    def __str__(self) -> str:
        """What is left until it is promoted; empty then."""
        if self.is_promoted:
            return ""
        if self.aborted_at:
            return f"{self.strategy} aborted at {self.aborted_at}: {self.message}"
        parts = [f"{self.strategy} {self.phase or 'not begun'}"]
        if self.steps:
            parts.append(f"step {self.step} of {self.steps}")
        if self.weight is not None:
            parts.append(f"{self.weight} % of requests")
        if self.verdict:
            parts.append(f"verdict {self.verdict}")
        # A pause has its reason as message, an unhealthy one what is missing.
        return ", ".join(parts) + (f" ({self.message})" if self.message else "")


def read(rollout: dict[str, Any]) -> Transition:
    """The transition of a Rollout."""
    strategy, status = rollout["spec"]["strategy"], rollout.get("status", {})
    canary = strategy.get("canary")
    weights = status.get("canary", {}).get("weights") or {}
    steps = len((canary or {}).get("steps") or [])
    return Transition(
        strategy=BLUE_GREEN if canary is None else CANARY,
        phase=status.get("phase", ""),
        step=min(status.get("currentStepIndex", 0), steps),
        steps=steps,
        weight=weights.get("canary", {}).get("weight"),
        aborted_at=status.get("abortedAt", "") if status.get("abort") else "",
        message=" ".join(status.get("message", "").split())[:MAX_MESSAGE],
        revision=status.get("currentPodHash", ""),
        stable=status.get("stableRS", ""),
        verdict=_verdict(status),
        runs=tuple(run["name"] for run in _analyses(status)),
    )


# In a Rollout's status, those that decide before the one that only watches.
ANALYSES = (
    ("canary", "currentStepAnalysisRunStatus"),
    ("canary", "currentBackgroundAnalysisRunStatus"),
    ("blueGreen", "prePromotionAnalysisRunStatus"),
    ("blueGreen", "postPromotionAnalysisRunStatus"),
)


def _analyses(status: dict[str, Any]) -> Iterator[dict[str, Any]]:
    found = (status.get(part, {}).get(name) for part, name in ANALYSES)
    yield from filter(None, found)


def _verdict(status: dict[str, Any]) -> str:
    """The state of the current analysis and its message; empty without one."""
    run = next(_analyses(status), None)
    if run is None:
        return ""
    message = " ".join(run.get("message", "").split())[:MAX_MESSAGE]
    return f"{run.get('status', '')}: {message}" if message else str(run.get("status", ""))


def is_observed(rollout: dict[str, Any]) -> bool:
    """Whether the controller has seen the newest spec; it writes the generation as text."""
    observed = rollout.get("status", {}).get("observedGeneration", "")
    return str(observed) == str(rollout["metadata"].get("generation", ""))


def completed_at(rollout: dict[str, Any]) -> str:
    """When the version in the Rollout replaced the one before (ISO 8601); empty if it has not."""
    for condition in rollout.get("status", {}).get("conditions", []):
        if condition["type"] == "Completed" and condition["status"] == "True":
            return str(condition["lastUpdateTime"])
    return ""
