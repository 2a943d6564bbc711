"""Kubernetes objects of the bare cluster: Services of DNS and metrics, and their roles.

Pure: functions return objects, `kube.apply` sends them.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from sandbox.layout import DNS_IP, DNS_PORT, METRICS_SERVER_PORT, NODE_IP

if TYPE_CHECKING:
    from pathlib import Path

SYSTEM = "kube-system"
Object = dict[str, Any]


def dns_objects() -> list[Object]:
    """Return the Service kube-dns at its fixed address, leading to CoreDNS on the node."""
    ports = [("dns", "UDP", 53, DNS_PORT), ("dns-tcp", "TCP", 53, DNS_PORT)]
    return [
        *_service_to_node("kube-dns", ports, cluster_ip=DNS_IP),
        *_cluster_role(
            "sandbox:coredns",
            "sandbox:coredns",
            [
                _rule("", ["endpoints", "services", "pods", "namespaces"], ["list", "watch"]),
                _rule("discovery.k8s.io", ["endpointslices"], ["list", "watch"]),
            ],
        ),
    ]


def metrics_objects(authority: Path) -> list[Object]:
    """Return Service, roles and aggregated API of metrics-server; `authority` is ca.crt."""
    user = "sandbox:metrics-server"
    return [
        *_service_to_node("metrics-server", [("https", "TCP", 443, METRICS_SERVER_PORT)]),
        *_cluster_role(
            user,
            user,
            [
                _rule("", ["nodes/metrics"], ["get"]),
                _rule("", ["pods", "nodes"], ["get", "list", "watch"]),
            ],
        ),
        _binding("ClusterRoleBinding", f"{user}:delegator", "ClusterRole", "system:auth-delegator"),
        _binding(
            "RoleBinding",
            f"{user}:auth-reader",
            "Role",
            "extension-apiserver-authentication-reader",
        ),
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "service": {"name": "metrics-server", "namespace": SYSTEM},
                "caBundle": base64.b64encode(authority.read_bytes()).decode(),
            },
        },
        # The aggregated roles by which `kubectl top` and the autoscaler read the group.
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {
                "name": "system:aggregated-metrics-reader",
                "labels": {
                    f"rbac.authorization.k8s.io/aggregate-to-{role}": "true"
                    for role in ("view", "edit", "admin")
                },
            },
            "rules": [_rule("metrics.k8s.io", ["pods", "nodes"], ["get", "list", "watch"])],
        },
    ]


def _service_to_node(
    name: str, ports: list[tuple[str, str, int, int]], cluster_ip: str | None = None
) -> list[Object]:
    """Return a Service without selector and the EndpointSlice with the node's address."""
    address = {"clusterIP": cluster_ip} if cluster_ip else {}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": SYSTEM},
            "spec": {
                **address,
                "ports": [
                    {"name": port, "protocol": protocol, "port": outer, "targetPort": inner}
                    for port, protocol, outer, inner in ports
                ],
            },
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": SYSTEM,
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [NODE_IP], "conditions": {"ready": True}}],
            "ports": [
                {"name": port, "protocol": protocol, "port": inner}
                for port, protocol, _, inner in ports
            ],
        },
    ]


def _rule(group: str, resources: list[str], verbs: list[str]) -> Object:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _cluster_role(name: str, user: str, rules: list[Object]) -> list[Object]:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    }
    return [role, _binding("ClusterRoleBinding", name, "ClusterRole", name, user)]


def _binding(
    kind: str, name: str, role_kind: str, role: str, user: str = "sandbox:metrics-server"
) -> Object:
    namespace = {"namespace": SYSTEM} if kind == "RoleBinding" else {}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, **namespace},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": role_kind,
            "name": role,
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
