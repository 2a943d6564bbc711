"""Istio's control plane and its gateway, which `make mesh` starts: istiod and a stock Envoy.

Processes on the node. There are no sidecars: Envoy as its project releases it lacks Istio's own
filters, so istiod is told to configure none, and without certificates nothing speaks mutual TLS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox import kubeconfig
from sandbox.component import Component, as_json
from sandbox.layout import (
    CLUSTER_DOMAIN,
    ENVOY_ADMIN_PORT,
    ISTIOD_HTTP_PORT,
    ISTIOD_MONITORING_PORT,
    ISTIOD_XDS_PORT,
    NODE_IP,
)
from sandbox.probes import Http

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.layout import Layout

ISTIOD = "istiod"
GATEWAY = "istio-gateway"
# Its user, whose certificate and kubeconfig have the same name.
IDENTITY = "istiod"
USER = "sandbox:istiod"
NAMESPACE = "istio-system"
# By which a Gateway finds the proxy.
GATEWAY_LABELS = {"istio": "sandbox-gateway"}
# What istiod expects of a proxy of its own release.
_PROXY_VERSION = "1.31.0"


def istiod(layout: Layout) -> Component:
    """Return the control plane, without injection, webhooks and certificates."""
    mesh = layout.config("mesh.json")
    settings = {
        # Without certificates a proxy waits for them before it has any listener.
        "enableAutoMtls": False,
        # A filter that a stock Envoy does not have.
        "defaultProviders": {"metrics": []},
    }
    return Component(
        name=ISTIOD,
        argv=(
            layout.tool("pilot-discovery"),
            "discovery",
            f"--kubeconfig={kubeconfig.path(layout, IDENTITY)}",
            f"--namespace={NAMESPACE}",
            f"--domain={CLUSTER_DOMAIN}",
            f"--meshConfig={mesh}",
            f"--httpAddr=127.0.0.1:{ISTIOD_HTTP_PORT}",
            "--httpsAddr=",
            f"--grpcAddr=127.0.0.1:{ISTIOD_XDS_PORT}",
            "--secureGRPCAddr=",
            f"--monitoringAddr=127.0.0.1:{ISTIOD_MONITORING_PORT}",
            "--ctrlz_port=0",
        ),
        env={
            "POD_NAMESPACE": NAMESPACE,
            "POD_NAME": ISTIOD,
            # Filters that a stock Envoy does not have, either: it refuses every cluster with them.
            "PILOT_ENABLE_METADATA_EXCHANGE": "false",
            "PILOT_ENABLE_ALPN_FILTER": "false",
            "PILOT_CERT_PROVIDER": "none",
            "ENABLE_CA_SERVER": "false",
            "INJECT_ENABLED": "false",
            "VALIDATION_WEBHOOK_CONFIG_NAME": "",
            # HTTPRoutes are those of another controller.
            "PILOT_ENABLE_GATEWAY_API": "false",
            "ENABLE_LEADER_ELECTION": "false",
            "GOMAXPROCS": "2",
        },
        # Relative paths of certificates, which it looks for and does not need.
        cwd=layout.run,
        files={mesh: as_json(settings)},
        ready=Http(f"http://127.0.0.1:{ISTIOD_HTTP_PORT}/ready"),
    )


def gateway(layout: Layout) -> Component:
    """Return the gateway; it has a listener as soon as there is a Gateway for it."""
    node = f"router~{NODE_IP}~gateway.{NAMESPACE}~{NAMESPACE}.svc.{CLUSTER_DOMAIN}"
    config = layout.config(f"{GATEWAY}.json")
    text = as_json(bootstrap(node, NAMESPACE, GATEWAY_LABELS, ENVOY_ADMIN_PORT))
    return envoy(layout.tool("envoy"), GATEWAY, config, text, ENVOY_ADMIN_PORT)


def envoy(tool: str, name: str, config: Path, text: str, admin_port: int) -> Component:
    """Return an Envoy with that bootstrap."""
    return Component(
        name=name,
        argv=(
            tool,
            *("--config-path", str(config)),
            *("--concurrency", "2"),
            # Shared memory for a restart without a gap, which would be one for all on the machine.
            "--disable-hot-restart",
            *("--log-level", "warning"),
        ),
        files={config: text},
        # Not /ready, which waits for the first listener.
        ready=Http(f"http://127.0.0.1:{admin_port}/server_info"),
    )


def bootstrap(
    node: str, namespace: str, labels: Mapping[str, str], admin_port: int, **metadata: Any
) -> dict[str, Any]:
    """Return what Envoy starts with: who it is to istiod, and where istiod is.

    `labels`: of the workload that it stands for; Gateways and policies select proxies by them.
    """
    address = {"socket_address": {"address": "127.0.0.1", "port_value": ISTIOD_XDS_PORT}}
    admin = {"socket_address": {"address": "127.0.0.1", "port_value": admin_port}}
    return {
        "node": {
            "id": node,
            "cluster": node.split("~")[2],
            "metadata": {
                "NAMESPACE": namespace,
                "LABELS": dict(labels),
                "ISTIO_VERSION": _PROXY_VERSION,
                "CLUSTER_ID": "Kubernetes",
                **metadata,
            },
        },
        "admin": {"address": admin},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
            },
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
        },
        "static_resources": {
            "clusters": [
                {
                    "name": "xds-grpc",
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                            "@type": "type.googleapis.com/"
                            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                            "explicit_http_config": {"http2_protocol_options": {}},
                        }
                    },
                    "load_assignment": {
                        "cluster_name": "xds-grpc",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
                    },
                }
            ]
        },
    }
