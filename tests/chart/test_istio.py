"""Istio's own code judges what the chart renders for a mesh: its validation and its analyzers."""

from __future__ import annotations

import fnmatch
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import rendering
from tests.chart import goldens, least
from tests.schemas import Schemas

Values = dict[str, Any]

MESH: Values = {"enabled": True, "gateways": ["mesh"]}
GATEWAY: Values = {
    "enabled": True,
    "gateways": ["gateways/public"],
    "hosts": ["models.example"],
    "path": "/iris",
    "timeout": "3s",
    "retries": {"perTryTimeout": "1s", "conditions": ["5xx", "reset"]},
    "faults": {"delayPercent": 0.1, "abortPercent": 1.5},
}
JWT: Values = {"a": {"issuer": "https://a.example", "jwksUri": "https://a.example/keys"}}
CALLERS: Values = {
    "allow": {"gateway": {"principals": ["cluster.local/ns/gateways/sa/public"]}},
    "allowMetrics": {"prometheus": {"namespaces": ["monitoring"]}},
}
DATA_PLANES: dict[str, Values] = {
    "sidecar": {"mode": "sidecar"},
    "ambient": {"mode": "ambient"},
    "waypoint": {"mode": "ambient", "waypoint": "models"},
}
POLICIES: dict[str, Values] = {
    "open": {},
    "callers": CALLERS | {"mtls": "STRICT"},
    "tokens": {"jwt": JWT},
    "both": CALLERS | {"jwt": JWT},
}
ROUTES: dict[str, Values] = {"none": {}, "mesh": MESH, "gateway": GATEWAY}
STRATEGIES = ("rolling", "canary", "blueGreen")
PROTOCOLS = ("http", "grpc")
# What ztunnel refuses to evaluate: https://istio.io/latest/docs/ambient/usage/l4-policy/
HTTP_ATTRIBUTES = {
    *("hosts", "methods", "paths", "requestPrincipals"),
    *("notHosts", "notMethods", "notPaths", "notRequestPrincipals"),
}


def works(plane: str, policy: str, route: str) -> bool:
    """Nothing but a waypoint evaluates tokens and routes in an ambient mesh: the chart refuses."""
    return plane != "ambient" or (policy in ("open", "callers") and route != "mesh")


CASES = [
    (plane, policy, route, strategy, protocol)
    for plane, policy, route, strategy, protocol in itertools.product(
        DATA_PLANES, POLICIES, ROUTES, STRATEGIES, PROTOCOLS
    )
    if works(plane, policy, route)
    and (strategy != "canary" or route != "none")
    and (protocol == "http" or strategy != "blueGreen")
]


def render(
    folder: Path, plane: str, policy: str, route: str, strategy: str, protocol: str = "http"
) -> rendering.Result:
    rollout: Values = {"strategy": strategy, "blueGreen": {"smoke": False}}
    if strategy == "canary":
        rollout |= {"router": "istio", "testers": {"header": "X-Canary"}}
    istio = DATA_PLANES[plane] | POLICIES[policy]
    istio |= {"virtualService": ROUTES[route], "destinationRule": {"enabled": True}}
    if protocol == "grpc" and route == "gateway":
        istio |= {"virtualService": GATEWAY | {"path": "/"}}
    values = {
        "istio": istio,
        "grpc": {"enabled": protocol == "grpc"},
        "probes": {"protocol": protocol},
        "rollout": rollout,
        "metrics": {"ownPort": True},
        "test": {"enabled": False},
        "networkPolicy": {"from": {"gateway": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}},
    }
    return least.result(values, folder)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[rendering.Manifest]]:
    """What the chart renders, by combination."""
    found = {}
    for case in CASES:
        result = render(tmp_path_factory.mktemp("istio"), *case)
        assert result.code == 0, (case, result.stderr)
        found["-".join(case)] = rendering.parse(result.stdout)
    return found


# What the gateway's owner has, and Kubernetes.
AROUND: list[rendering.Manifest] = [
    *(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"istio-injection": "enabled"}},
        }
        for name in ("gateways", "ml-dev", "monitoring")
    ),
    {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "public", "namespace": "gateways"},
        "spec": {
            "selector": {"gateway": "public"},
            "servers": [
                {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
            ],
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "public",
            "namespace": "gateways",
            "labels": {"gateway": "public"},
            "annotations": {"sidecar.istio.io/status": "{}"},
        },
        "spec": {"containers": [{"name": "istio-proxy", "image": "a:1"}]},
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "public", "namespace": "gateways"},
        "spec": {
            "selector": {"gateway": "public"},
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        },
    },
]


