"""kube-controller-manager and kube-scheduler."""

from __future__ import annotations

from sandbox import kubeconfig
from sandbox.component import Component
from sandbox.layout import (
    CONTROLLER_MANAGER_PORT,
    POD_CIDR,
    SCHEDULER_PORT,
    SERVICE_CIDR,
    Layout,
)
from sandbox.probes import Http


def controller_manager(layout: Layout) -> Component:
    """Return the controller manager without leader election, with a fast autoscaler."""
    pki, config = layout.pki, kubeconfig.path(layout, "controller-manager")
    return Component(
        name="kube-controller-manager",
        argv=(
            layout.tool("kube-controller-manager"),
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--bind-address=127.0.0.1",
            f"--secure-port={CONTROLLER_MANAGER_PORT}",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--root-ca-file={pki}/ca.crt",
            f"--service-account-private-key-file={pki}/service-account.key",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            "--allocate-node-cidrs=true",
            f"--cluster-cidr={POD_CIDR}",
            "--node-cidr-mask-size=24",
            # By default it creates a folder in /usr/libexec.
            f"--flex-volume-plugin-dir={layout.state / 'volume-plugins'}",
            f"--service-cluster-ip-range={SERVICE_CIDR}",
            # 15 s by default; users who watch an autoscaler should not have to wait.
            "--horizontal-pod-autoscaler-sync-period=5s",
        ),
        ready=Http(f"https://127.0.0.1:{CONTROLLER_MANAGER_PORT}/healthz"),
    )


def scheduler(layout: Layout) -> Component:
    """Return the scheduler without leader election."""
    config = kubeconfig.path(layout, "scheduler")
    return Component(
        name="kube-scheduler",
        argv=(
            layout.tool("kube-scheduler"),
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--bind-address=127.0.0.1",
            f"--secure-port={SCHEDULER_PORT}",
            "--leader-elect=false",
        ),
        ready=Http(f"https://127.0.0.1:{SCHEDULER_PORT}/readyz"),
    )
