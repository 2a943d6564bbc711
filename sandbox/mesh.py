"""`make mesh`: Istio for a running sandbox: its control plane, and one gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from sandbox import additions, kube, process
from sandbox.components import mesh
from sandbox.layout import MESH_GATEWAY_PORT, NODE_IP
from sandbox.proc import run
from sandbox.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.additions import Object
    from sandbox.layout import Layout

GATEWAY = "public"
GATEWAYS = "/apis/networking.istio.io/v1/gateways"


def start(layout: Layout) -> str:
    """Start Istio or bring it up to date; return what to do next.

    Raises SandboxError when no sandbox runs, or its tools are not built.
    """
    additions.require_running(layout, "add Istio to")
    files = [layout.bin / name for name in ("pilot-discovery", "envoy")]
    additions.require_built("Istio", files, group="mesh", target="mesh")
    kube.apply_file(layout, definitions(layout))
    wait_until("Gateways of Istio are served", lambda: additions.served(layout, GATEWAYS), 30)
    kube.apply(layout, [namespace(), *rights(layout), gateway()])
    process.ensure(layout, mesh.istiod(layout))
    process.ensure(layout, mesh.gateway(layout))
    return (
        f"Gateway {mesh.NAMESPACE}/{GATEWAY} serves on {NODE_IP}:{MESH_GATEWAY_PORT}. "
        "In a release set\n"
        f"  istio.virtualService: {{enabled: true, gateways: [{mesh.NAMESPACE}/{GATEWAY}], "
        "hosts: [MODEL.example]}\n"
        "then ask for a prediction:\n"
        "  python3 -m sandbox exec -- curl -s -H 'Host: MODEL.example' "
        f"http://{NODE_IP}:{MESH_GATEWAY_PORT}/model/info"
    )


def stop(layout: Layout) -> None:
    """End both processes; what they read stays in the cluster."""
    process.stop(layout, mesh.GATEWAY)
    process.stop(layout, mesh.ISTIOD)


def share(layout: Layout) -> Path:
    """Return the folder of Istio's own files."""
    return layout.root / ".tools" / "share" / "istio"


def definitions(layout: Layout) -> Path:
    """Return the file of the custom resource definitions."""
    return share(layout) / "crds" / "crd-all.gen.yaml"


def namespace() -> Object:
    """Return the namespace of the control plane and of the gateway."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": mesh.NAMESPACE}}


def gateway() -> Object:
    """Return a Gateway for every host and namespace."""
    port = {"number": MESH_GATEWAY_PORT, "name": "http", "protocol": "HTTP"}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": GATEWAY, "namespace": mesh.NAMESPACE},
        "spec": {
            "selector": mesh.GATEWAY_LABELS,
            "servers": [{"port": port, "hosts": ["*"]}],
        },
    }


def rights(layout: Layout) -> list[Object]:
    """Return the roles of istiod's own chart, bound to its user here."""
    done = run(
        [
            *(layout.tool("helm4"), "template", "istiod", share(layout) / "istiod"),
            *("--namespace", mesh.NAMESPACE, "--kube-version", "1.36.1"),
            *("--show-only", "templates/clusterrole.yaml"),
            *("--show-only", "templates/role.yaml"),
        ]
    )
    roles = [role for role in yaml.safe_load_all(done.stdout) if role]
    return [part for role in roles for part in additions.bound(role, mesh.USER)]
