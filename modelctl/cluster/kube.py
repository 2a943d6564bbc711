"""Read from a cluster through kubectl, with the user's kubeconfig and credentials."""

from __future__ import annotations

import json
from typing import Any

from modelctl import proc
from modelctl.errors import ModelctlError

TIMEOUT_SECONDS = 10


class UnreachableError(ModelctlError):
    """The cluster is not reachable; the state in git can still be shown."""

    @property
    def reason(self) -> str:
        """The last line of the error, which is the readable one."""
        return (self.found or self.what).splitlines()[-1]


def get_json(*arguments: str) -> Any:
    """The JSON that `kubectl ARGUMENTS` prints.

    Raises UnreachableError if kubectl is missing, or the cluster times out or refuses.
    """
    argv = ["kubectl", f"--request-timeout={TIMEOUT_SECONDS}s", *arguments]
    try:
        output = proc.run(argv, timeout_seconds=TIMEOUT_SECONDS + 5)
    except proc.CommandError as error:
        raise UnreachableError(error.what, found=error.found, fix=error.fix) from error
    return json.loads(output)


def applications() -> dict[str, dict[str, Any]]:
    """All Argo CD Applications by name."""
    listed = get_json("get", "applications.argoproj.io", "--all-namespaces", "--output=json")
    return {item["metadata"]["name"]: item for item in listed["items"]}


def application(name: str) -> dict[str, Any] | None:
    """One Argo CD Application, in any namespace; None if there is none."""
    listed = get_json(
        *("get", "applications.argoproj.io", "--all-namespaces"),
        *(f"--field-selector=metadata.name={name}", "--output=json"),
    )
    items: list[dict[str, Any]] = listed["items"]
    return items[0] if items else None


def deployment(namespace: str, model: str) -> dict[str, Any]:
    """The Deployment of a release."""
    arguments = ("get", "deployment", model, f"--namespace={namespace}", "--output=json")
    content: dict[str, Any] = get_json(*arguments)
    return content


def rolled_out_at(deployment: dict[str, Any]) -> str:
    """When the current version's rollout completed, in ISO 8601; empty while it is in progress.

    From the Deployment's conditions: scaling and lost pods do not change it, a new version does.
    """
    for condition in deployment.get("status", {}).get("conditions", []):
        if condition["type"] == "Progressing" and condition["reason"] == "NewReplicaSetAvailable":
            return str(condition["lastUpdateTime"])
    return ""


def is_rolled_out(deployment: dict[str, Any]) -> bool:
    """Whether all existing pods have the current version and are ready."""
    status = deployment.get("status", {})
    generation = deployment.get("metadata", {}).get("generation")
    counts = {status.get(k, 0) for k in ("replicas", "updatedReplicas", "readyReplicas")}
    return status.get("observedGeneration") == generation and len(counts) == 1


def model_info(namespace: str, model: str) -> dict[str, Any]:
    """The service's own `/model/info`, through the API server's proxy."""
    path = f"/api/v1/namespaces/{namespace}/services/{model}:http/proxy/model/info"
    info: dict[str, Any] = get_json("get", "--raw", path)
    return info


def refusals(namespace: str, model: str) -> list[dict[str, str]]:
    """The log lines of pods that refused their bundle, without duplicates.

    Such a pod's last log line has `event: bundle_refused`; Kubernetes keeps it as the container's
    termination message.
    """
    pods = get_json(
        *("get", "pods", f"--namespace={namespace}", "--output=json"),
        f"--selector=app.kubernetes.io/instance={model}",
    )
    refusals: dict[str, dict[str, str]] = {}
    for pod in pods["items"]:
        for status in pod["status"].get("containerStatuses", []):
            for state in (status.get("state", {}), status.get("lastState", {})):
                message = state.get("terminated", {}).get("message", "")
                for line in message.splitlines():
                    refusal = _refusal(line)
                    if refusal:
                        # Not keyed by the line, which contains the time of each start.
                        refusals[json.dumps(refusal)] = refusal
    return list(refusals.values())


def _refusal(line: str) -> dict[str, str] | None:
    try:
        content = json.loads(line)
    except json.JSONDecodeError:
        return None
    if isinstance(content, dict) and content.get("event") == "bundle_refused":
        return {key: str(content.get(key, "")) for key in ("what", "expected", "found", "fix")}
    return None
