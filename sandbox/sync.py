"""Judge an Argo CD Application: does it run what git says, and if not, why not yet.

Pure: takes the object as the API returns it. Must not wait or ask anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Messages of Argo CD and Helm can fill pages; the cause stands at their end.
MAX_REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Expected:
    """An Application that has to be there; a release's is of `model`."""

    name: str
    namespace: str = ""
    model: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether the Application is Synced and Healthy as expected, and its state in words.

    `degraded` says that Argo CD gave it up at the very commit that is expected.
    """

    name: str
    done: bool
    state: str
    degraded: bool = False


def judge(expected: Expected, application: dict[str, Any] | None, revision: str) -> Verdict:
    """Compare one Application with what is expected of it at the commit `revision`."""
    if application is None:
        return Verdict(expected.name, False, "not created yet")
    status = application.get("status", {})
    sync = status.get("sync", {}).get("status", "Unknown")
    health = status.get("health", {}).get("status", "Unknown")
    seen = revision_of(status.get("sync", {}))
    words = f"{sync}, {health}"
    for reason in problems(application):
        return Verdict(expected.name, False, f"{words}: {reason}")
    if seen != revision:
        return Verdict(expected.name, False, f"{words}: at {seen[:9] or 'no commit'}")
    if sync != "Synced" or health != "Healthy":
        message = status.get("health", {}).get("message") or unhealthy(application)
        state = f"{words}: {cut(message)}" if message else words
        return Verdict(expected.name, False, state, degraded=health == "Degraded")
    return Verdict(expected.name, True, words)


def revision_of(sync: dict[str, Any]) -> str:
    """Return the commit of a sync status: the only revision, or that beside the chart's version."""
    return str(next(reversed(sync.get("revisions") or [sync.get("revision", "")])))


def problems(application: dict[str, Any]) -> list[str]:
    """Return what keeps an Application from being compared or synced at all."""
    status = application.get("status", {})
    found = [
        f"{condition['type']}: {cut(condition.get('message', ''))}"
        for condition in status.get("conditions", [])
        if condition["type"].endswith("Error")
    ]
    operation = status.get("operationState", {})
    if operation.get("phase") in ("Failed", "Error"):
        found.append(f"sync failed: {cut(operation.get('message', ''))}")
    return found


def unhealthy(application: dict[str, Any]) -> str:
    """Return the objects of an Application that are not as they should be, in one line."""
    words = []
    for resource in application.get("status", {}).get("resources", []):
        health = resource.get("health", {})
        name = f"{resource['kind']}/{resource['name']}"
        if health.get("status", "Healthy") != "Healthy":
            message = f" ({health['message']})" if health.get("message") else ""
            words.append(f"{name} {health['status']}{message}")
        elif resource.get("status") == "OutOfSync":
            words.append(f"{name} OutOfSync")
    return "; ".join(words)


def cut(text: str) -> str:
    """Return `text` in one line, its end when it is too long."""
    line = " ".join(text.split())
    if len(line) <= MAX_REASON_CHARACTERS:
        return line
    return f"...{line[-MAX_REASON_CHARACTERS:]}"
