"""Read from a cluster through kubectl, with the user's own kubeconfig and credentials."""

from __future__ import annotations

import json
from typing import Any

from modelctl import proc
from modelctl.errors import ModelctlError

TIMEOUT_SECONDS = 10


class UnreachableError(ModelctlError):
    """No answer from the cluster; what git says can still be shown."""

    @property
    def reason(self) -> str:
        """The program's last words, which are the plain ones."""
        return (self.found or self.what).splitlines()[-1]


def get_json(*arguments: str) -> Any:
    """The JSON that `kubectl ARGUMENTS` prints.

    Raises UnreachableError when kubectl is missing, the cluster does not answer in 10 seconds or
    refuses.
    """
    argv = ["kubectl", f"--request-timeout={TIMEOUT_SECONDS}s", *arguments]
    try:
        answer = proc.run(argv, timeout_seconds=TIMEOUT_SECONDS + 5)
    except proc.CommandError as error:
        raise UnreachableError(error.what, found=error.found, fix=error.fix) from error
    return json.loads(answer)


def applications() -> dict[str, dict[str, Any]]:
    """Every Argo CD Application by name."""
    found = get_json("get", "applications.argoproj.io", "--all-namespaces", "--output=json")
    return {item["metadata"]["name"]: item for item in found["items"]}


def application(name: str) -> dict[str, Any] | None:
    """One Argo CD Application, in whichever namespace; None when there is none."""
    found = get_json(
        *("get", "applications.argoproj.io", "--all-namespaces"),
        *(f"--field-selector=metadata.name={name}", "--output=json"),
    )
    items: list[dict[str, Any]] = found["items"]
    return items[0] if items else None


def deployment(namespace: str, model: str) -> dict[str, Any]:
    """The Deployment of a release."""
    words = ("get", "deployment", model, f"--namespace={namespace}", "--output=json")
    found: dict[str, Any] = get_json(*words)
    return found


def rolled_out_at(deployment: dict[str, Any]) -> str:
    """When the pods of the present version were all available for the first time, in ISO 8601;
    empty while they are not.

    The Deployment's own record: scaling and lost pods do not move it, a new version does.
    """
    for condition in deployment.get("status", {}).get("conditions", []):
        if condition["type"] == "Progressing" and condition["reason"] == "NewReplicaSetAvailable":
            return str(condition["lastUpdateTime"])
    return ""


def is_rolled_out(deployment: dict[str, Any]) -> bool:
    """Whether all pods that there are have the present version and are ready."""
    status = deployment.get("status", {})
    seen = status.get("observedGeneration") == deployment.get("metadata", {}).get("generation")
    counts = {status.get(k, 0) for k in ("replicas", "updatedReplicas", "readyReplicas")}
    return seen and len(counts) == 1


def model_info(namespace: str, model: str) -> dict[str, Any]:
    """What the service itself says it serves: its `/model/info`, through the API server."""
    path = f"/api/v1/namespaces/{namespace}/services/{model}:http/proxy/model/info"
    info: dict[str, Any] = get_json("get", "--raw", path)
    return info


def refusals(namespace: str, model: str) -> list[dict[str, str]]:
    """The refusal lines of the model's pods that did not start, without duplicates.

    A refusing pod ends with one JSON line with `event: bundle_refused`, which Kubernetes keeps as
    the container's termination message.
    """
    pods = get_json(
        *("get", "pods", f"--namespace={namespace}", "--output=json"),
        f"--selector=app.kubernetes.io/instance={model}",
    )
    found: dict[str, dict[str, str]] = {}
    for pod in pods["items"]:
        for status in pod["status"].get("containerStatuses", []):
            for state in (status.get("state", {}), status.get("lastState", {})):
                message = state.get("terminated", {}).get("message", "")
                for line in message.splitlines():
                    refusal = _refusal(line)
                    if refusal:
                        # Not by the line: each start writes its own time into it.
                        found[json.dumps(refusal)] = refusal
    return list(found.values())


def _refusal(line: str) -> dict[str, str] | None:
    try:
        content = json.loads(line)
    except json.JSONDecodeError:
        return None
    if isinstance(content, dict) and content.get("event") == "bundle_refused":
        return {key: str(content.get(key, "")) for key in ("what", "expected", "found", "fix")}
    return None
