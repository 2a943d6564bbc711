"""`make delivery`: the Argo Rollouts controller for a running sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from sandbox import additions, kube, process
from sandbox.components import rollouts
from sandbox.wait import wait_until

if TYPE_CHECKING:
    from sandbox.additions import Object
    from sandbox.layout import Layout

ROLLOUTS = "/apis/argoproj.io/v1alpha1/rollouts"


def deliver(layout: Layout) -> str:
    """Start the controller or bring it up to date; return what to do next.

    Raises SandboxError when no sandbox runs, or its tools are not built.
    """
    additions.require_running(layout, "add the controllers to")
    folder = layout.root / ".tools" / "share" / "crds-argo-rollouts" / "crds"
    definitions = sorted(folder.glob("*.yaml"))
    needed = [layout.bin / rollouts.NAME, *(definitions or [folder / "*.yaml"])]
    additions.require_built("Argo Rollouts", needed, group="delivery", target="delivery")
    for file in definitions:
        kube.apply_file(layout, file)
    # Without its kinds the controller ends at once.
    wait_until("Rollouts are served", lambda: additions.served(layout, ROLLOUTS), 30)
    kube.apply(layout, rights(layout))
    process.ensure(layout, rollouts.controller(layout))
    plugin = layout.tool("kubectl-argo-rollouts")
    return (
        "Set rollout.strategy of a release to canary or blueGreen, then follow a new version:\n"
        f"  KUBECONFIG={layout.kubeconfig} {plugin} get rollout MODEL -n NAMESPACE --watch"
    )


def rights(layout: Layout) -> list[Object]:
    """Return the ClusterRole of the controller's own manifests, bound to its user here."""
    file = layout.root / ".tools/share/argo-rollouts/manifests/role/argo-rollouts-clusterrole.yaml"
    return additions.bound(yaml.safe_load(file.read_text(encoding="utf-8")), rollouts.USER)
