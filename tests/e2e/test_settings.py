"""The settings of argocd/install, judged by Argo CD's own command."""

from __future__ import annotations

import os
import subprocess

import pytest
import yaml

from tests import rendering
from tests.paths import ROOT
from tests.runner.scenarios import ARGOCD

from .loop import Loop

INSTALL = rendering.ARGOCD_CHART / "install"
POLICY = INSTALL / "argocd-rbac-cm.yaml"
UPSTREAM = ROOT / ".tools/share/argocd/manifests/base/config/argocd-cm.yaml"


def admin(loop: Loop, *words: str) -> tuple[int, str]:
    """What `argocd admin WORDS` answers: exit code and both outputs."""
    done = subprocess.run(
        [loop.layout.tool("argocd"), "admin", *words],
        env={**os.environ, "KUBECONFIG": str(loop.layout.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_argo_cd_accepts_the_settings(loop: Loop) -> None:
    path = str(INSTALL / "argocd-cm.yaml")
    code, output = admin(loop, "settings", "validate", "--argocd-cm-path", path)
    assert code == 0, output
    assert "resource-overrides" in output
    assert "❌" not in output


def test_argo_cd_accepts_the_roles(loop: Loop) -> None:
    code, output = admin(loop, "settings", "rbac", "validate", "--policy-file", str(POLICY))
    assert (code, "Policy is valid." in output) == (0, True), output


@pytest.mark.parametrize(
    ("role", "action", "resource", "thing", "allowed"),
    [
        ("ml-viewer", "get", "applications", "dev-models/dev-iris", "Yes"),
        ("ml-viewer", "get", "logs", "dev-models/dev-iris", "Yes"),
        ("ml-viewer", "sync", "applications", "dev-models/dev-iris", "No"),
        ("ml-operator", "sync", "applications", "production-models/production-iris", "Yes"),
        ("ml-operator", "get", "applications", "dev-models/dev-iris", "Yes"),
        ("ml-operator", "delete", "applications", "dev-models/dev-iris", "No"),
        ("ml-operator", "override", "applications", "dev-models/dev-iris", "No"),
        ("ml-operator", "update", "applications", "dev-models/dev-iris", "No"),
        ("ml-operator", "update", "projects", "dev-models", "No"),
        ("ml-operator", "create", "repositories", "anything", "No"),
        ("ml-admin", "delete", "applications", "dev-models/dev-iris", "Yes"),
        ("ml-admin", "create", "exec", "dev-models/dev-iris", "No"),
        ("nobody", "get", "applications", "dev-models/dev-iris", "No"),
    ],
)
def test_roles_allow_what_they_say(
    loop: Loop, role: str, action: str, resource: str, thing: str, allowed: str
) -> None:
    words = ("can", f"role:{role}", action, resource, thing, "--policy-file", str(POLICY))
    _, output = admin(loop, "settings", "rbac", *words)
    assert output.split()[-1] == allowed, output


def test_exclusions_hold_all_of_argo_cds_own() -> None:
    ours, theirs = (
        {
            (group, kind)
            for entry in yaml.safe_load(
                yaml.safe_load(path.read_text())["data"]["resource.exclusions"]
            )
            for group in entry["apiGroups"]
            for kind in entry["kinds"]
        }
        for path in (INSTALL / "argocd-cm.yaml", UPSTREAM)
    )
    assert theirs < ours


@pytest.mark.group(ARGOCD)
def test_the_running_argo_cd_has_them(loop: Loop) -> None:
    for path in INSTALL.glob("*.yaml"):
        wanted = yaml.safe_load(path.read_text())
        found = loop.get("configmap", wanted["metadata"]["name"], "--namespace=argocd")["data"]
        assert wanted["data"].items() <= found.items(), path.name
