"""kube-apiserver."""

from __future__ import annotations

from sandbox.component import Component
from sandbox.layout import API_PORT, ETCD_PORT, NODE_IP, SERVICE_CIDR, Layout
from sandbox.probes import Http


def apiserver(layout: Layout) -> Component:
    """Return the API server with RBAC, the node authorizer and the aggregation layer."""
    pki = layout.pki
    return Component(
        name="kube-apiserver",
        argv=(
            layout.tool("kube-apiserver"),
            f"--advertise-address={NODE_IP}",
            f"--secure-port={API_PORT}",
            f"--etcd-servers=http://127.0.0.1:{ETCD_PORT}",
            f"--service-cluster-ip-range={SERVICE_CIDR}",
            "--allow-privileged=true",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/service-account.pub",
            f"--service-account-signing-key-file={pki}/service-account.key",
            # The aggregation layer, for metrics-server; its Service has no kube-proxy here.
            "--enable-aggregator-routing=true",
            f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
            f"--proxy-client-key-file={pki}/front-proxy-client.key",
            f"--requestheader-client-ca-file={pki}/ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
        ),
        ready=Http(
            f"https://{NODE_IP}:{API_PORT}/readyz",
            ca=pki / "ca.crt",
            cert=pki / "admin.crt",
            key=pki / "admin.key",
        ),
        ready_seconds=120,
        stop_seconds=20,
    )
