"""Kubeconfigs: one for each client inside the namespace, one for the user on the host."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from sandbox.component import as_json
from sandbox.layout import API_PORT, NAME, NODE_IP, Layout
from sandbox.process import write_file

if TYPE_CHECKING:
    from pathlib import Path

INNER_SERVER = f"https://{NODE_IP}:{API_PORT}"

# Identity (a pair of files in pki/) of each client that reads `pki/<identity>.kubeconfig`.
CLIENTS = (
    "admin",
    "controller-manager",
    "scheduler",
    "kubelet",
    "proxy",
    "coredns",
    "metrics-server",
    "rollouts",
    "istiod",
)


def path(layout: Layout, identity: str) -> Path:
    """Return the path of the kubeconfig of `identity` for use inside the namespace."""
    return layout.pki / f"{identity}.kubeconfig"


def render(pki: Path, identity: str, server: str, namespace: str = "default") -> str:
    """Return a kubeconfig with everything embedded, so that the file can be copied."""

    def data(name: str) -> str:
        return base64.b64encode((pki / name).read_bytes()).decode()

    return as_json(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": NAME,
                    "cluster": {"server": server, "certificate-authority-data": data("ca.crt")},
                }
            ],
            "users": [
                {
                    "name": identity,
                    "user": {
                        "client-certificate-data": data(f"{identity}.crt"),
                        "client-key-data": data(f"{identity}.key"),
                    },
                }
            ],
            "contexts": [
                {
                    "name": NAME,
                    "context": {"cluster": NAME, "user": identity, "namespace": namespace},
                }
            ],
            "current-context": NAME,
        }
    )


def write_all(layout: Layout) -> None:
    """Write every kubeconfig that has changed."""
    texts = {path(layout, name): render(layout.pki, name, INNER_SERVER) for name in CLIENTS}
    host = f"https://127.0.0.1:{layout.host_api_port}"
    texts[layout.kubeconfig] = render(layout.pki, "admin", host)
    for target, text in texts.items():
        if not target.exists() or target.read_text() != text:
            write_file(target, text)
