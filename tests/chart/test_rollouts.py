"""Rollouts: what the chart renders is what Argo Rollouts' own code accepts, and rolling stays."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests import rendering
from tests.chart import goldens, least
from tests.schemas import Schemas

Values = dict[str, Any]

ROUTE: Values = {
    "httpRoute": {"enabled": True, "parents": {"public": {"namespace": "gateways"}}},
    "networkPolicy": {"from": {"gateway": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}},
}
CANARY: Values = {"strategy": "canary"}
JUDGED: Values = {"enabled": True, "prometheus": {"serverAddress": "http://p:9090"}}
RULES: Values = {"metrics": {"rules": {"enabled": True, "runbookUrl": "https://git.example"}}}
STRATEGIES: dict[str, Values] = {
    "judged": {"rollout": {**CANARY, "analysis": JUDGED}} | RULES,
    "judged-or-aborted": {"rollout": {**CANARY, "analysis": {**JUDGED, "onInconclusive": "abort"}}}
    | RULES,
    "judged-or-promoted": {
        "rollout": {**CANARY, "analysis": {**JUDGED, "onInconclusive": "promote"}}
    }
    | RULES,
    "pods": {"rollout": CANARY},
    "traefik": {"rollout": {**CANARY, "router": "traefik"}} | ROUTE,
    "plugin": {"rollout": {**CANARY, "router": "gatewayPlugin"}} | ROUTE,
    "istio": {
        "rollout": {**CANARY, "router": "istio"},
        "istio": {"virtualService": {"enabled": True, "gateways": ["mesh"]}},
    },
    "blue-green": {"rollout": {"strategy": "blueGreen"}},
    "by-hand": {
        "rollout": {
            "strategy": "blueGreen",
            "blueGreen": {"promotion": "manual", "promotionSeconds": 60, "previewReplicas": 1},
        }
    },
}
STEPS: dict[str, Values] = {
    "default": {},
    "slow": {"10-few": {"weight": 0, "pause": "manual"}, "20-some": {"weight": 99}},
    "one": {"10-few": {"weight": 1}, "20-some": None},
}
SCALING: dict[str, Values] = {
    "one": {},
    "hpa": {"autoscaling": {"enabled": True}, "verticalAutoscaling": {"enabled": True}},
    "keda": {"keda": {"enabled": True, "prometheus": {"serverAddress": "http://p:9090"}}},
}
CASES = list(itertools.product(STRATEGIES, STEPS, SCALING))


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def manifests(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[rendering.Manifest]:
    """What the chart renders for one combination."""
    strategy, steps, scaling = request.param
    values = copy.deepcopy(STRATEGIES[strategy])
    if values["rollout"]["strategy"] == "canary":
        values["rollout"]["steps"] = STEPS[steps]
        if "router" in values["rollout"]:
            values["rollout"]["testers"] = {"header": "X-Canary"}
    values |= {"rollout": values["rollout"] | {"antiAffinity": "soft"}, **SCALING[scaling]}
    return least.manifests(values, tmp_path_factory.mktemp("rollout"))


def faults(manifests: list[rendering.Manifest]) -> list[str]:
    """What Argo Rollouts refuses."""
    result = rendering.run(rendering.tool("rollout-validator"), stdin=json.dumps(manifests))
    assert result.code == 0, result.stderr
    found: list[str] = json.loads(result.stdout)
    return found


def test_controller_accepts_the_rollout_and_what_it_refers_to(
    manifests: list[rendering.Manifest],
) -> None:
    assert faults(manifests) == []


def test_objects_fit_the_schemas(manifests: list[rendering.Manifest], schemas: Schemas) -> None:
    assert schemas.faults(manifests) == []


def test_one_workload_runs_the_pods_and_every_autoscaler_names_it(
    manifests: list[rendering.Manifest],
) -> None:
    rollout = rendering.only(manifests, "Rollout")
    assert rendering.of_kind(manifests, "Deployment") == []
    workload = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "iris"}
    targets = [
        manifest["spec"][key]
        for manifest in manifests
        for key in ("scaleTargetRef", "targetRef")
        if key in manifest.get("spec", {})
    ]
    assert targets == [workload] * len(targets)
    owners = [m for m in manifests if m["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")]
    assert len(owners) == (0 if "replicas" in rollout["spec"] else 1)


BREAKAGES: dict[str, tuple[Callable[[rendering.Manifest], Any], str]] = {
    "unknown-field": (lambda r: r["spec"].update(typo=1), "unknown field"),
    "another-service": (
        lambda r: r["spec"]["strategy"]["canary"].update(canaryService="other"),
        "Service other does not exist",
    ),
    "selector": (
        lambda r: r["spec"]["template"]["metadata"]["labels"].update(
            {"app.kubernetes.io/instance": "other"}
        ),
        "selector",
    ),
    "scale-without-router": (
        lambda r: r["spec"]["strategy"]["canary"]["steps"].append(
            {"setCanaryScale": {"replicas": 1}}
        ),
        "requires TrafficRouting",
    ),
    "template-that-is-not-there": (
        lambda r: r["spec"]["strategy"]["canary"].update(
            analysis={"templates": [{"templateName": "other"}]}
        ),
        "AnalysisTemplate other does not exist",
    ),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_validator_sees_what_is_broken(name: str) -> None:
    text = (goldens.GOLDEN / "canary.yaml").read_text(encoding="utf-8")
    manifests = rendering.parse(text)
    assert faults(manifests) == []
    breakage, message = BREAKAGES[name]
    breakage(rendering.only(manifests, "Rollout"))
    assert any(message in fault for fault in faults(manifests))


def test_the_pods_are_the_same_whatever_runs_them(helm: str, minimal: list[str]) -> None:
    """Else a move from one to the other would also change what serves."""

    def pod(*settings: str) -> str:
        manifests = rendering.template(
            *(helm, rendering.CHART, "iris", "ml-dev"), *minimal, *settings
        )
        (workload,) = (m for m in manifests if m["kind"] in ("Deployment", "Rollout"))
        return json.dumps(workload["spec"]["template"]).replace("rollouts-pod-", "pod-")

    assert pod() == pod("--set", "rollout.strategy=canary")


def test_deployment_that_is_kept_is_the_one_of_before(helm: str, minimal: list[str]) -> None:
    def deployment(*settings: str) -> rendering.Manifest:
        return rendering.only(
            rendering.template(*(helm, rendering.CHART, "iris", "ml-dev"), *minimal, *settings),
            "Deployment",
        )

    kept = "rollout.strategy=blueGreen,rollout.keepDeployment=true"
    assert deployment("--set", kept) == deployment()
