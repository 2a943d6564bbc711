"""From outside through a real gateway: the chart's HTTPRoute and Ingress, served by Traefik."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import web
from sandbox.environments import read_releases
from tests import rendering
from tests.chart.test_flows import Pod, allowed

from . import traefik
from .ad_hoc import NAMESPACE, AdHoc, AdHocReleases, applied
from .loop import Loop, eventually, measured

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


ROUTED = "models.example"
INGRESS = "ingress.example"
CALLED = "grpc.example"
MODEL = "iris"
STRANGER = Pod("elsewhere", {"app": "shop"})


@dataclass(frozen=True)
class Gateway:
    """Traefik's Service; it has a name and a namespace as a release has."""

    loop: Loop
    address: str
    model: str = traefik.NAME
    namespace: str = traefik.NAMESPACE

    def ask(self, method: str, host: str, path: str, body: bytes | None = None) -> web.Reply:
        """What the gateway answers to a request for that host."""
        return web.request(
            method,
            f"http://{self.address}{path}",
            body=body,
            headers={"Host": host, "Content-Type": "application/json"},
            in_netns=True,
        )


@pytest.fixture(scope="module")
def gateway(loop: Loop) -> Iterator[Gateway]:
    """Traefik with a Gateway and an IngressClass, serving."""
    image = next(entry.image for entry in read_releases(loop.found) if entry.model == "iris")
    binary = rendering.tool("traefik")
    there = {item["metadata"]["name"] for item in loop.get("crd")["items"]}
    missing = [part for part in traefik.definitions() if part["metadata"]["name"] not in there]
    with ExitStack() as stack:
        stack.enter_context(applied(loop, missing))
        loop.wait_defined(traefik.definitions())
        stack.enter_context(applied(loop, traefik.objects(binary, image)))
        here = f"--namespace={traefik.NAMESPACE}"
        loop.kubectl("wait", "--for=condition=Ready", "--timeout=50s", "pod/traefik", here)
        service = loop.get("service", traefik.NAME, here)
        yield Gateway(loop, service["spec"]["clusterIP"])


@pytest.fixture(scope="module")
def reachable(ad_hoc: AdHocReleases, gateway: Gateway) -> Iterator[AdHoc]:
    """The recipe of a route, on that Gateway; and an Ingress with a host of its own."""
    values = {
        # The recipe's listener is one with a certificate.
        "httpRoute": {"parents": {traefik.GATEWAY: {"sectionName": traefik.LISTENER}}},
        "ingress": {"enabled": True, "className": traefik.CLASS, "host": INGRESS},
        "grpc": {"enabled": True},
        "grpcRoute": {
            "enabled": True,
            "parents": {
                traefik.GATEWAY: {
                    "namespace": traefik.NAMESPACE, "sectionName": traefik.LISTENER,
                },
            },
            "hostnames": [CALLED],
        },
        "probes": {"protocol": "grpc"},
        "replicaCount": 2,
    }  # fmt: skip
    with ad_hoc.installed("reachable", values, recipe="http-route") as release:
        yield release


def wait_answer(gateway: Gateway, host: str, path: str) -> float:
    """Wait until the gateway has learnt of a route."""

    def probe() -> tuple[bool, Any]:
        reply = gateway.ask("GET", host, path)
        return reply.status == 200, reply.text

    return eventually(f"{host}{path} answers", probe, 60)


@pytest.mark.loop
def test_a_request_for_the_routes_host_gets_a_prediction(
    gateway: Gateway, reachable: AdHoc, sample: Path
) -> None:
    measured("a new HTTPRoute is served", wait_answer(gateway, ROUTED, "/iris/ready"), 10)
    reply = gateway.ask("POST", ROUTED, "/iris/predict", sample.read_bytes())
    assert reply.status == 200, reply.text
    assert json.loads(reply.body)["model_version"]
    # Neither another host nor a path beside the prefix leads to the model.
    assert gateway.ask("GET", "other.example", "/iris/ready").status == 404
    assert gateway.ask("GET", ROUTED, "/ready").status == 404
    (parent,) = reachable.get("httproute")["status"]["parents"]
    conditions = {item["type"]: item["status"] for item in parent["conditions"]}
    assert conditions == {"Accepted": "True", "ResolvedRefs": "True"}


