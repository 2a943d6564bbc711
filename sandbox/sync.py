"""Compare an Argo CD Application with git: is it synced and healthy, and if not, why.

Pure: takes the object as the API returns it. Must not wait or send requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Messages of Argo CD and Helm can fill pages; the cause is at their end.
MAX_REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Expected:
    """An Application that has to exist; `model` is set for that of a release."""

    name: str
    namespace: str = ""
    model: str = ""


@dataclass(frozen=True)
class ApplicationState:
    """Whether an Application is Synced and Healthy at the expected commit, and a summary.

    `is_degraded` is set only when Argo CD reports Degraded at that very commit.
    """

    name: str
    is_ready: bool
    summary: str
    is_degraded: bool = False


def application_state(
    expected: Expected, application: dict[str, Any] | None, revision: str
) -> ApplicationState:
    """Return the state of one Application, compared with the commit `revision`."""
    if application is None:
        return ApplicationState(expected.name, False, "not created yet")
    status = application.get("status", {})
    sync = status.get("sync", {}).get("status", "Unknown")
    health = status.get("health", {}).get("status", "Unknown")
    synced_revision = revision_of(status.get("sync", {}))
    summary = f"{sync}, {health}"
    if errors := sync_errors(application):
        return ApplicationState(expected.name, False, f"{summary}: {errors[0]}")
    if synced_revision != revision:
        at = synced_revision[:9] or "no commit"
        return ApplicationState(expected.name, False, f"{summary}: at {at}")
    if sync != "Synced" or health != "Healthy":
        message = status.get("health", {}).get("message") or unhealthy_resources(application)
        summary = f"{summary}: {shorten(message)}" if message else summary
        return ApplicationState(expected.name, False, summary, is_degraded=health == "Degraded")
    return ApplicationState(expected.name, True, summary)


def revision_of(sync: dict[str, Any]) -> str:
    """Return the commit of a sync status: the only revision, or the one before the chart's."""
    return str(next(iter(sync.get("revisions") or [sync.get("revision", "")])))


def sync_errors(application: dict[str, Any]) -> list[str]:
    """Return the errors that keep an Application from being compared or synced at all."""
    status = application.get("status", {})
    errors = [
        f"{condition['type']}: {shorten(condition.get('message', ''))}"
        for condition in status.get("conditions", [])
        if condition["type"].endswith("Error")
    ]
    operation = status.get("operationState", {})
    if operation.get("phase") in ("Failed", "Error"):
        errors.append(f"sync failed: {shorten(operation.get('message', ''))}")
    return errors


def unhealthy_resources(application: dict[str, Any]) -> str:
    """Return the resources of an Application that are unhealthy or out of sync, in one line."""
    resources = []
    for resource in application.get("status", {}).get("resources", []):
        health = resource.get("health", {})
        name = f"{resource['kind']}/{resource['name']}"
        if health.get("status", "Healthy") != "Healthy":
            message = f" ({health['message']})" if health.get("message") else ""
            resources.append(f"{name} {health['status']}{message}")
        elif resource.get("status") == "OutOfSync":
            resources.append(f"{name} OutOfSync")
    return "; ".join(resources)


def shorten(text: str) -> str:
    """Return `text` in one line; only its end when it is too long."""
    line = " ".join(text.split())
    if len(line) <= MAX_REASON_CHARACTERS:
        return line
    return f"...{line[-MAX_REASON_CHARACTERS:]}"