def pods(manifests: list[rendering.Manifest]) -> list[rendering.Manifest]:
    """A pod of the mesh for each workload, which a policy or a Service can find."""
    proxy = {"name": "istio-proxy", "image": "a:1"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": each["spec"]["template"]["metadata"]
            | {
                "name": f"{each['metadata']['name']}-1",
                "namespace": each["metadata"]["namespace"],
            },
            "spec": {"containers": [*each["spec"]["template"]["spec"]["containers"], proxy]},
        }
        for each in manifests
        if each["kind"] in ("Deployment", "Rollout")
    ]


def faults(*releases: list[rendering.Manifest]) -> list[list[str]]:
    """What Istio refuses or warns of in each."""
    lines = [
        # The injector gives the test pod its proxy.
        json.dumps([*AROUND, *(one for one in each if one["kind"] != "Pod"), *pods(each)])
        for each in releases
    ]
    result = rendering.run(rendering.tool("istio-validator"), stdin="\n".join(lines))
    assert result.code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


# For proxies in the pods this is true, and a Sidecar is the answer, for which the analyzer does not
# look. It looks at Deployments alone, and our namespace has the label of injection in every case.
SHARED_PORT = (
    "Warning [IST0137] (Deployment ml-dev/iris) This deployment iris is associated with multiple "
    'services [ml-dev/iris ml-dev/iris] using targetPort "http" but different ports: [80 8081].'
)


def without_place(fault: str) -> str:
    """A fault without the line of the object."""
    return re.sub(r" object \d+:\d+", "", fault)


def test_istio_finds_no_fault_in_any_combination(
    releases: dict[str, list[rendering.Manifest]],
) -> None:
    found = dict(zip(releases, faults(*releases.values()), strict=True))
    expected = {name: [SHARED_PORT] for name in releases if name.endswith("rolling-grpc")}
    assert {name: [*map(without_place, each)] for name, each in found.items() if each} == expected
    assert len(expected) > 10


def test_pods_with_proxies_have_a_sidecar_for_grpc(
    releases: dict[str, list[rendering.Manifest]],
) -> None:
    """Else they speak HTTP/1.1 to the model, and every call fails."""
    for name, manifests in releases.items():
        plane, policy, route, _, protocol = name.split("-")
        has_proxies = plane == "sidecar" and (policy != "open" or route == "mesh")
        sidecars = rendering.of_kind(manifests, "Sidecar")
        assert len(sidecars) == int(has_proxies and protocol == "grpc"), name


def test_objects_fit_the_schemas(
    releases: dict[str, list[rendering.Manifest]], schemas: Schemas
) -> None:
    assert schemas.faults(list(itertools.chain(*releases.values()))) == []


