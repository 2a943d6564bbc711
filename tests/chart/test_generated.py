"""values.yaml is the documentation: nothing made from it is stale, nothing in it is dead."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelctl.repository import placement
from tests import rendering
from tests.chart import schema
from tests.documents import changed

VALUES = rendering.CHART / "values.yaml"
EVERYTHING = Path(__file__).parent / "values" / "everything.yaml"
TEMPLATES = sorted(path for path in (rendering.CHART / "templates").rglob("*") if path.is_file())
# Read by the parent chart's dependency condition, never by a template.
OF_THE_PARENT = {("enabled",)}
# Left out by default because a default would be wrong for most.
WITHOUT_DEFAULT = {"resources.limits.cpu"}
VERSION = {
    "image": {"digest": f"sha256:{'c' * 64}"},
    "model": {"version": "2", "digest": f"sha256:{'d' * 64}"},
}
# Only the HTTPRoute leads to the release.
ONE_WAY: dict[str, Any] = {
    "ingress": {"enabled": False},
    "grpcRoute": {"enabled": False},
    "istio": {
        "virtualService": {"enabled": False, "faults": {"delayPercent": 0, "abortPercent": 0}}
    },
}
# What has to be otherwise for a value to matter.
CONTEXT: dict[placement.Keys, dict[str, Any]] = {
    ("replicaCount",): {"autoscaling": {"enabled": False}},
    ("requireDigest",): {"image": {"digest": ""}},
    ("security", "allowPrivilegedExtensions"): {
        "security": {"allowPrivilegedExtensions": True},
        "volumes": {"a": {"source": {"hostPath": {"path": "/a"}}}},
    },
    ("model", "imageVolume"): {
        "model": {"claim": {"name": "", "path": ""}, "imageVolume": {"repository": "a"}}
    },
    ("model", "download"): {
        "model": {
            "claim": {"name": "", "path": ""},
            "download": {
                "url": "s3://bundles/iris",
                "endpoint": "https://store.example:9000",
                "image": {"repository": "a", "digest": f"sha256:{'c' * 64}"},
                "ca": {"configMap": "b"},
                "egress": {"to": {"store": {"podSelector": {"matchLabels": {"app": "c"}}}}},
            },
        }
    },
    ("model", "signature"): {
        "model": {
            "download": {"image": {"repository": "a", "digest": f"sha256:{'c' * 64}"}},
            "signature": {"configMap": "b"},
        }
    },
    ("cache",): {
        "cache": {
            "enabled": True,
            "redis": {"url": "rediss://redis.cache"},
            "credentials": {"secretName": "a", "password": "b", "ca": "c"},
        }
    },
    ("cache", "force"): {"cache": {"modelMs": 0.5, "force": True}},
    ("cache", "modelMs"): {"cache": {"modelMs": 0.5, "force": True}},
    ("keda",): {"autoscaling": {"enabled": False}, "keda": {"enabled": True}},
    ("metrics", "rules", "pausedHours"): {"rollout": {"strategy": "canary"}},
    ("rollout",): {
        "rollout": {
            "strategy": "canary",
            "router": "traefik",
            "analysis": {"enabled": True, "prometheus": {"serverAddress": "http://a"}},
            "testers": {"header": "X-Canary"},
        },
        **ONE_WAY,
    },
    ("rollout", "router"): {"rollout": {"router": "none", "testers": {"header": ""}}},
    ("rollout", "blueGreen"): {
        "rollout": {
            "strategy": "blueGreen",
            "router": "none",
            "analysis": {"enabled": False},
            "testers": {"header": ""},
            "blueGreen": {"promotion": "manual"},
        },
    },
    ("httpRoute", "implementation"): {
        "httpRoute": {"implementation": "envoyGateway", "unit": {"header": "x-user"}},
    },
    ("httpRoute", "unit"): {
        "httpRoute": {"implementation": "envoyGateway", "unit": {"header": "x-user"}},
        "variants": {"b": {**VERSION, "share": 10}},
        **ONE_WAY,
    },
    ("httpRoute", "unit", "cookieTtlHours"): {"httpRoute": {"unit": {"header": "", "cookie": "a"}}},
    ("istio", "jwt"): {"test": {"enabled": False}},
    ("istio", "virtualService", "retries", "attempts"): {
        "istio": {"virtualService": {"retries": {"perTryTimeout": ""}}}
    },
    ("istio", "mode"): {
        "istio": {"mode": "ambient", "waypoint": "waypoint"},
        "httpRoute": {"enabled": False},
        "grpcRoute": {"enabled": False},
    },
    ("consumer",): {
        "consumer": {
            "enabled": True,
            "queue": {"url": "nats://nats"},
            "replies": {"url": "s3://a", "egress": {"to": {"a": {"podSelector": {}}}}},
            "credentials": {"secretName": "a", "user": "b", "password": "c"},
        }
    },
    ("consumer", "image"): {"consumer": {"image": {"repository": "a", "tag": "1"}}},
    ("consumer", "autoscaling"): {
        "consumer": {"autoscaling": {"enabled": True, "nats": {"endpoint": "a:1"}}}
    },
    ("memoryBudget",): {"memoryBudget": {"baseMi": 56, "perWorkerMi": 174}},
}


@functools.cache
def defaults() -> dict[str, Any]:
    """The default values; nobody changes them."""
    content: dict[str, Any] = yaml.safe_load(VALUES.read_text(encoding="utf-8"))
    return content


def test_schema_is_the_one_that_values_yaml_describes() -> None:
    assert schema.SCHEMA.read_text(encoding="utf-8") == schema.generate(), (
        "stale: run `make generate`"
    )


def test_readme_is_the_one_that_values_yaml_describes() -> None:
    result = rendering.run(
        rendering.tool("helm-docs"),
        "--chart-search-root",
        rendering.CHART,
        "--sort-values-order",
        "file",
        "--dry-run",
    )
    assert result.code == 0, result.stderr
    checked_in = (rendering.CHART / "README.md").read_text(encoding="utf-8")
    assert result.stdout.strip() == checked_in.strip(), "stale: run `make generate`"


def test_every_value_is_explained() -> None:
    """In the README's table no description is empty."""
    readme = (rendering.CHART / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\S+) \|[^\n]*\|\s+\|$", readme, flags=re.MULTILINE) == []


