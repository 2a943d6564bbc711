"""Every example of the chart renders what was reviewed, under both Helms, and is a recipe."""

from __future__ import annotations

import pytest

from tests import rendering
from tests.chart import goldens
from tests.schemas import Schemas

EXAMPLES = goldens.examples()
example = pytest.mark.parametrize("example", EXAMPLES, ids=[e.name for e in EXAMPLES])


@example
def test_example_renders_what_was_reviewed(example: goldens.Example) -> None:
    golden = example.golden.read_text(encoding="utf-8")
    assert goldens.render(example) == golden, "see `git diff` after `make generate`"


@example
def test_example_renders_the_same_under_helm_3(example: goldens.Example) -> None:
    by_helm_3 = rendering.parse(goldens.render(example, "helm3"))
    assert by_helm_3 == rendering.parse(example.golden.read_text(encoding="utf-8"))


@example
def test_example_fits_the_schemas_of_kubernetes_and_of_the_extensions(
    example: goldens.Example, schemas: Schemas
) -> None:
    manifests = rendering.parse(example.golden.read_text(encoding="utf-8"))
    assert schemas.faults(manifests) == []


EXTENSIONS = {
    "AuthorizationPolicy": "mesh",
    "DestinationRule": "istio-gateway",
    "ExternalSecret": "secrets-and-sidecars",
    "AnalysisTemplate": "blue-green",
    "GRPCRoute": "grpc",
    "HTTPRoute": "http-route",
    "PeerAuthentication": "mesh",
    "RequestAuthentication": "ambient",
    "Rollout": "canary",
    "ScaledJob": "training",
    "ScaledObject": "keda",
    "ServiceMonitor": "production",
    "Sidecar": "grpc-mesh",
    "TraefikService": "canary-traefik",
    "VerticalPodAutoscaler": "several-workers",
    "VirtualService": "istio-gateway",
}


@pytest.mark.parametrize("kind", sorted(EXTENSIONS))
def test_schema_of_an_extension_refuses_a_field_that_it_does_not_know(
    kind: str, schemas: Schemas
) -> None:
    golden = goldens.GOLDEN / f"{EXTENSIONS[kind]}.yaml"
    manifest = rendering.only(rendering.parse(golden.read_text(encoding="utf-8")), kind)
    manifest["spec"]["typo"] = 1
    (fault,) = schemas.faults([manifest])
    assert "typo" in fault


def test_no_golden_is_left_over() -> None:
    assert set(goldens.GOLDEN.iterdir()) == {example.golden for example in EXAMPLES}


@example
def test_example_says_what_it_is_for(example: goldens.Example) -> None:
    assert example.title
    assert len(example.text) > 40


def test_page_of_recipes_is_the_one_that_the_examples_make() -> None:
    assert goldens.PAGE.read_text(encoding="utf-8") == goldens.page(), "stale: run `make generate`"
