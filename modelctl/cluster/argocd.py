"""What Argo CD last said about an Application, about which commit, and how long ago.

Argo CD's word stays in the Application's status when its controller is gone: the time of its last
comparison is part of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from modelctl.cluster import kube

# Argo CD's defaults of timeout.reconciliation and timeout.reconciliation.jitter.
POLL = timedelta(seconds=120)
JITTER = timedelta(seconds=60)
# Argo CD may be busy: below this age its word is current, however often it polls.
SHORTEST_AGE = timedelta(seconds=60)
MAX_CHARACTERS = 300
IN_CLUSTER, IN_CLUSTER_URL = "in-cluster", "https://kubernetes.default.svc"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True)
class Report:
    """The status of an Application.

    `revision` is the commit of the repository that it was last compared with, `chart` the chart
    version then, `wanted_chart` the one it has to have now (both empty for a chart from the
    repository), `follows` the branch, tag or commit to follow of the repository `url`. `since` is
    when its health last changed; None as `looked_at`: Argo CD has never compared it. `is_local`
    says that it deploys into the cluster of Argo CD itself.
    """

    name: str
    namespace: str
    sync: str
    health: str
    since: str
    looked_at: datetime | None
    revision: str
    chart: str
    wanted_chart: str
    follows: str
    url: str
    images: tuple[str, ...]
    is_local: bool
    problems: tuple[str, ...]

    def age(self, now: datetime) -> timedelta | None:
        """How long ago Argo CD compared it; None if never."""
        return max(now - self.looked_at, timedelta()) if self.looked_at else None


def read(application: dict[str, Any]) -> Report:
    """The report in an Application object."""
    metadata, spec = application["metadata"], application.get("spec", {})
    status = application.get("status") or {}
    sync, health = status.get("sync") or {}, status.get("health") or {}
    looked_at = status.get("reconciledAt")
    sources = spec.get("sources") or [spec.get("source") or {}]
    revisions = sync.get("revisions") or [sync.get("revision", "")]
    compared = sync.get("comparedTo") or {}
    compared_sources = compared.get("sources") or [compared.get("source") or {}]
    git = next((i for i, source in enumerate(sources) if not source.get("chart")), 0)
    chart = next((i for i, source in enumerate(sources) if source.get("chart")), None)
    return Report(
        name=metadata["name"],
        namespace=metadata.get("namespace", ""),
        sync=sync.get("status", "Unknown"),
        health=health.get("status", "Unknown"),
        since=health.get("lastTransitionTime", ""),
        looked_at=datetime.fromisoformat(looked_at).astimezone(UTC) if looked_at else None,
        revision=_at(revisions, git) or "",
        chart=""
        if chart is None
        else (_at(compared_sources, chart) or {}).get("targetRevision", ""),
        wanted_chart="" if chart is None else sources[chart].get("targetRevision", ""),
        follows=sources[git].get("targetRevision", ""),
        url=sources[git].get("repoURL", ""),
        images=tuple((status.get("summary") or {}).get("images") or ()),
        is_local=_is_local(spec.get("destination") or {}),
        problems=tuple(_problems(metadata, spec, status)),
    )


def max_age(settings: dict[str, str]) -> timedelta | None:
    """The age from which Argo CD's word is out of date; None if it does not poll.

    `settings` is the data of argocd-cm. Twice its polling interval, because it may be busy.
    """
    poll = _duration(settings.get("timeout.reconciliation", ""), POLL)
    jitter = _duration(settings.get("timeout.reconciliation.jitter", ""), JITTER)
    return max(2 * (poll + jitter), SHORTEST_AGE) if poll else None


def read_max_age(namespace: str) -> timedelta | None:
    """As `max_age`, with the settings of the cluster; Argo CD's defaults if they are hidden."""
    return max_age(kube.config(namespace, "argocd-cm"))


def _is_local(destination: dict[str, Any]) -> bool:
    return destination.get("name") == IN_CLUSTER or destination.get("server") == IN_CLUSTER_URL


def _problems(metadata: dict[str, Any], spec: dict[str, Any], status: dict[str, Any]) -> list[str]:
    problems = ["its Application is being deleted"] if metadata.get("deletionTimestamp") else []
    problems += [
        _cut(condition.get("message", ""))
        for condition in status.get("conditions") or []
        if condition.get("type", "").endswith("Error")
    ]
    operation = status.get("operationState") or {}
    is_synced = (status.get("sync") or {}).get("status") == "Synced"
    phase, retries = operation.get("phase", ""), operation.get("retryCount", 0)
    if not is_synced and (phase in ("Failed", "Error") or (phase == "Running" and retries)):
        problems.append(f"sync {phase.lower()}: {_cut(operation.get('message', ''))}")
    automated = (spec.get("syncPolicy") or {}).get("automated")
    if spec and (automated is None or automated.get("enabled") is False):
        problems.append("auto-sync is off")
    return problems


def _duration(text: str, default: timedelta) -> timedelta:
    """A duration as Go writes it (`2m30s`); a number alone means seconds."""
    if not text:
        return default
    parts = _DURATION.findall(text if text[-1:].isalpha() else f"{text}s")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_CHARACTERS else f"{line[: MAX_CHARACTERS - 3]}..."


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else None
