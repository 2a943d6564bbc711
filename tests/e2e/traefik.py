"""Traefik as the gateway of the tests: a pod in a namespace of its own, beside the models'.

Only the objects; `test_gateway.py` applies them. The binary is the pinned tool, mounted from the
node into an image that is there anyway, so no image has to be built for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests import rendering

if TYPE_CHECKING:
    from pathlib import Path

# Namespace and name of the Gateway are those of the recipe `http-route`.
NAMESPACE = "gateways"
NAME = "traefik"
# Cluster-wide names, so that a Traefik of the user's is left alone.
CLASS = "tests-traefik"
GATEWAY = "public"
LISTENER = "http"
PORT = 8000
PING_PORT = 9000

Object = dict[str, Any]


def definitions() -> list[Object]:
    """The Gateway API, and Traefik's own kinds."""
    share = rendering.TOOLS.parent / "share"
    files = [*share.glob("crds-gateway-api/crds/*"), *share.glob("crds-traefik/crds/*")]
    return [part for file in sorted(files) for part in rendering.parse(file.read_text())]


def objects(binary: Path, image: str) -> list[Object]:
    """All of it, in an order in which it can be applied; needs the definitions."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    return [namespace, *classes(), *rights(), gateway(), *workload(binary, image)]


def classes() -> list[Object]:
    """What makes Traefik responsible for Gateways and for Ingresses."""
    return [
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": CLASS},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": CLASS},
            "spec": {"controller": "traefik.io/ingress-controller"},
        },
    ]


def gateway() -> Object:
    """A Gateway that takes routes of every namespace."""
    listener = {
        "name": LISTENER,
        "port": PORT,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": GATEWAY, "namespace": NAMESPACE},
        "spec": {"gatewayClassName": CLASS, "listeners": [listener]},
    }


def rights() -> list[Object]:
    """What Traefik may read, and the statuses that it writes; as its documentation lists them."""
    read = ["get", "list", "watch"]
    kinds = ["gatewayclasses", "gateways", "httproutes", "grpcroutes", "referencegrants"]
    kinds.append("backendtlspolicies")
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _here()},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": CLASS},
            "rules": [
                _rule("", ["namespaces", "services", "secrets", "configmaps", "nodes"], read),
                _rule("discovery.k8s.io", ["endpointslices"], read),
                _rule("networking.k8s.io", ["ingresses", "ingressclasses"], read),
                _rule("networking.k8s.io", ["ingresses/status"], ["update"]),
                _rule("gateway.networking.k8s.io", kinds, read),
                _rule("traefik.io", ["*"], read),
                _rule("gateway.networking.k8s.io", [f"{k}/status" for k in kinds], ["update"]),
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": CLASS},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": CLASS,
            },
            "subjects": [{"kind": "ServiceAccount", **_here()}],
        },
    ]


def workload(binary: Path, image: str) -> list[Object]:
    """The pod, and the Service that stands for a load balancer's address."""
    labels = {"app.kubernetes.io/name": NAME}
    container = {
        "name": NAME,
        "image": image,
        "command": ["/traefik"],
        "args": [
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            f"--entrypoints.web.address=:{PORT}",
            f"--entrypoints.traefik.address=:{PING_PORT}",
            "--ping=true",
            "--providers.kubernetesgateway=true",
            # TraefikServices, in which the weights of a canary stand. Without empty Services the
            # whole of one is dropped when an aborted canary has no pod left.
            "--providers.kubernetescrd=true",
            "--providers.kubernetescrd.allowemptyservices=true",
            "--providers.kubernetesingress=true",
            f"--providers.kubernetesingress.ingressclass={CLASS}",
            # Two seconds by default, which is fine in production and only slow here.
            "--providers.providersthrottleduration=100ms",
        ],
        "ports": [{"name": "web", "containerPort": PORT}],
        "readinessProbe": {
            "httpGet": {"path": "/ping", "port": PING_PORT},
            "periodSeconds": 1,
        },
        "volumeMounts": [{"name": "binary", "mountPath": "/traefik", "readOnly": True}],
    }
    # Resolved, because a tool may be a link to one that is installed on this machine.
    source = {"path": str(binary.resolve()), "type": "File"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**_here(), "labels": labels},
            "spec": {
                "serviceAccountName": NAME,
                "containers": [container],
                "volumes": [{"name": "binary", "hostPath": source}],
                "terminationGracePeriodSeconds": 1,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _here(),
            "spec": {
                "selector": labels,
                "ports": [{"name": "web", "port": 80, "targetPort": "web"}],
            },
        },
    ]


def _here() -> Object:
    return {"name": NAME, "namespace": NAMESPACE}


def _rule(group: str, resources: list[str], verbs: list[str]) -> Object:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}
