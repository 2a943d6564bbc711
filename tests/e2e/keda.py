"""KEDA beside the cluster for one test: the operator scales, the adapter says how long a queue is.

Both are processes on the node, which trust each other by a certificate of their own.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sandbox import kube, process
from sandbox.component import Component
from sandbox.layout import NODE_IP
from sandbox.probes import Http, Tcp

from . import aggregated
from .ad_hoc import applied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .loop import Loop

OPERATOR, ADAPTER = "keda-operator", "keda-adapter"
NAMESPACE = "keda"
HEALTH_PORT, METRICS_PORT, SERVICE_PORT, API_PORT = 10496, 10497, 10498, 10446
API = "external.metrics.k8s.io"


@contextmanager
def scaling(loop: Loop) -> Iterator[None]:
    """ScaledObjects are obeyed meanwhile."""
    layout = loop.layout
    folder = layout.state / OPERATOR
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    certificates(folder)
    definitions = layout.root / ".tools" / "share" / "keda" / "crds"
    for file in sorted(definitions.glob("*.yaml")):
        kube.apply_file(layout, file)
    environ = {
        "KUBECONFIG": str(layout.inner_kubeconfig),
        "POD_NAMESPACE": NAMESPACE,
        "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
        "WATCH_NAMESPACE": "",
        "GOMAXPROCS": "2",
    }
    operator = Component(
        name=OPERATOR,
        argv=(
            layout.tool(OPERATOR),
            f"--cert-dir={folder}",
            f"--health-probe-bind-address=127.0.0.1:{HEALTH_PORT}",
            f"--metrics-bind-address=127.0.0.1:{METRICS_PORT}",
            f"--metrics-service-bind-address=127.0.0.1:{SERVICE_PORT}",
            "--enable-webhook-patching=false",
            "--enable-apiservice-patching=false",
        ),
        env=environ,
        ready=Http(f"http://127.0.0.1:{HEALTH_PORT}/readyz"),
    )
    adapter = Component(
        name=ADAPTER,
        argv=(
            layout.tool(ADAPTER),
            *aggregated.kubeconfigs(layout.inner_kubeconfig),
            f"--cert-dir={folder}",
            f"--bind-address={NODE_IP}",
            f"--secure-port={API_PORT}",
            f"--metrics-service-address=localhost:{SERVICE_PORT}",
            "--port=0",
        ),
        env=environ,
        ready=Tcp(NODE_IP, API_PORT),
    )
    try:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        with applied(loop, [namespace, *aggregated.objects(ADAPTER, API_PORT, API)]):
            process.ensure(layout, operator)
            process.ensure(layout, adapter)
            yield
    finally:
        process.stop(layout, ADAPTER)
        process.stop(layout, OPERATOR)


def certificates(folder: Path) -> None:
    """One certificate for both sides, which is its own authority."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "tls.key", "-out", folder / "tls.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    shutil.copy(folder / "tls.crt", folder / "ca.crt")
