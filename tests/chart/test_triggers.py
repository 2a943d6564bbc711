"""When the forge is told: the triggers of our notifications, asked of Argo CD's own engine.

What the controller makes of them is in tests/e2e/test_notifications.py.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import rendering
from tests.paths import ROOT

SETTINGS = ROOT / "argocd/install/argocd-notifications-cm.yaml"
# The engine wants to know of a cluster, and does not need it.
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: none, context: {cluster: none, user: none, namespace: argocd}}]
users: [{name: none, user: {}}]
current-context: none
"""
DEPLOYED, FAILING, RECOVERED = "on-deployed", "on-failing", "on-recovered"


def application(
    *,
    health: str = "Healthy",
    sync: str = "Synced",
    looked: str = "2026-01-01T00:00:09Z",
    condition: str = "",
    told: bool = False,
    **operation: Any,
) -> dict[str, Any]:
    """An Application whose sync ended at 00:00:07; `told`: the forge knows that it fails."""
    noted = json.dumps({"on-failing:[0].hash:forge:": 1767225600})
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": "staging-iris",
            "namespace": "argocd",
            "annotations": {"notified.notifications.argoproj.io": noted} if told else {},
        },
        "status": {
            "health": {"status": health},
            "sync": {"status": sync},
            "reconciledAt": looked,
            "conditions": [{"type": condition, "message": "no"}] if condition else [],
            "operationState": {
                "phase": "Succeeded",
                "finishedAt": "2026-01-01T00:00:07Z",
                "syncResult": {"revision": "a" * 40},
                **operation,
            },
        },
    }


def is_triggered(folder: Path, trigger: str, content: dict[str, Any]) -> bool:
    (folder / "application.json").write_text(json.dumps(content))
    (folder / "kubeconfig").write_text(KUBECONFIG)
    argv = [
        *(rendering.tool("argocd"), "admin", "notifications", "trigger", "run", trigger),
        *(folder / "application.json", "--config-map", SETTINGS, "--secret", ":empty"),
    ]
    environ = {"KUBECONFIG": str(folder / "kubeconfig"), "HOME": str(folder)}
    done = subprocess.run(
        list(map(str, argv)), check=True, capture_output=True, text=True, env=environ
    )
    (result,) = {line.split()[-1] for line in done.stdout.splitlines()[1:] if line.strip()} & {
        "true",
        "false",
    }
    return result == "true"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(application(), {DEPLOYED}, id="well"),
        pytest.param(application(told=True), {DEPLOYED, RECOVERED}, id="well again"),
        pytest.param(application(looked="2026-01-01T00:00:06Z"), set(), id="health of before"),
        pytest.param(application(health="Progressing"), set(), id="rolling out"),
        pytest.param(application(health="Progressing", told=True), {FAILING}, id="not yet well"),
        pytest.param(application(sync="OutOfSync", told=True), {FAILING}, id="not yet synced"),
        pytest.param(application(health="Degraded"), {FAILING}, id="degraded"),
        pytest.param(application(health="Degraded", told=True), {FAILING}, id="still degraded"),
        pytest.param(application(phase="Failed"), {FAILING}, id="sync failed"),
        pytest.param(application(phase="Running", retryCount=2), {FAILING}, id="sync retried"),
        pytest.param(application(retryCount=2), {DEPLOYED}, id="sync succeeded at last"),
        pytest.param(application(phase="Running", retryCount=1), set(), id="first retry"),
        pytest.param(application(condition="ComparisonError"), {FAILING}, id="does not render"),
        pytest.param(application(condition="SharedResourceWarning"), {DEPLOYED}, id="warning"),
        pytest.param({"kind": "Application", "metadata": {"name": "new"}}, set(), id="new"),
    ],
)
def test_the_forge_is_told_of_each_failure_and_of_each_recovery(
    content: dict[str, Any], expected: set[str], tmp_path: Path
) -> None:
    triggers = (DEPLOYED, FAILING, RECOVERED)
    assert {each for each in triggers if is_triggered(tmp_path, each, content)} == expected