@pytest.mark.loop
def test_a_rolling_update_behind_the_gateway_loses_no_request(
    loop: Loop, gateway: Gateway, reachable: AdHoc, sample: Path
) -> None:
    """A gateway sends to pods and not to the Service: it has to hear of a pod that goes in time."""
    wait_answer(gateway, ROUTED, "/iris/ready")
    before = set(reachable.pods())
    url = f"http://{ROUTED}/iris/predict"
    with loop.probing(gateway, sample, f"--url={url}") as report:
        seconds = reachable.upgrade({"config": {"maxBatchRows": 99}})
        seconds += reachable.wait_pods("the old pods gone", lambda pods: not before & set(pods))
    measured("rolling update of two pods under load of the gateway", seconds, 30)
    assert report["failed"] == 0, report


def test_calls_through_the_gateway_are_balanced_and_none_is_lost(
    loop: Loop, gateway: Gateway, reachable: AdHoc, sample: Path
) -> None:
    """One connection of one client: the gateway sends each call to another pod, also new ones."""
    (parent,) = reachable.get("grpcroute")["status"]["parents"]
    conditions = {item["type"]: item["status"] for item in parent["conditions"]}
    assert conditions == {"Accepted": "True", "ResolvedRefs": "True"}
    features = json.dumps(json.loads(sample.read_text())["features"])
    words = (f"{gateway.address}:80", CALLED, MODEL, features)
    before = set(reachable.pods())
    with loop.calling(*words) as report:
        reachable.upgrade({"config": {"maxBatchRows": 98}})
        reachable.wait_pods("the old pods gone", lambda pods: not before & set(pods))
        shares = [calls_of(reachable, pod) for pod in reachable.ready_pods()]
    assert report["failed"] == 0, report
    assert sum(report["answered"].values()) > 500
    assert min(shares) > 50, shares


def test_calls_within_the_cluster_and_its_health(
    loop: Loop, reachable: AdHoc, sample: Path
) -> None:
    """The Service's second port; that the pods are ready is what the kubelet was told by gRPC."""
    (pod, *_) = reachable.pods().values()
    probed = pod["spec"]["containers"][0]
    assert probed["readinessProbe"]["grpc"]["port"] == probed["ports"][0]["containerPort"]
    service = reachable.get("service", reachable.model)["spec"]
    (port,) = [item for item in service["ports"] if item["name"] == "grpc"]
    assert port["appProtocol"] == "kubernetes.io/h2c"
    features = json.dumps(json.loads(sample.read_text())["features"])
    with loop.calling(f"{service['clusterIP']}:{port['port']}", CALLED, MODEL, features):
        before = sum(calls_of(reachable, name) for name in reachable.ready_pods())
        eventually(
            "calls are counted",
            lambda: (
                sum(calls_of(reachable, name) for name in reachable.ready_pods()) > before + 100,
                before,
            ),
            30,
        )


def calls_of(release: AdHoc, pod: str) -> int:
    """How many calls of gRPC a pod has answered."""
    address = release.pods()[pod]["status"]["podIP"]
    reply = web.request("GET", f"http://{address}:8080/metrics", in_netns=True)
    pattern = r'^ml_requests_total\{[^}]*code="200"[^}]*ModelInfer"[^}]*\} (\S+)$'
    return sum(int(float(found)) for found in re.findall(pattern, reply.text, re.MULTILINE))


def test_the_ingress_serves_the_same_model(
    gateway: Gateway, reachable: AdHoc, sample: Path
) -> None:
    measured("an Ingress is served", wait_answer(gateway, INGRESS, "/ready"), 10)
    reply = gateway.ask("POST", INGRESS, "/predict", sample.read_bytes())
    assert reply.status == 200, reply.text


def test_the_stored_policies_let_the_gateway_in_and_nobody_else(
    loop: Loop, gateway: Gateway, reachable: AdHoc
) -> None:
    """Evaluated, not enforced: no enforcer of network policies runs in the sandbox."""
    policies = loop.get("networkpolicy", f"--namespace={NAMESPACE}")["items"]
    assert policies
    running = loop.get("pod", "traefik", f"--namespace={traefik.NAMESPACE}")
    source = Pod(traefik.NAMESPACE, running["metadata"]["labels"])
    for pod in reachable.pods().values():
        (port,) = pod["spec"]["containers"][0]["ports"]
        named = {port["name"]: port["containerPort"]}
        target = Pod(NAMESPACE, pod["metadata"]["labels"], named)
        assert allowed(policies, source, target, "TCP", port["containerPort"])
        assert not allowed(policies, STRANGER, target, "TCP", port["containerPort"])
