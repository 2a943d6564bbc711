"""`make mesh`: Istio for a running sandbox: its control plane, and one gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from sandbox import kube, process
from sandbox.components import mesh
from sandbox.errors import SandboxError
from sandbox.layout import MESH_GATEWAY_PORT, NODE_IP
from sandbox.proc import run
from sandbox.wait import Answer, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.layout import Layout

Object = dict[str, Any]
GATEWAY = "public"


def start(layout: Layout) -> str:
    """Start Istio or bring it up to date; return what to do next.

    Raises SandboxError when no sandbox runs, or its tools are not built.
    """
    if process.find_running(layout, "kube-apiserver") is None:
        raise SandboxError(
            "no sandbox to add Istio to",
            found="kube-apiserver not running",
            expected="a running sandbox",
            fix="run `make up`",
        )
    if not (layout.bin / "pilot-discovery").exists() or not (layout.bin / "envoy").exists():
        raise SandboxError(
            "Istio is not built",
            found=f"no pilot-discovery or no envoy in {layout.bin}",
            expected="the pinned versions",
            fix="run `python3 -m tools build mesh` (`make mesh` does it)",
        )
    kube.apply_file(layout, definitions(layout))
    wait_until("Gateways of Istio are served", lambda: served(layout), 30)
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


def served(layout: Layout) -> Answer:
    """Return whether the API server serves Istio's Gateways; it refuses while it learns of them."""
    path = "/apis/networking.istio.io/v1/gateways"
    return kube.ObjectProbe(layout, path, lambda _: Answer(True, "served")).check()


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
    return [part for role in roles for part in (role, _binding(role))]


def _binding(role: Object) -> Object:
    metadata = role["metadata"]
    where = {"namespace": metadata["namespace"]} if "namespace" in metadata else {}
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": f"{role['kind']}Binding",
        "metadata": {"name": metadata["name"], **where},
        "roleRef": {"apiGroup": group, "kind": role["kind"], "name": metadata["name"]},
        "subjects": [{"apiGroup": group, "kind": "User", "name": mesh.USER}],
    }
