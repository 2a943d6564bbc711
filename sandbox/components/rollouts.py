"""The Argo Rollouts controller, which `make delivery` starts: it walks canaries and switches.

A process on the node with no more rights than its own manifests give it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox import kubeconfig
from sandbox.component import Component
from sandbox.layout import ROLLOUTS_HEALTH_PORT, ROLLOUTS_METRICS_PORT
from sandbox.probes import Http

if TYPE_CHECKING:
    from sandbox.layout import Layout

NAME = "rollouts-controller"
# Its user, whose certificate and kubeconfig have the same name.
IDENTITY = "rollouts"
USER = "sandbox:rollouts"


def controller(layout: Layout) -> Component:
    """Return the controller without leader election."""
    config = kubeconfig.path(layout, IDENTITY)
    return Component(
        name=NAME,
        argv=(
            layout.tool(NAME),
            f"--kubeconfig={config}",
            "--leader-elect=false",
            f"--healthzPort={ROLLOUTS_HEALTH_PORT}",
            f"--metricsPort={ROLLOUTS_METRICS_PORT}",
            # By default the group of Traefik 2, which Traefik 3 does not have.
            "--traefik-api-group=traefik.io",
            "--traefik-api-version=traefik.io/v1alpha1",
            "--logformat=text",
        ),
        # Its threads share two cores with the cluster and the models.
        env={"GOMAXPROCS": "2"},
        ready=Http(f"http://127.0.0.1:{ROLLOUTS_HEALTH_PORT}/healthz"),
    )
