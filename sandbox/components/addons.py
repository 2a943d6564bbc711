"""CoreDNS and metrics-server: processes on the node that the cluster reaches as Services."""

from __future__ import annotations

from sandbox import kubeconfig
from sandbox.component import Component
from sandbox.layout import (
    CLUSTER_DOMAIN,
    DNS_HEALTH_PORT,
    DNS_PORT,
    DNS_READY_PORT,
    METRICS_SERVER_PORT,
    NODE_IP,
    Layout,
)
from sandbox.probes import Http


def coredns(layout: Layout) -> Component:
    """Return the cluster's DNS."""
    config = layout.config("Corefile")
    return Component(
        name="coredns",
        argv=(layout.tool("coredns"), f"-conf={config}"),
        files={config: corefile(layout)},
        ready=Http(f"http://127.0.0.1:{DNS_READY_PORT}/ready"),
    )


def corefile(layout: Layout) -> str:
    """Return CoreDNS's configuration: cluster names only, answers kept for 5 s.

    There is no upstream: queries for other names are refused immediately, which fails faster than
    a resolver that pods cannot reach.
    """
    return f"""\
.:{DNS_PORT} {{
    bind {NODE_IP}
    errors
    health 127.0.0.1:{DNS_HEALTH_PORT}
    ready 127.0.0.1:{DNS_READY_PORT}
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig.path(layout, "coredns")}
        pods insecure
        ttl 5
    }}
    cache 5
}}
"""


def metrics_server(layout: Layout) -> Component:
    """Return metrics-server, which feeds `kubectl top` and the autoscaler."""
    pki, config = layout.pki, kubeconfig.path(layout, "metrics-server")
    return Component(
        name="metrics-server",
        argv=(
            layout.tool("metrics-server"),
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            f"--bind-address={NODE_IP}",
            f"--secure-port={METRICS_SERVER_PORT}",
            f"--tls-cert-file={pki}/metrics-server.crt",
            f"--tls-private-key-file={pki}/metrics-server.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            "--kubelet-preferred-address-types=InternalIP",
            "--kubelet-request-timeout=5s",
            # The shortest it allows; the autoscaler sees load sooner.
            "--metric-resolution=10s",
        ),
        ready=Http(f"https://{NODE_IP}:{METRICS_SERVER_PORT}/livez", ca=None),
    )
