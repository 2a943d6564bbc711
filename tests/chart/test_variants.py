"""Variants: what the chart renders for them is what Kubernetes and the gateways accept.

A variant is a release with another version: the same pods, and nothing selects those of both.
"""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelctl.delivery.assignment import Assignment
from tests import rendering
from tests.chart.test_generated import ONE_WAY, VERSION
from tests.chart.test_objects import everything
from tests.schemas import Schemas

Values = dict[str, Any]

WAYS: dict[str, Values] = {
    "share": {"share": 10},
    "testers": {"match": {"header": "X-Variant"}},
    "shadow": {"mirror": {"percent": 50}},
    "idle": {},
}
GATEWAYS: dict[str, Values] = {
    "any": {},
    "envoy": {"implementation": "envoyGateway", "unit": {"cookie": "unit", "cookieTtlHours": 1}},
    "istio": {
        "implementation": "istio",
        "unit": {"header": "X-User"},
        "parents": {"public": None, "own": {}},
    },
    "traefik": {"implementation": "traefik"},
}
SCALING: dict[str, Values] = {
    "hpa": {},
    "keda": {"autoscaling": {"enabled": False}, "keda": {"enabled": True}},
    "fixed": {"autoscaling": {"enabled": False}, "replicaCount": 2},
}
STRATEGIES: dict[str, Values] = {
    "rolling": {},
    "blue-green": {"rollout": {"strategy": "blueGreen"}},
    "traefik-canary": {"rollout": {"strategy": "canary", "router": "traefik"}},
}
# Each way with each gateway; of the others, each with some.
CASES = [
    (way, gateway, list(SCALING)[number % 3], list(STRATEGIES)[number // 3 % 3])
    for number, (way, gateway) in enumerate(itertools.product(WAYS, GATEWAYS))
]


def deep(below: Values, above: Values) -> Values:
    """As Helm merges value files."""
    result = copy.deepcopy(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = deep(result[key], value) if both else value
    return result


def render(values: Values, folder: Path) -> list[rendering.Manifest]:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(deep(everything(), values)), encoding="utf-8")
    return rendering.template("helm4", rendering.CHART, "iris", "ml-dev", *rendering.values(file))


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def manifests(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[rendering.Manifest]:
    """What the chart renders with everything on, and one variant."""
    way, gateway, scaling, strategy = request.param
    values = deep(SCALING[scaling], STRATEGIES[strategy])
    values = deep(values, {"httpRoute": GATEWAYS[gateway], **ONE_WAY})
    values["variants"] = {"b": {**VERSION, **WAYS[way]}}
    return render(values, tmp_path_factory.mktemp("variants"))


def test_objects_fit_the_schemas_and_have_names_of_their_own(
    manifests: list[rendering.Manifest], schemas: Schemas
) -> None:
    assert schemas.faults(manifests) == []
    names = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(names) == len(set(names))


def test_nothing_of_one_version_selects_the_pods_of_another(
    manifests: list[rendering.Manifest],
) -> None:
    """Neither a Service, nor a budget, a policy, a monitor, or a spread constraint."""
    pods = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]
        for each in manifests
        if each["kind"] in ("Deployment", "Rollout")
    }
    assert set(pods) == {"iris", "iris-b"}
    seen = set()
    for manifest in manifests:
        for selector in selectors(manifest.get("spec", {})):
            chosen = {name for name, labels in pods.items() if selector.items() <= labels.items()}
            assert chosen <= {owner(manifest)}, manifest["kind"]
            seen.add((manifest["kind"], *chosen))
    for kind in ("Service", "NetworkPolicy", "PeerAuthentication"):
        assert {(kind, "iris"), (kind, "iris-b")} <= seen


def owner(manifest: rendering.Manifest) -> str:
    """The version that an object belongs to."""
    variant = manifest["metadata"]["labels"].get("ml-model/variant")
    return f"iris-{variant}" if variant else "iris"


def selectors(node: Any) -> list[dict[str, str]]:
    """Every set of labels below a key that selects pods of the release itself."""
    found = []
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("selector", "podSelector", "labelSelector") and isinstance(value, dict):
                labels = value.get("matchLabels", value)
                found.extend([labels] if "app.kubernetes.io/instance" in labels else [])
            else:
                found.extend(selectors(value))
    elif isinstance(node, list):
        found.extend(label for each in node for label in selectors(each))
    return found


def test_every_autoscaler_names_the_workload_of_its_version(
    manifests: list[rendering.Manifest],
) -> None:
    targets = [
        (owner(manifest), manifest["spec"][key]["name"])
        for manifest in manifests
        for key in ("scaleTargetRef", "targetRef")
        if key in manifest.get("spec", {})
    ]
    assert {name for name, _ in targets} == {"iris", "iris-b"}
    assert all(name == target for name, target in targets)


def test_the_pods_of_a_variant_are_those_of_a_release_with_its_version(tmp_path: Path) -> None:
    """Else an experiment would compare more than two models."""
    values = {"variants": {"b": VERSION}}
    variant = workload(render(values, tmp_path), "iris-b")
    release = workload(render(VERSION, tmp_path), "iris")
    for each in (variant, release):
        del each["spec"]["template"]["metadata"]["labels"]
        text = json.dumps(each["spec"]["template"]).replace(
            '"app.kubernetes.io/instance": "iris-b"', '"app.kubernetes.io/instance": "iris"'
        )
        each["spec"] = json.loads(text)
    assert variant["spec"] == release["spec"]


def workload(manifests: list[rendering.Manifest], name: str) -> rendering.Manifest:
    return next(
        each
        for each in rendering.of_kind(manifests, "Deployment")
        if each["metadata"]["name"] == name
    )


@pytest.mark.parametrize("others", [{}, {"a": 5}, {"z": 5}, {"z": 100 - 7}], ids=str)
def test_backends_are_in_the_order_in_which_arms_are_computed_offline(
    others: dict[str, int], tmp_path: Path
) -> None:
    shares = {"m": 7, **others}
    variants = {name: {**VERSION, "share": share} for name, share in shares.items()}
    manifests = render({"variants": variants, **ONE_WAY}, tmp_path)
    backends = rendering.only(manifests, "HTTPRoute")["spec"]["rules"][-1]["backendRefs"]
    names = [each["name"].removeprefix("iris").removeprefix("-") or "primary" for each in backends]
    weights = tuple(zip(names, (each["weight"] for each in backends), strict=True))
    assert weights == Assignment.of(shares).weights


def test_an_empty_map_of_variants_changes_nothing(minimal: list[str], helm: str) -> None:
    def text(*settings: str) -> str:
        result = rendering.try_template(
            *(helm, rendering.CHART, "iris", "ml-dev"), *minimal, *settings
        )
        assert result.code == 0, result.stderr
        return result.stdout

    assert text() == text("--set-json", 'variants={"b": null}')
