"""Read from a cluster through kubectl, with the user's kubeconfig and credentials."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from modelctl import proc
from modelctl.errors import ModelctlError

TIMEOUT_SECONDS = 10
INSTANCE = "app.kubernetes.io/instance"
# Of pods beside those that serve: tests, batches.
COMPONENT = "app.kubernetes.io/component"
CONTAINER = "model"
ROLLOUT = "Rollout"
# Objects of one request: a page of Applications has about 10 MB, and must arrive in time.
PAGE_SIZE = 1000
NOT_FOUND = "(NotFound)"
FORBIDDEN = "(Forbidden)"
# A selector with more names makes the address too long for some proxies.
MAX_SELECTED = 40


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


def list_raw(path: str, **query: str) -> list[dict[str, Any]]:
    """All objects at a path of the API, page by page.

    As the API server writes them: `kubectl get --output=json` takes seconds to print thousands.
    """
    items: list[dict[str, Any]] = []
    token = ""
    while True:
        page = {"limit": str(PAGE_SIZE), **query, **({"continue": token} if token else {})}
        content = get_json("get", "--raw", f"{path}?{urlencode(page)}")
        items += content["items"]
        token = content.get("metadata", {}).get("continue", "")
        if not token:
            return items


def applications() -> dict[str, dict[str, Any]]:
    """All Argo CD Applications by name."""
    listed = list_raw("/apis/argoproj.io/v1alpha1/applications")
    return {item["metadata"]["name"]: item for item in listed}


def application(name: str) -> dict[str, Any] | None:
    """One Argo CD Application, in any namespace; None if there is none."""
    listed = get_json(
        *("get", "applications.argoproj.io", "--all-namespaces"),
        *(f"--field-selector=metadata.name={name}", "--output=json"),
    )
    items: list[dict[str, Any]] = listed["items"]
    return items[0] if items else None


def workloads(namespace: str, *names: str) -> dict[str, dict[str, Any]]:
    """The Deployments and Rollouts in a namespace, or of some releases, by the release's name.

    A variant has the name of its release and its own, as `iris-next`.

    A release that moves from one to the other has both for a while: here it is the Rollout, and the
    Application is not Synced before one is gone.
    """
    selector = f"{INSTANCE} in ({','.join(names)})" if names else INSTANCE
    found = list_raw(f"/apis/apps/v1/namespaces/{namespace}/deployments", labelSelector=selector)
    try:
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts"
        rollouts = list_raw(path, labelSelector=selector)
    except UnreachableError as error:
        if NOT_FOUND not in error.reason:
            raise
        rollouts = []  # a cluster without Argo Rollouts
    return {
        item["metadata"]["labels"][INSTANCE]: item
        for item in [*found, *({**rollout, "kind": ROLLOUT} for rollout in rollouts)]
        # Not one among a release's extra objects.
        if any(
            c["name"] == CONTAINER
            for c in item["spec"].get("template", {}).get("spec", {}).get("containers", [])
        )
    }


def analysis_runs(namespace: str) -> dict[str, dict[str, Any]]:
    """The AnalysisRuns in a namespace by name."""
    listed = list_raw(f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/analysisruns")
    return {item["metadata"]["name"]: item for item in listed}


def config(namespace: str, name: str) -> dict[str, str]:
    """The data of a ConfigMap; empty if it may not be read."""
    try:
        found = get_json("get", "--raw", f"/api/v1/namespaces/{namespace}/configmaps/{name}")
    except UnreachableError:
        return {}
    data: dict[str, str] = found.get("data") or {}
    return data


def model_info(namespace: str, model: str) -> dict[str, Any]:
    """The service's own `/model/info`, through the API server's proxy."""
    path = f"/api/v1/namespaces/{namespace}/services/{model}:http/proxy/model/info"
    info: dict[str, Any] = get_json("get", "--raw", path)
    return info


def ending_pods(namespace: str, model: str) -> list[str]:
    """The pods of a release that are told to end and still answer; none if they may not be read.

    Until the rules of all nodes have changed they get requests, and afterwards those of connections
    that stay open. On a node that is lost no pod counts as ready. Raises UnreachableError.
    """
    try:
        found = list_raw(
            f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"{INSTANCE}={model}"
        )
    except UnreachableError as error:
        if FORBIDDEN not in error.reason:
            raise
        return []
    return [
        pod["metadata"]["name"]
        for pod in found
        if "deletionTimestamp" in pod["metadata"]
        and COMPONENT not in pod["metadata"]["labels"]
        and any(
            (condition["type"], condition["status"]) == ("Ready", "True")
            for condition in pod["status"].get("conditions", [])
        )
    ]


def refusals(namespace: str, models: list[str]) -> dict[str, list[dict[str, str]]]:
    """The log lines of pods that refused their bundle, without duplicates, by release.

    Such a pod's last log line has `event: bundle_refused`; Kubernetes keeps it as the container's
    termination message.
    """
    names = f"{INSTANCE} in ({','.join(models)})" if len(models) <= MAX_SELECTED else INSTANCE
    refusals: dict[str, dict[str, dict[str, str]]] = {}
    for pod in list_raw(f"/api/v1/namespaces/{namespace}/pods", labelSelector=names):
        found = refusals.setdefault(pod["metadata"]["labels"][INSTANCE], {})
        for status in pod["status"].get("containerStatuses", []):
            for state in (status.get("state", {}), status.get("lastState", {})):
                message = state.get("terminated", {}).get("message", "")
                for line in message.splitlines():
                    refusal = _refusal(line)
                    if refusal:
                        # Not keyed by the line, which contains the time of each start.
                        found[json.dumps(refusal)] = refusal
    return {name: list(found.values()) for name, found in refusals.items()}


def _refusal(line: str) -> dict[str, str] | None:
    try:
        content = json.loads(line)
    except json.JSONDecodeError:
        return None
    if isinstance(content, dict) and content.get("event") == "bundle_refused":
        return {key: str(content.get(key, "")) for key in ("what", "expected", "found", "fix")}
    return None
