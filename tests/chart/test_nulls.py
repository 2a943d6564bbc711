"""A null takes an entry back, wherever it was added: in every map that users extend.

Helm removes a null only for keys of the chart's own defaults. What one value file adds and a later
one nulls reaches the templates as null, and there it has to vanish.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from modelctl.repository import placement
from tests import rendering
from tests.chart import least
from tests.chart.test_generated import EVERYTHING, defaults, merged

PEER = {"podSelector": {"matchLabels": {"a": "b"}}}
CONTAINER = {"image": "example/a:1", "env": {"A": "1"}, "ports": {"a": 81}}
# Every map that users extend -> an entry that it takes.
ENTRIES: dict[str, Any] = {
    "affinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
    "autoscaling.behavior": {"stabilizationWindowSeconds": 5},
    "autoscaling.metrics": {
        "type": "External",
        "external": {"metric": {"name": "a"}, "target": {"type": "Value", "value": "1"}},
    },
    "batch": {
        "inputs": {"a": "s3://a"},
        "out": "s3://b",
        "egress": {"a": {"ports": [{"port": 443}]}},
    },
    "cache.redis.egress.to": PEER,
    "commonAnnotations": "text",
    "commonLabels": "text",
    "consumer.env": "text",
    "consumer.envFrom": {"secretRef": {"name": "a"}},
    "consumer.queue.egress.to": PEER,
    "consumer.replies.egress.to": PEER,
    "env": "text",
    "envFrom": {"secretRef": {"name": "a"}},
    "externalSecrets": {"store": {"name": "a"}, "keys": {"A": {"key": "a"}}},
    "extraObjects": {"apiVersion": "v1", "kind": "ConfigMap"},
    "grpcRoute.annotations": "text",
    "grpcRoute.parents": {"namespace": "a"},
    "httpRoute.annotations": "text",
    "httpRoute.parents": {"namespace": "a"},
    "ingress.annotations": "text",
    "initContainers": CONTAINER,
    "istio.allow": {"namespaces": ["a"]},
    "istio.allowMetrics": {"namespaces": ["a"]},
    "istio.jwt": {"issuer": "a", "jwksUri": "https://a.example"},
    "keda.triggers": {"type": "cron", "metadata": {}},
    "metrics.monitorLabels": "text",
    "metrics.rules.alertLabels": "text",
    "metrics.rules.disabled": True,
    "metrics.rules.labels": "text",
    "model.download.egress.to": PEER,
    "model.download.env": "text",
    "model.download.resources.limits": "1",
    "model.download.resources.requests": "1",
    "networkPolicy.egress": {"ports": [{"port": 443}]},
    "networkPolicy.from": PEER,
    "networkPolicy.metricsFrom": PEER,
    "nodeSelector": "text",
    "podAnnotations": "text",
    "podLabels": "text",
    "resizePolicy": "NotRequired",
    "resources.limits": "1",
    "resources.requests": "1",
    "service.annotations": "text",
    "rollout.analysis.templates": {"clusterScope": True},
    "rollout.analysis.metrics": {
        "kind": "share",
        "events": "a_total",
        "count": "b_total",
        "tolerated": 0.1,
    },
    "rollout.steps": {"weight": 1},
    "serviceAccount.annotations": "text",
    "sidecars": CONTAINER,
    "tolerations": {"operator": "Exists"},
    "topologySpread": {"whenUnsatisfiable": "ScheduleAnyway"},
    "training": {
        "out": "s3://b",
        "egress": {"a": {"ports": [{"port": 443}]}},
        "image": {"repository": "a", "digest": f"sha256:{'e' * 64}"},
    },
    "variants": {
        "image": {"digest": f"sha256:{'c' * 64}"},
        "model": {"version": "2.0.0", "digest": f"sha256:{'d' * 64}"},
    },
    "verticalAutoscaling.maxAllowed": "1",
    "verticalAutoscaling.minAllowed": "1",
    "volumes": {"source": {"emptyDir": {}}},
}
# Maps whose entry needs another key.
KEYS = {
    "affinity": "nodeAffinity",
    "autoscaling.behavior": "scaleUp",
    "metrics.rules.disabled": "MlModelStale",
    "model.download.resources.limits": "example.com/a",
    "model.download.resources.requests": "example.com/a",
    "resizePolicy": "memory",
    "resources.limits": "example.com/a",
    "resources.requests": "example.com/a",
    "rollout.steps": "10-few",
    # Two containers of one name are refused, and two objects.
    "sidecars": "beside",
    "variants": "other",
    "verticalAutoscaling.maxAllowed": "memory",
    "verticalAutoscaling.minAllowed": "memory",
}
# Part of a peer, which is itself an entry.
NOT_MAPS = {"networkPolicy.from.same-namespace.podSelector"}


def tree(values: dict[str, Any]) -> dict[str, Any]:
    """Dotted paths of maps -> a tree of values with one more entry in each."""
    result: dict[str, Any] = {}
    for path, entry in values.items():
        node: dict[str, Any] = {KEYS.get(path, "extra"): entry}
        for key in reversed(path.split(".")):
            node = {key: node}
        result = merged(result, node)
    return result


def write(folder: Path, *parts: dict[str, Any]) -> list[str]:
    """Value files over one that switches everything on, as arguments."""
    files = [EVERYTHING]
    for number, part in enumerate(parts):
        files.append(folder / f"{number}.yaml")
        files[-1].write_text(yaml.safe_dump(part), encoding="utf-8")
    return rendering.values(*files)


def render(helm: str, arguments: list[str]) -> list[rendering.Manifest]:
    return rendering.template(helm, rendering.CHART, "iris", "ml-dev", *arguments)


def test_every_map_that_users_extend_is_here() -> None:
    maps = {".".join(keys) for keys in placement.leaves(defaults()) if at(keys) == {}}
    assert maps - NOT_MAPS <= set(ENTRIES)


def at(keys: placement.Keys) -> Any:
    node: Any = defaults()
    for key in keys:
        node = node[key]
    return node


def test_entry_that_is_added_changed_and_nulled_leaves_nothing(helm: str, tmp_path: Path) -> None:
    added = tree(ENTRIES)
    changed = tree({path: entry for path, entry in ENTRIES.items() if entry == "text"})
    nulled = tree(dict.fromkeys(ENTRIES))
    # Steps are those of a canary, and the test pod has no token.
    canary = {"rollout": {"strategy": "canary"}, "test": {"enabled": False}}
    without = render(helm, write(tmp_path, canary))
    assert render(helm, write(tmp_path, canary, added, changed)) != without
    assert render(helm, write(tmp_path, canary, added, changed, nulled)) == without


# Below an entry: what is added, what is nulled, and what is the same as having said so at once.
WITHIN: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "variable": (
        {"env": {"A": {"value": "1"}}},
        {"env": {"A": {"value": None, "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}}},
        {"env": {"A": {"valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}}},
    ),
    "volume": (
        {"volumes": {"a": {"source": {"emptyDir": {}}}}},
        {"volumes": {"a": {"source": {"emptyDir": None, "configMap": {"name": "a"}}}}},
        {"volumes": {"a": {"source": {"configMap": {"name": "a"}}}}},
    ),
    "sidecar": (
        {"sidecars": {"a": CONTAINER | {"volumeMounts": {"b": {"mountPath": "/b"}}}}},
        {
            "sidecars": {
                "a": {"env": {"A": None}, "ports": {"a": None}, "volumeMounts": {"b": None}}
            }
        },
        {"sidecars": {"a": {"image": "example/a:1"}}},
    ),
    "secret": (
        {"externalSecrets": {"a": {"store": {"name": "a"}, "keys": {"A": {"key": "a"}}}}},
        {"externalSecrets": {"a": {"keys": {"A": None, "B": {"key": "b"}}}}},
        {"externalSecrets": {"a": {"store": {"name": "a"}, "keys": {"B": {"key": "b"}}}}},
    ),
    "reference": (
        {"envFrom": {"a": {"secretRef": {"name": "a"}}}},
        {"envFrom": {"a": {"secretRef": None, "configMapRef": {"name": "a"}}}},
        {"envFrom": {"a": {"configMapRef": {"name": "a"}}}},
    ),
    "behavior": (
        {"autoscaling": {"behavior": {"scaleUp": {"tolerance": 0.1, "selectPolicy": "Max"}}}},
        {"autoscaling": {"behavior": {"scaleUp": {"tolerance": None}}}},
        {"autoscaling": {"behavior": {"scaleUp": {"selectPolicy": "Max"}}}},
    ),
    "affinity": (
        {"affinity": {"podAffinity": {}, "nodeAffinity": {}}},
        {"affinity": {"podAffinity": None}},
        {"affinity": {"nodeAffinity": {}}},
    ),
    "default-resource": (
        {"resources": {"limits": {"cpu": "1"}}},
        {"resources": {"limits": {"cpu": None}}},
        {},
    ),
}


@pytest.mark.parametrize("case", WITHIN.values(), ids=WITHIN)
def test_null_within_an_entry_takes_that_part_back(
    helm: str, tmp_path: Path, case: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
) -> None:
    added, nulled, same = case
    assert render(helm, write(tmp_path, added, nulled)) == render(helm, write(tmp_path, same))


def places(values: dict[str, Any], above: placement.Keys = ()) -> list[placement.Keys]:
    """Every key that has a default, maps too."""
    found: list[placement.Keys] = []
    for key, value in values.items():
        found.append((*above, key))
        if isinstance(value, dict):
            found += places(value, (*above, key))
    return found


MAPS = [keys for keys in places(defaults()) if isinstance(at(keys), dict)]
RAW = r"nil pointer|wrong type|can't evaluate|error calling|<nil>|%!"


def without(helm: str, keys: placement.Keys, folder: Path) -> list[rendering.Result]:
    """What Helm answers when a key is nulled on the command line, and in a file."""
    node: Any = None
    for key in reversed(keys):
        node = {key: node}
    escaped = ".".join(key.replace(".", "\\.") for key in keys)
    file = folder / f"{'.'.join(keys).replace('/', '_')}.yaml"
    file.write_text(yaml.safe_dump(node), encoding="utf-8")
    minimal = rendering.values(least.MINIMAL)
    return [
        rendering.try_template(helm, rendering.CHART, "iris", "ml-dev", *minimal, *more)
        for more in (["--set", f"{escaped}=null"], rendering.values(file))
    ]


def test_null_of_a_map_is_refused_by_its_name_or_leaves_nothing(helm: str, tmp_path: Path) -> None:
    """As an empty `rollout:` in a value file, whose children are all comments."""
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda keys: without(helm, keys, tmp_path), MAPS))
    raw, unnamed = [], []
    for keys, results in zip(MAPS, answers, strict=True):
        for result in results:
            # Or by the entry that would be nothing without it.
            names = keys[-2:]
            if re.search(RAW, result.stdout + result.stderr):
                raw.append((keys, result.stderr))
            if result.code and not any(name in result.stderr for name in names):
                unnamed.append((keys, result.stderr))
    assert (raw, unnamed) == ([], [])


def test_null_of_a_default_is_invalid_unless_the_comments_allow_it() -> None:
    """Without its default a number is 0 to a template: no replica, or root."""
    schema = json.loads((rendering.CHART / "values.schema.json").read_text(encoding="utf-8"))
    validator = Draft7Validator(schema)
    whole = merged(defaults(), yaml.safe_load(least.MINIMAL.read_text(encoding="utf-8")))
    assert validator.is_valid(whole)
    missing = {keys for keys in places(defaults()) if validator.is_valid(removed(whole, keys))}
    peers = tuple(f"networkPolicy.{key}." for key in ("from", "metricsFrom", "dnsServers"))
    of_users = ("topologySpread", *peers, "global.")
    of_kubernetes = ("resources.", "model.download.resources.")
    of_the_cluster = ("security.fsGroup", "security.runAsGroup", "security.runAsUser")
    names = {".".join(keys) for keys in missing}
    assert {name for name in names if not name.startswith(of_users + of_kubernetes)} == set(
        of_the_cluster
    )


def removed(values: dict[str, Any], keys: placement.Keys) -> dict[str, Any]:
    """The values as Helm hands them to the schema when that default is nulled."""
    first, *rest = keys
    if not rest:
        return {key: value for key, value in values.items() if key != first}
    return values | {first: removed(values[first], tuple(rest))}
