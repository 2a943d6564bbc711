"""What a namespace reports about pods that do not become ready, for the error of a failed wait.

Must not raise: it runs while another error is being reported.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox import kube
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from sandbox.layout import Layout

MAX_EVENTS = 8


def describe(layout: Layout, namespace: str, model: str = "") -> str:
    """Return refusals, waiting containers and warnings of a namespace (or of one model in it)."""
    try:
        pods = kube.get(layout, f"/api/v1/namespaces/{namespace}/pods") or {}
        events = kube.get(layout, f"/api/v1/namespaces/{namespace}/events") or {}
    except SandboxError as error:
        return f"{namespace}: {error.found}"
    lines = pod_lines(pods.get("items", []), model) + event_lines(events.get("items", []), model)
    return "\n".join(f"{namespace}: {line}" for line in lines)


def pod_lines(pods: list[dict[str, Any]], model: str = "") -> list[str]:
    """Return a line for each thing that keeps a pod (of `model`, if given) from being ready."""
    lines = []
    for pod in pods:
        name = pod["metadata"]["name"]
        instance = pod["metadata"].get("labels", {}).get("app.kubernetes.io/instance", "")
        if model and instance != model:
            continue
        lines += [
            f"{name} not scheduled: {condition.get('message', '')}"
            for condition in pod["status"].get("conditions", [])
            if condition["type"] == "PodScheduled" and condition["status"] == "False"
        ]
        for status in pod["status"].get("containerStatuses", []):
            lines += [f"{name} {line}" for line in container_lines(status)]
    return lines


def container_lines(status: dict[str, Any]) -> list[str]:
    """Return why a container is not ready: what it waits for, and how it terminated."""
    if status.get("ready"):
        return []
    lines = []
    waiting = status.get("state", {}).get("waiting", {})
    if waiting:
        lines.append(f"waiting: {waiting.get('reason')} {waiting.get('message', '')}".rstrip())
    for when in ("state", "lastState"):
        ended = status.get(when, {}).get("terminated")
        if ended:
            message = termination_reason(ended.get("message", ""))
            reason = f"exited with code {ended.get('exitCode')} ({ended.get('reason')})"
            lines.append(f"{reason}: {message}" if message else reason)
    return lines


def termination_reason(message: str) -> str:
    """Return the refusal that a model's pod exited with, else the last line it wrote."""
    lines = [line for line in message.splitlines() if line.strip()]
    for line in reversed(lines):
        try:
            refusal = json.loads(line)
        except ValueError:
            continue
        if isinstance(refusal, dict) and refusal.get("event") == "bundle_refused":
            parts = {name: refusal.get(name, "") for name in ("what", "expected", "found", "fix")}
            return "refused: {what}; expected {expected}; found {found}; {fix}".format(**parts)
    return lines[-1].strip() if lines else ""


def event_lines(events: list[dict[str, Any]], model: str = "") -> list[str]:
    """Return the latest warnings (about `model`, if given), oldest first, each once."""
    warnings = [
        event
        for event in events
        if event.get("type") == "Warning" and event["involvedObject"]["name"].startswith(model)
    ]
    warnings.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    lines: dict[str, None] = {}
    for event in warnings:
        subject = f"{event['involvedObject']['kind']}/{event['involvedObject']['name']}"
        lines.setdefault(f"{event.get('reason')} {subject}: {event.get('message', '')}"[:300])
    return list(lines)[-MAX_EVENTS:]