@pytest.mark.parametrize("name", ["ambient", "canary-istio", "grpc-mesh", "istio-gateway", "mesh"])
def test_istio_finds_no_fault_in_an_example(name: str) -> None:
    text = (goldens.GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")
    expected = [SHARED_PORT] if name == "grpc-mesh" else []
    assert [*map(without_place, faults(rendering.parse(text))[0])] == expected


BREAKAGES: dict[str, tuple[str, Callable[[Values], Any], str]] = {
    "other-host": (
        "VirtualService",
        lambda s: s["http"][0]["route"][0]["destination"].update(host="other"),
        "other",
    ),
    "gateway-that-is-not-there": (
        "VirtualService",
        lambda s: s.update(gateways=["gateways/other"]),
        "gateways/other",
    ),
    "retry-condition": (
        "VirtualService",
        lambda s: s["http"][0]["retries"].update(retryOn="sometimes"),
        "sometimes",
    ),
    "percentage": (
        "DestinationRule",
        lambda s: s["trafficPolicy"]["outlierDetection"].update(maxEjectionPercent=101),
        "percentage 101",
    ),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_istio_sees_what_is_broken(name: str) -> None:
    kind, breakage, message = BREAKAGES[name]
    manifests = rendering.parse((goldens.GOLDEN / "istio-gateway.yaml").read_text(encoding="utf-8"))
    breakage(rendering.only(manifests, kind)["spec"])
    assert any(message in fault for fault in faults(manifests)[0])


def test_two_releases_cannot_have_one_host_in_the_mesh() -> None:
    """Istio would take the older VirtualService, without a word."""
    manifests = rendering.parse((goldens.GOLDEN / "ambient.yaml").read_text(encoding="utf-8"))
    other = json.loads(json.dumps(rendering.only(manifests, "VirtualService")))
    other["metadata"]["name"] = "other"
    assert any("iris" in fault for fault in faults([*manifests, other])[0])


def keys(node: Any) -> set[str]:
    """Every key in it, at any depth."""
    if isinstance(node, dict):
        return set(node).union(*map(keys, node.values()))
    return set().union(*map(keys, node)) if isinstance(node, list) else set()


@pytest.mark.parametrize("strategy", ["rolling", "canary", "blueGreen"])
@pytest.mark.parametrize("plane", DATA_PLANES)
@pytest.mark.parametrize("policy", ["allow", "allowMetrics"])
def test_strict_policies_admit_the_tests_of_the_chart_alone(
    tmp_path: Path, plane: str, policy: str, strategy: str
) -> None:
    """`helm test` as well as the one before a switch, by the account that their pods have."""
    istio = DATA_PLANES[plane] | {policy: CALLERS[policy]}
    values: Values = {
        "istio": istio,
        "metrics": {"ownPort": True},
        "rollout": {"strategy": strategy},
    }
    peers = {"gateway": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}
    values |= {"networkPolicy": {"from": peers}}

    def admitted() -> tuple[bool, bool]:
        manifests = least.manifests(values, tmp_path)
        own = {pod["serviceAccountName"] for pod in predicting(manifests)} or {"iris"}
        (account,) = own
        callers = (f"cluster.local/ns/ml-dev/sa/{account}", "cluster.local/ns/ml-dev/sa/stranger")
        ours, theirs = (may_predict(manifests, caller) for caller in callers)
        return ours, theirs

    assert admitted() == (True, False)
    values["test"] = {"enabled": False}
    values["rollout"]["blueGreen"] = {"smoke": False}
    assert admitted() == (False, False)
    # An account that others may have: the one who installs the chart names it.
    del values["test"]
    values["serviceAccount"] = {"create": False}
    assert admitted() == (False, False)


def predicting(manifests: list[rendering.Manifest]) -> list[Values]:
    """The pods of the chart that request a prediction."""
    jobs = [
        metric["provider"]["job"]["spec"]["template"]["spec"]
        for template in rendering.of_kind(manifests, "AnalysisTemplate")
        for metric in template["spec"]["metrics"]
        if "job" in metric["provider"]
    ]
    return [*(pod["spec"] for pod in rendering.of_kind(manifests, "Pod")), *jobs]


def may_predict(manifests: list[rendering.Manifest], caller: str) -> bool:
    """Whether the ALLOW policies let a caller predict, at the waypoint if there is one."""
    policies = rendering.of_kind(manifests, "AuthorizationPolicy")
    judging = [each for each in policies if "targetRefs" in each["spec"]] or policies
    sources = [
        entry["source"]
        for policy in judging
        for rule in policy["spec"]["rules"]
        if not any("paths" in to["operation"] for to in rule.get("to", []))
        if "9090" not in str(rule.get("to"))
        for entry in rule["from"]
    ]
    patterns = [pattern for source in sources for pattern in source.get("principals", ["*"])]
    assert not any("namespaces" in source for source in sources)
    # The mesh knows `*` at the ends alone; there are no other characters that fnmatch knows.
    return any(fnmatch.fnmatchcase(caller, pattern) for pattern in patterns)


def test_no_policy_that_ztunnel_evaluates_needs_http(
    releases: dict[str, list[rendering.Manifest]],
) -> None:
    """An ALLOW rule with an attribute of HTTP admits nobody there."""
    seen = 0
    for name, manifests in releases.items():
        for policy in rendering.of_kind(manifests, "AuthorizationPolicy"):
            if name.startswith("sidecar") or "selector" not in policy["spec"]:
                continue
            seen += 1
            assert keys(policy["spec"]["rules"]) & HTTP_ATTRIBUTES == set(), name
    assert seen > 10


def test_network_policies_of_an_ambient_mesh_admit_its_tunnel(
    releases: dict[str, list[rendering.Manifest]],
) -> None:
    """The network sees port 15008 for every port between pods of the mesh."""
    tunnel = {"port": 15008, "protocol": "TCP"}
    for name, manifests in releases.items():
        for policy in rendering.of_kind(manifests, "NetworkPolicy"):
            rules = [
                rule
                for rule in policy["spec"].get("ingress", [])
                if not any("ipBlock" in peer for peer in rule["from"])
            ]
            rules += [
                rule
                for rule in policy["spec"].get("egress", [])
                if 53 not in [port["port"] for port in rule["ports"]]
            ]
            is_open = [tunnel in rule["ports"] for rule in rules]
            assert set(is_open) <= {not name.startswith("sidecar")}, name


@pytest.mark.parametrize(
    ("plane", "policy", "route"),
    [case for case in itertools.product(DATA_PLANES, POLICIES, ROUTES) if not works(*case)],
    ids="-".join,
)
def test_what_nothing_would_evaluate_is_refused(
    tmp_path: Path, plane: str, policy: str, route: str
) -> None:
    result = render(tmp_path, plane, policy, route, "rolling")
    assert result.code == 1
    assert "expected a waypoint, found none; set istio.waypoint" in result.stderr