def test_templates_use_no_value_that_values_yaml_does_not_declare() -> None:
    undeclared = sorted(
        f"{template.name}: {path}"
        for template in TEMPLATES
        for path in re.findall(
            r"(?:\.Values|\$values)((?:\.\w+)+)", template.read_text(encoding="utf-8")
        )
        if path.strip(".") not in WITHOUT_DEFAULT and not declared(path.strip(".").split("."))
    )
    assert undeclared == []


def declared(keys: list[str]) -> bool:
    """Is there such a value? Below an empty map the users name the keys."""
    node: Any = defaults()
    for key in keys:
        if node == {}:
            return True
        if not isinstance(node, dict) or key not in node:
            return False
        node = node[key]
    return True


RENDERED: dict[str, rendering.Result] = {}


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    """The defaults with every switch on."""
    return merged(defaults(), yaml.safe_load(EVERYTHING.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "keys",
    [keys for keys in placement.leaves(defaults()) if keys not in OF_THE_PARENT],
    ids=".".join,
)
def test_value_has_an_effect(
    everything: dict[str, Any], tmp_path: Path, keys: placement.Keys
) -> None:
    """Whatever a user changes changes the manifests or is refused."""
    values = everything
    for length in range(1, len(keys) + 1):
        values = merged(values, CONTEXT.get(keys[:length], {}))
    before = render(values, tmp_path)
    assert before.code == 0, before.stderr
    assert any(
        render(changed(values, keys, value), tmp_path).stdout != before.stdout
        for value in others(values, keys)
    )


def render(values: dict[str, Any], folder: Path) -> rendering.Result:
    """Render those values, each set of them once."""
    text = yaml.safe_dump(values)
    if text not in RENDERED:
        file = folder / "values.yaml"
        file.write_text(text, encoding="utf-8")
        arguments = (*rendering.values(file), "--skip-schema-validation")
        RENDERED[text] = rendering.try_template(
            "helm4", rendering.CHART, "iris", "ml-dev", *arguments
        )
    return RENDERED[text]


def others(values: dict[str, Any], keys: placement.Keys) -> Iterator[Any]:
    """Values of the same kind as the one there is."""
    node: Any = values
    for key in keys:
        node = node[key]
    if isinstance(node, bool):
        yield not node
    elif isinstance(node, int | float):
        yield node + 1
    elif isinstance(node, str):
        yield "1" if node == "auto" else f"x{node}"
    elif isinstance(node, list):
        yield [*node, {"name": "x"}]
    else:
        yield node | {"x": {"source": {"emptyDir": {}}, "value": "x"}}
        yield node | {"x": {"type": "x", "metadata": {}, "principals": ["x"]}}
        yield node | {"x": {"apiVersion": "v1", "kind": "ConfigMap", "image": "x"}}
        yield node | {"x": "x"}


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """As Helm merges value files."""
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result
