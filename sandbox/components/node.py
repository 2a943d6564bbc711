"""kubelet and kube-proxy: they make the machine a node."""

from __future__ import annotations

from sandbox import kubeconfig
from sandbox.component import Component, as_json
from sandbox.layout import (
    CLUSTER_DOMAIN,
    DNS_IP,
    KUBELET_HEALTH_PORT,
    KUBELET_PORT,
    NAME,
    NODE_IP,
    NODE_NAME,
    POD_CIDR,
    PROXY_HEALTH_PORT,
    Layout,
)
from sandbox.probes import Http


def kubelet(layout: Layout) -> Component:
    """Return the kubelet on our containerd."""
    config = layout.config("kubelet.yaml")
    resolv_conf = layout.config("resolv.conf")
    return Component(
        name="kubelet",
        argv=(
            layout.tool("kubelet"),
            f"--config={config}",
            f"--kubeconfig={kubeconfig.path(layout, 'kubelet')}",
            f"--root-dir={layout.state / 'kubelet'}",
            f"--cert-dir={layout.state / 'kubelet' / 'pki'}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={NODE_IP}",
        ),
        # Pods cannot reach anything outside the namespace, so there is no upstream DNS.
        files={config: as_json(kubelet_config(layout)), resolv_conf: ""},
        ready=Http(f"http://127.0.0.1:{KUBELET_HEALTH_PORT}/healthz"),
        ready_seconds=120,
        stop_seconds=20,
    )


def kubelet_config(layout: Layout) -> dict[str, object]:
    """Return the kubelet's configuration; both cgroup versions, swap and small disks allowed."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_IP,
        "port": KUBELET_PORT,
        "healthzPort": KUBELET_HEALTH_PORT,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{layout.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{layout.pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{layout.pki}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{NAME}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "clusterDNS": [DNS_IP],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": str(layout.config("resolv.conf")),
        "podLogsDir": str(layout.state / "pod-logs"),
        "volumePluginDir": str(layout.state / "volume-plugins"),
        # A laptop's disk is often 90 % full; only a truly full one may evict pods.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        # 100 disables the collection of unused images, for the same reason.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": False,
    }


def proxy(layout: Layout) -> Component:
    """Return kube-proxy in nftables mode; its rules live in the namespace only."""
    config = layout.config("proxy.yaml")
    return Component(
        name="kube-proxy",
        argv=(layout.tool("kube-proxy"), f"--config={config}"),
        files={config: as_json(proxy_config(layout))},
        ready=Http(f"http://127.0.0.1:{PROXY_HEALTH_PORT}/livez"),
    )


def proxy_config(layout: Layout) -> dict[str, object]:
    """Return kube-proxy's configuration; it leaves the host's connection tracking alone."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": NODE_NAME,
        "clusterCIDR": POD_CIDR,
        "clientConnection": {"kubeconfig": str(kubeconfig.path(layout, "proxy"))},
        "healthzBindAddress": f"127.0.0.1:{PROXY_HEALTH_PORT}",
        "metricsBindAddress": "127.0.0.1:10249",
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
            "udpTimeout": "0s",
            "udpStreamTimeout": "0s",
        },
    }
