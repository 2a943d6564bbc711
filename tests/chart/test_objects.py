"""What holds for every object of a release, and for every number in its values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelctl.repository import placement
from tests import rendering
from tests.chart.test_generated import (
    CONTEXT,
    EVERYTHING,
    ONE_WAY,
    VERSION,
    defaults,
    merged,
)
from tests.documents import changed, walk

MORE = {
    "commonLabels": {"team": "flowers"},
    "commonAnnotations": {"owner": "botany"},
    "replicaCount": 2,
    "extraObjects": {
        "plain": {"apiVersion": "v1", "kind": "ConfigMap"},
        "own-labels": {"apiVersion": "v1", "kind": "Secret", "metadata": {"labels": {"a": "b"}}},
    },
}
# What excludes something that is on in `everything`.
OTHER_WAYS: list[dict[str, Any]] = [
    {"autoscaling": {"enabled": False}, "keda": {"enabled": True}},
    {"rollout": {"strategy": "canary", "router": "traefik"}, **ONE_WAY},
    {
        "rollout": {"strategy": "canary", "router": "istio"},
        "ingress": {"enabled": False},
        "httpRoute": {"enabled": False},
        "grpcRoute": {"enabled": False},
    },
    {"rollout": {"strategy": "blueGreen"}},
    {
        "variants": {
            "b": {**VERSION, "share": 10},
            "shadow": {**VERSION, "mirror": {"percent": 1}},
        },
        "httpRoute": {"implementation": "envoyGateway", "unit": {"header": "x-user"}},
        **ONE_WAY,
    },
    {
        "variants": {"b": {**VERSION, "share": 10}},
        "httpRoute": {
            "implementation": "istio",
            "unit": {"header": "x-user"},
            "parents": {"public": None, "own": {}},
        },
        **ONE_WAY,
    },
    {
        "batch": {
            "nightly": {
                "inputs": {"a": "s3://a"},
                "out": "s3://b",
                "egress": {"a": {"ports": [{"port": 443}]}},
                "metrics": {"enabled": True},
            }
        },
    },
    {
        "training": {
            "asked": {
                "out": "s3://b",
                "egress": {"a": {"ports": [{"port": 443}]}},
                "image": {"repository": "a", "digest": f"sha256:{'e' * 64}"},
                "queue": {"url": "redis://redis.messaging"},
                "credentials": {"secretName": "a", "password": "b"},
            }
        },
    },
    {
        "consumer": {
            "enabled": True,
            "queue": {"url": "redis://redis.messaging"},
            "credentials": {"secretName": "a", "password": "b"},
            "autoscaling": {"enabled": True},
        },
    },
    {
        "cache": {
            "enabled": True,
            "redis": {"url": "rediss://redis.cache"},
            "credentials": {"secretName": "a", "password": "b", "ca": "c"},
        },
    },
    {
        "istio": {"jwt": {"a": {"issuer": "a", "jwksUri": "https://a.example/keys"}}},
        "test": {"enabled": False},
    },
]
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


def everything() -> dict[str, Any]:
    """The defaults with every switch on."""
    return merged(defaults(), yaml.safe_load(EVERYTHING.read_text(encoding="utf-8")))


def render(helm: str, values: dict[str, Any], folder: Path) -> list[rendering.Manifest]:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return rendering.template(helm, rendering.CHART, "iris", "ml-dev", *rendering.values(file))


@pytest.fixture
def objects(helm: str, tmp_path: Path) -> list[rendering.Manifest]:
    """Every kind of object that the chart has."""
    common = {key: MORE[key] for key in ("commonLabels", "commonAnnotations")}
    found = render(helm, merged(everything(), MORE), tmp_path)
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in found}
    for other in OTHER_WAYS:
        for manifest in render(helm, merged(everything(), other | common), tmp_path):
            if (manifest["kind"], manifest["metadata"]["name"]) not in names:
                names.add((manifest["kind"], manifest["metadata"]["name"]))
                found.append(manifest)
    return found


def test_all_kinds_are_looked_at(objects: list[rendering.Manifest]) -> None:
    named = re.compile(r"^kind: (\w+)$", flags=re.MULTILINE)
    files = (rendering.CHART / "templates").rglob("*.yaml")
    kinds = {kind for file in files for kind in named.findall(file.read_text(encoding="utf-8"))}
    assert len(kinds) > 12
    assert kinds <= {manifest["kind"] for manifest in objects}


def test_every_object_names_its_namespace_and_carries_what_is_common(
    objects: list[rendering.Manifest],
) -> None:
    for manifest in objects:
        metadata = manifest["metadata"]
        assert metadata["namespace"] == "ml-dev", manifest["kind"]
        assert metadata["labels"]["team"] == "flowers", manifest["kind"]
        assert metadata["annotations"]["owner"] == "botany", manifest["kind"]
        variant = metadata["labels"].get("ml-model/variant")
        instance = f"iris-{variant}" if variant else "iris"
        assert metadata["labels"]["app.kubernetes.io/instance"] == instance, manifest["kind"]


def test_texts_of_users_arrive_whole(helm: str, tmp_path: Path) -> None:
    """Line breaks at the end too, wherever the text stands and however often it is parsed."""
    text = "first\nlast\n"
    values = {
        "extraObjects": {
            "a": {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": text, "b": "c"}},
            "b": {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "a", "z": text}},
        },
        "env": {"A": {"value": text}, "Z": text},
        "sidecars": {"z": {"image": "a:1", "args": ["-c", text], "env": {"Z": text}}},
        "keda": {"triggers": {"z": {"type": "cron", "metadata": {"z": text}}}},
        "podAnnotations": {"z": text},
    }
    manifests = render(helm, merged(everything(), values), tmp_path)
    config, secret = (
        next(m for m in rendering.of_kind(manifests, kind) if m["metadata"]["name"] == name)
        for kind, name in (("ConfigMap", "iris-a"), ("Secret", "iris-b"))
    )
    assert (config["data"]["a"], secret["stringData"]["z"]) == (text, text)
    template = rendering.only(manifests, "Deployment")["spec"]["template"]
    assert template["metadata"]["annotations"]["z"] == text
    (sidecar,) = template["spec"]["initContainers"]
    assert sidecar["args"][1] == sidecar["env"][0]["value"] == text
    variables = {e["name"]: e.get("value") for e in template["spec"]["containers"][0]["env"]}
    assert (variables["A"], variables["Z"]) == (text, text)


def test_every_label_is_one(objects: list[rendering.Manifest]) -> None:
    values = [value for m in objects for value in m["metadata"]["labels"].values()]
    assert [value for value in values if not LABEL.fullmatch(value)] == []


def test_long_version_is_cut_to_a_label(helm: str, minimal: list[str]) -> None:
    version = "1.2.0-" + "a.b-" * 20 + "+build"
    manifests = rendering.template(
        *(helm, rendering.CHART, "iris", "ml-dev"), *minimal, "--set", f"model.version={version}"
    )
    labels = rendering.only(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert LABEL.fullmatch(labels["app.kubernetes.io/version"])
    assert len(labels["app.kubernetes.io/version"]) > 55


# Numbers whose zero means that something is left out, as values.yaml says.
ZERO_LEAVES_OUT = {
    ("autoscaling", "cpuUtilization"),
    ("autoscaling", "memoryUtilization"),
    ("autoscaling", "requestsPerSecond"),
    ("httpRoute", "unit", "cookieTtlHours"),
    ("istio", "destinationRule", "maxConnections"),
    ("istio", "destinationRule", "maxPendingRequests"),
    ("istio", "destinationRule", "maxRequests"),
    ("istio", "destinationRule", "outliers", "consecutiveErrors"),
    ("istio", "virtualService", "faults", "abortPercent"),
    ("istio", "virtualService", "faults", "delayPercent"),
    ("istio", "virtualService", "retries", "attempts"),
    ("metrics", "rules", "staleDays"),
    ("minReadySeconds",),
    ("rollout", "analysis", "tolerated", "availability"),
    ("rollout", "analysis", "tolerated", "confidence"),
    ("rollout", "analysis", "tolerated", "latency"),
    ("rollout", "analysis", "tolerated", "predictions"),
    ("rollout", "analysis", "tolerated", "rejections"),
    ("rollout", "analysis", "tolerated", "shed"),
    ("rollout", "blueGreen", "previewReplicas"),
    ("rollout", "blueGreen", "promotionSeconds"),
    ("shutdown", "preStopSeconds"),
}


# Measured numbers that the rules look at, and no manifest has.
MEASURED = (("memoryBudget",), ("cache", "modelMs"))


def zeros() -> Iterator[placement.Keys]:
    """Every number that may be zero and is written into a manifest."""
    schema = yaml.safe_load((rendering.CHART / "values.schema.json").read_text(encoding="utf-8"))
    for keys in placement.leaves(defaults()):
        node = schema
        for key in keys:
            node = node.get("properties", {}).get(key, {})
        kinds = [node, *node.get("oneOf", [])]
        is_measured = any(keys[: len(prefix)] == prefix for prefix in MEASURED)
        if any(kind.get("minimum", 1) == 0 for kind in kinds) and not is_measured:
            yield keys


@pytest.mark.parametrize("keys", list(zeros()), ids=".".join)
def test_zero_is_a_value_like_any_other(tmp_path: Path, keys: placement.Keys) -> None:
    """A template that asks for truth drops it, and Kubernetes puts its default there."""
    values = merged(everything(), {"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 2}})
    for length in range(1, len(keys) + 1):
        values = merged(values, CONTEXT.get(keys[:length], {}))
    zero, one = (written(keys, changed(values, keys, value), tmp_path) for value in (0, 1))
    assert (zero == one) is (keys not in ZERO_LEAVES_OUT)


def written(keys: placement.Keys, values: dict[str, Any], folder: Path) -> set[str]:
    """Where the manifests have a value; the rules count for their own keys only.

    Of a release that may have no pod there is no alert that it has none.
    """
    manifests = render("helm4", values, folder)
    if keys[:2] != ("metrics", "rules"):
        manifests = [item for item in manifests if item["kind"] != "PrometheusRule"]
    return {path for path, node in walk(manifests) if not isinstance(node, dict | list)}
