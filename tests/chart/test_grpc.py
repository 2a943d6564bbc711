"""gRPC: every way to the pods has it, and both routes of a gateway lead to the same versions."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from app.settings import Settings
from tests import rendering
from tests.chart import least
from tests.chart.test_flows import Pod, allowed, released
from tests.chart.test_generated import VERSION
from tests.chart.test_variants import Values, deep
from tests.schemas import Schemas

CALLS: Values = {
    "grpc": {"enabled": True},
    "service": {"headless": True},
    "metrics": {"ownPort": True, "monitor": "ServiceMonitor"},
    "networkPolicy": {"from": {"gateway": {"podSelector": {"matchLabels": {"a": "b"}}}}},
}
BOTH_ROUTES: Values = {
    "httpRoute": {"enabled": True, "parents": {"public": {}}, "hostnames": ["http.example"]},
    "grpcRoute": {"enabled": True, "parents": {"public": {}}, "hostnames": ["grpc.example"]},
}
ROLLOUTS: dict[str, Values] = {
    "rolling": {},
    "canary": {"strategy": "canary"},
    "plugin": {
        "strategy": "canary",
        "router": "gatewayPlugin",
        "testers": {"header": "X-Canary"},
    },
    "blue-green": {"strategy": "blueGreen"},
}
VARIANTS: dict[str, Values] = {
    "none": {},
    "idle": {"b": VERSION},
    "shares": {"a": {**VERSION, "share": 5}, "z": {**VERSION, "share": 20}},
    "testers": {"b": {**VERSION, "match": {"header": "X-Variant", "value": "b"}}},
    "shadow": {"b": {**VERSION, "mirror": {"percent": 10}}},
}
# The controller would overwrite what leads to a variant, so the chart refuses it. What a gateway
# has of its own matters where something is shared.
CASES = [
    *(
        (rollout, variants, "")
        for rollout, variants in itertools.product(ROLLOUTS, VARIANTS)
        if rollout != "plugin" or variants in ("none", "idle")
    ),
    *((rollout, "shares", "envoyGateway") for rollout in ROLLOUTS if rollout != "plugin"),
]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def manifests(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[rendering.Manifest]:
    """A release with gRPC behind a gateway that has both routes."""
    rollout, variants, implementation = request.param
    values = deep(CALLS, BOTH_ROUTES)
    values |= {"rollout": ROLLOUTS[rollout], "variants": VARIANTS[variants]}
    if implementation:
        route = {"implementation": implementation, "unit": {"header": "X-User"}}
        values = deep(values, {"httpRoute": route})
    return least.manifests(values, tmp_path_factory.mktemp("grpc"))


def test_every_service_has_http_and_grpc_on_one_port_of_the_pods(
    manifests: list[rendering.Manifest],
) -> None:
    services = rendering.of_kind(manifests, "Service")
    for service in services:
        ports = {port["name"]: port for port in service["spec"]["ports"]}
        assert ports["grpc"]["appProtocol"] == "kubernetes.io/h2c"
        assert ports["grpc"]["targetPort"] == ports["http"]["targetPort"] == "http"
        assert len({port["port"] for port in ports.values()}) == len(ports) == 3
    workloads = [each for each in manifests if each["kind"] in ("Deployment", "Rollout")]
    assert len(services) >= len(workloads) + 1  # the headless one


def test_monitors_scrape_no_port_of_grpc(manifests: list[rendering.Manifest]) -> None:
    for monitor in rendering.of_kind(manifests, "ServiceMonitor"):
        assert {each["port"] for each in monitor["spec"]["endpoints"]} == {"metrics"}


def test_both_routes_lead_to_the_same_versions_in_the_same_shares(
    manifests: list[rendering.Manifest],
) -> None:
    """A client that changes its protocol meets the same versions as before."""
    http, grpc = (rendering.only(manifests, kind)["spec"] for kind in ("HTTPRoute", "GRPCRoute"))
    assert targets(http, 80) == targets(grpc, 8081)


def targets(spec: Values, port: int) -> list[Values]:
    """What a route does with a request, rule by rule, without what differs between protocols."""
    rules = []
    for rule in spec["rules"]:
        backends = [dict(each) for each in rule["backendRefs"]]
        copies = [dict(each["requestMirror"]["backendRef"]) for each in rule.get("filters", [])]
        assert {each.pop("port") for each in (*backends, *copies)} == {port}
        shares = [each["requestMirror"].get("percent") for each in rule.get("filters", [])]
        headers = [match.get("headers") for match in rule["matches"]]
        assert all(each == headers[0] for each in headers)
        rules.append({"backends": backends, "copies": copies, "shares": shares, "for": headers[0]})
    return rules


def test_policies_of_a_gateway_hold_for_both_routes(manifests: list[rendering.Manifest]) -> None:
    for policy in rendering.of_kind(manifests, "BackendTrafficPolicy"):
        routes = {(each["kind"], each["name"]) for each in policy["spec"]["targetRefs"]}
        assert routes == {
            (each["kind"], each["metadata"]["name"])
            for each in manifests
            if each["kind"] in ("HTTPRoute", "GRPCRoute")
        }


def test_routes_fit_the_schemas(manifests: list[rendering.Manifest], schemas: Schemas) -> None:
    assert schemas.faults(manifests) == []


def test_a_plugin_splits_every_route_that_has_its_mark(
    manifests: list[rendering.Manifest],
) -> None:
    """A route that the controller does not know keeps the weights of the chart for ever."""
    marked = {
        each["metadata"]["name"]
        for each in manifests
        if "ml-model/weights" in each["metadata"].get("annotations", {})
    }
    known = set()
    for rollout in rendering.of_kind(manifests, "Rollout"):
        routing = rollout["spec"]["strategy"].get("canary", {}).get("trafficRouting", {})
        plugin = routing.get("plugins", {}).get("argoproj-labs/gatewayAPI", {})
        known = {name for key, name in plugin.items() if key.endswith("Route")}
    assert marked == known


@pytest.mark.parametrize("enabled", [True, False])
def test_network_policies_do_not_change(tmp_path: Path, *, enabled: bool) -> None:
    """The network sees the pods' port, which is the one of HTTP."""
    found = least.manifests(deep(CALLS, {"grpc": {"enabled": enabled}}), tmp_path)
    policies = rendering.of_kind(found, "NetworkPolicy")
    pod = released(found)
    neighbour, stranger = Pod("ml-dev", {"app": "shop"}), Pod("elsewhere", {"app": "shop"})
    assert allowed(policies, neighbour, pod, "TCP", pod.ports["http"])
    assert not allowed(policies, stranger, pod, "TCP", pod.ports["http"])
    assert not allowed(policies, neighbour, pod, "TCP", 8081)


def test_probes_ask_the_port_that_the_application_listens_on(tmp_path: Path) -> None:
    """A gRPC probe has a number: no name keeps it in step with the port of the container."""
    found = least.manifests({"probes": {"protocol": "grpc"}}, tmp_path)
    (container,) = rendering.only(found, "Deployment")["spec"]["template"]["spec"]["containers"]
    given = {entry["name"]: entry.get("value") for entry in container["env"]}
    port = Settings.from_environ({"PORT": given["PORT"]}).port
    asked = {name: probe["grpc"] for name, probe in container.items() if name.endswith("Probe")}
    assert asked == {
        "startupProbe": {"port": port, "service": ""},
        "readinessProbe": {"port": port, "service": ""},
        "livenessProbe": {"port": port, "service": "live"},
    }
