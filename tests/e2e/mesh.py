"""What the tests of the mesh ask its gateway, and the pods that they need beside the models'.

Asserts nothing.
"""

from __future__ import annotations

import collections
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox import process, web
from sandbox.component import as_json
from sandbox.components import mesh
from sandbox.layout import CLUSTER_DOMAIN, ENVOY_ADMIN_PORT, MESH_GATEWAY_PORT, NODE_IP
from sandbox.mesh import GATEWAY

from .ad_hoc import NAMESPACE, applied
from .loop import Loop, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .ad_hoc import AdHoc

Object = dict[str, Any]
# The address that pods and probers have for the gateway.
SERVICE = "gateway"
SIDECAR = "tests-sidecar"
SIDECAR_ADMIN_PORT = 15001
RELAY_PORT = 15002
# An address of the node's own, so that the proxy can have the port of the pod.
SIDECAR_IP = "127.0.0.8"
POD_PORT = 8080
# Values: the gateway is in another namespace, and the chart refuses a policy that blocks it.
ADMITTED: Object = {"networkPolicy": {"from": {"gateway": {"namespaceSelector": {}}}}}

# Answers as a model does, or with errors, and counts. Standard library only.
STAND_IN = """
import http.server, json
state = {"sick": True, "count": 0}
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(200, state)
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/heal":
            state["sick"] = False
            return self.answer(200, state)
        state["count"] += 1
        self.answer(500 if state["sick"] else 200, {"model_version": "stand-in"})
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""


def routed(host: str, **more: Any) -> Object:
    """Values of a VirtualService for that host at the sandbox's gateway."""
    return {"enabled": True, "gateways": [f"{mesh.NAMESPACE}/{GATEWAY}"], "hosts": [host], **more}


def service() -> list[Object]:
    """A Service for the gateway, which runs on the node."""
    where = {"name": SERVICE, "namespace": mesh.NAMESPACE}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": where,
            "spec": {"ports": [{"name": "http", "port": 80, "targetPort": MESH_GATEWAY_PORT}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**where, "labels": {"kubernetes.io/service-name": SERVICE}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [NODE_IP], "conditions": {"ready": True}}],
            "ports": [{"name": "http", "protocol": "TCP", "port": MESH_GATEWAY_PORT}],
        },
    ]


