"""`make delivery`: the Argo Rollouts controller for a running sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from sandbox import kube, process
from sandbox.components import rollouts
from sandbox.errors import SandboxError
from sandbox.wait import Answer, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.layout import Layout

Object = dict[str, Any]


def deliver(layout: Layout) -> str:
    """Start the controller or bring it up to date; return what to do next.

    Raises SandboxError when no sandbox runs, or its tools are not built.
    """
    if process.find_running(layout, "kube-apiserver") is None:
        raise SandboxError(
            "no sandbox to add the controllers to",
            found="kube-apiserver not running",
            expected="a running sandbox",
            fix="run `make up`",
        )
    files = definitions(layout)
    if not files or not (layout.bin / rollouts.NAME).exists():
        raise SandboxError(
            "Argo Rollouts is not built",
            found=f"no {layout.bin / rollouts.NAME}",
            expected="the pinned version, and its definitions",
            fix="run `python3 -m tools build delivery` (`make delivery` does it)",
        )
    for file in files:
        kube.apply_file(layout, file)
    wait_until("Rollouts are served", lambda: served(layout), 30)
    kube.apply(layout, rights(layout))
    process.ensure(layout, rollouts.controller(layout))
    plugin = layout.tool("kubectl-argo-rollouts")
    return (
        "Set rollout.strategy of a release to canary or blueGreen, then follow a new version:\n"
        f"  KUBECONFIG={layout.kubeconfig} {plugin} get rollout MODEL -n NAMESPACE --watch"
    )


def definitions(layout: Layout) -> list[Path]:
    """Return the files of the custom resource definitions."""
    folder = layout.root / ".tools" / "share" / "crds-argo-rollouts" / "crds"
    return sorted(folder.glob("*.yaml"))


def served(layout: Layout) -> Answer:
    """Return whether the API server serves Rollouts; without, the controller ends at once."""
    try:
        found = kube.get(layout, "/apis/argoproj.io/v1alpha1/rollouts")
    except SandboxError as error:  # 429 until the storage of a new kind is there
        return Answer(False, error.found)
    return Answer(found is not None, "no resource rollouts" if found is None else "served")


def rights(layout: Layout) -> list[Object]:
    """Return the ClusterRole of the controller's own manifests, bound to its user here."""
    file = layout.root / ".tools/share/argo-rollouts/manifests/role/argo-rollouts-clusterrole.yaml"
    role: Object = yaml.safe_load(file.read_text(encoding="utf-8"))
    name = role["metadata"]["name"]
    return [
        role,
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": name,
            },
            "subjects": [
                {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "User",
                    "name": rollouts.USER,
                }
            ],
        },
    ]
