"""Whatever the chart says about the Service of a release, it says about those of its variants.

A variant that a policy forgets is a way around the policy.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from tests import rendering
from tests.chart import least
from tests.chart.test_generated import VERSION
from tests.chart.test_istio import CALLERS, JWT, faults
from tests.chart.test_variants import Values, deep

WAYPOINT: Values = {
    "istio": {"mode": "ambient", "waypoint": "models", "destinationRule": {"enabled": True}},
    "metrics": {"ownPort": True},
    "networkPolicy": {"from": {"gateway": {"podSelector": {"matchLabels": {"a": "b"}}}}},
    "test": {"enabled": False},
}
POLICIES: dict[str, Values] = {"callers": CALLERS, "tokens": {"jwt": JWT}}
STRATEGIES: dict[str, Values] = {
    "rolling": {},
    "canary": {"strategy": "canary"},
    "blue-green": {"strategy": "blueGreen", "blueGreen": {"smoke": False}},
}
ROUTE: Values = {"enabled": True, "parents": {"public": {"namespace": "gateways"}}}
WAYS: dict[str, Values] = {
    "idle": {},
    "share": {"share": 10},
    "testers": {"match": {"header": "X-Variant"}},
    "shadow": {"mirror": {"percent": 50}},
}


@pytest.fixture(
    params=list(itertools.product(POLICIES, STRATEGIES, WAYS)), ids="-".join, scope="module"
)
def manifests(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[rendering.Manifest]:
    """A release behind a waypoint, with a variant."""
    policy, strategy, way = request.param
    more: Values = {"istio": POLICIES[policy], "rollout": STRATEGIES[strategy]}
    more |= {"httpRoute": ROUTE, "variants": {"forest": VERSION | WAYS[way]}}
    file = tmp_path_factory.mktemp("services") / "values.yaml"
    file.write_text(yaml.safe_dump(deep(WAYPOINT, more)), encoding="utf-8")
    minimal = least.MINIMAL
    arguments = rendering.values(minimal, file)
    return rendering.template("helm4", rendering.CHART, "iris", "ml-dev", *arguments)


def test_each_service_behind_a_waypoint_has_the_policies_of_the_release(
    manifests: list[rendering.Manifest],
) -> None:
    targets: dict[str, set[tuple[str, str]]] = {
        service["metadata"]["name"]: set()
        for service in rendering.of_kind(manifests, "Service")
        if "istio.io/use-waypoint" in service["metadata"]["labels"]
    }
    for policy in manifests:
        for target in policy.get("spec", {}).get("targetRefs", []):
            assert target["kind"] == "Service"
            rules = policy["spec"].get("rules", policy["spec"].get("jwtRules"))
            targets[target["name"]].add((policy["kind"], yaml.safe_dump(rules)))
    assert targets["iris"]
    assert {name: found for name, found in targets.items() if found != targets["iris"]} == {}
    assert "iris-forest" in targets


def test_each_service_has_the_limits_of_the_release(manifests: list[rendering.Manifest]) -> None:
    rules = {
        rule["spec"]["host"]: rule["spec"]["trafficPolicy"]
        for rule in rendering.of_kind(manifests, "DestinationRule")
    }
    services = {each["metadata"]["name"] for each in rendering.of_kind(manifests, "Service")}
    assert set(rules) == services
    assert all(rule == rules["iris"] for rule in rules.values())


def test_istio_finds_no_fault(manifests: list[rendering.Manifest]) -> None:
    assert faults(manifests) == [[]]


ROUTERS: dict[str, Values] = {
    "none": {"rollout": {"strategy": "canary"}},
    "traefik": {"rollout": {"strategy": "canary", "router": "traefik"}},
    "gateway-plugin": {"rollout": {"strategy": "canary", "router": "gatewayPlugin"}},
    "blue-green": {"rollout": {"strategy": "blueGreen"}},
}


@pytest.mark.parametrize("router", ROUTERS)
def test_a_variant_without_a_way_changes_no_route(router: str, tmp_path: Path) -> None:
    def shares(variants: Values) -> dict[str, float]:
        values = deep(ROUTERS[router], {"httpRoute": ROUTE, "variants": variants})
        values["networkPolicy"] = WAYPOINT["networkPolicy"]
        found = least.manifests(values, tmp_path)
        (rule,) = rendering.only(found, "HTTPRoute")["spec"]["rules"]
        weights = {each["name"]: each.get("weight", 1) for each in rule["backendRefs"]}
        return {name: weight / sum(weights.values()) for name, weight in weights.items()}

    assert shares({"idle": VERSION}) == shares({})