@dataclass(frozen=True)
class Mesh:
    """The gateway; it has a name and a namespace as a release has."""

    loop: Loop
    model: str = SERVICE
    namespace: str = mesh.NAMESPACE

    def ask(
        self,
        host: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        address: str = f"{NODE_IP}:{MESH_GATEWAY_PORT}",
    ) -> web.Reply:
        """What it answers to a request for that host."""
        return web.request(
            "GET" if body is None else "POST",
            f"http://{address}{path}",
            body=body,
            headers={"Host": host, "Content-Type": "application/json", **(headers or {})},
            in_netns=True,
        )

    def statuses(
        self, count: int, host: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> collections.Counter[int]:
        """How often it answers which status to so many predictions."""
        asked = (self.ask(host, "/predict", body, headers).status for _ in range(count))
        return collections.Counter(asked)

    def stat(self, name: str, release: AdHoc) -> int:
        """A counter or gauge that Envoy has of the release's Service."""
        cluster = f"outbound\\|80\\|\\|{release.model}\\.{release.namespace}\\.svc"
        url = f"http://127.0.0.1:{ENVOY_ADMIN_PORT}/stats?filter=cluster.{cluster}.*{name}$"
        text = web.request("GET", url.replace("\\|", "%5C%7C"), in_netns=True).text
        found = re.findall(r": (\d+)$", text, re.MULTILINE)
        return sum(map(int, found))

    def wait_routed(self, host: str, path: str = "/ready") -> float:
        """Wait until it has learnt of a route; returns seconds."""

        def probe() -> tuple[bool, Any]:
            reply = self.ask(host, path)
            return reply.status == 200, (reply.status, reply.text)

        return eventually(f"{host}{path} at the gateway", probe, 60)


@dataclass(frozen=True)
class StandIn:
    """A pod that counts what it is asked, and answers with errors until it is healed."""

    loop: Loop
    name: str

    @property
    def address(self) -> str:
        """Where it listens."""
        status = self.loop.get("pod", self.name, f"--namespace={NAMESPACE}")["status"]
        return f"{status['podIP']}:{POD_PORT}"

    def count(self) -> int:
        """How many predictions it was asked for."""
        reply = web.request("GET", f"http://{self.address}/", in_netns=True)
        return int(json.loads(reply.body)["count"])

    def heal(self) -> None:
        """Answer without errors from now on."""
        reply = web.request("POST", f"http://{self.address}/heal", body=b"", in_netns=True)
        assert reply.status == 200, reply.text


@contextmanager
def stand_in(loop: Loop, name: str, image: str, labels: Mapping[str, str]) -> Iterator[StandIn]:
    """That pod runs meanwhile, in the namespace of the ad-hoc releases."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": dict(labels)},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "server",
                    "image": image,
                    "command": ["python", "-c", STAND_IN],
                    "ports": [{"name": "http", "containerPort": POD_PORT}],
                    "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
    with applied(loop, [pod]):
        here = f"--namespace={NAMESPACE}"
        loop.kubectl("wait", "--for=condition=Ready", "--timeout=50s", f"pod/{name}", here)
        yield StandIn(loop, name)


@contextmanager
def sidecar(release: AdHoc) -> Iterator[str]:
    """The proxy that istiod would give a pod of the release, as a process of the node.

    It listens on the pod's port and passes on to the pod, with the policies that select the pod.
    Yields its address.
    """
    loop = release.loop
    name, pod = next(iter(release.pods().items()))
    labels = pod["metadata"]["labels"]
    listener = {
        "port": {"number": POD_PORT, "protocol": "HTTP", "name": "http"},
        "bind": SIDECAR_IP,
        "captureMode": "NONE",
        # Where a pod's own proxy has the model; here a relay, because it is in another network.
        "defaultEndpoint": f"127.0.0.1:{RELAY_PORT}",
    }
    metadata = {"name": SIDECAR, "namespace": release.namespace}
    selected = {"app.kubernetes.io/instance": release.model}
    objects = [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Sidecar",
            "metadata": metadata,
            "spec": {
                "workloadSelector": {"labels": selected},
                "ingress": [listener],
                "egress": [{"hosts": ["./*"]}],
            },
        },
        # Nobody issues certificates here, and the listener would wait for its own.
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": metadata,
            "spec": {"selector": {"matchLabels": selected}, "mtls": {"mode": "DISABLE"}},
        },
    ]
    node = (
        f"sidecar~{pod['status']['podIP']}~{name}.{release.namespace}"
        f"~{release.namespace}.svc.{CLUSTER_DOMAIN}"
    )
    content = mesh.bootstrap(
        node, release.namespace, labels, SIDECAR_ADMIN_PORT, INTERCEPTION_MODE="NONE"
    )
    relay = _relay(pod["status"]["podIP"])
    content["static_resources"]["clusters"] += relay["clusters"]
    content["static_resources"]["listeners"] = relay["listeners"]
    text = as_json(content)
    layout = loop.layout
    component = mesh.envoy(
        layout.tool("envoy"), SIDECAR, layout.config(f"{SIDECAR}.json"), text, SIDECAR_ADMIN_PORT
    )
    with applied(loop, objects):
        process.ensure(layout, component)
        try:
            yield f"{SIDECAR_IP}:{POD_PORT}"
        finally:
            process.stop(layout, SIDECAR)


def _relay(pod_ip: str) -> Object:
    """What Envoy needs to pass on connections from a port of the node to the pod."""

    def address(host: str, port: int) -> Object:
        return {"address": {"socket_address": {"address": host, "port_value": port}}}

    kind = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    proxy = {"@type": kind, "stat_prefix": "pod", "cluster": "pod"}
    endpoint = {"endpoint": address(pod_ip, POD_PORT)}
    return {
        "listeners": [
            {
                "name": "pod",
                **address("127.0.0.1", RELAY_PORT),
                "filter_chains": [
                    {"filters": [{"name": "tcp", "typed_config": proxy}]},
                ],
            }
        ],
        "clusters": [
            {
                "name": "pod",
                "type": "STATIC",
                "connect_timeout": "1s",
                "load_assignment": {
                    "cluster_name": "pod",
                    "endpoints": [{"lb_endpoints": [endpoint]}],
                },
            }
        ],
    }
