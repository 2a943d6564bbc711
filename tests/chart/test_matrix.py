"""Every pair of options of the chart works together: same under both Helms, valid, restricted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests import rendering
from tests.chart import least
from tests.documents import walk
from tests.schemas import Schemas

Case = tuple[str, ...]
Values = dict[str, Any]

GATEWAY = {"from": {"gateway": {"namespaceSelector": {"matchLabels": {"name": "gateways"}}}}}
CONTAINER = {"image": "example/a:1", "env": {"A": 1}, "volumeMounts": {"x": {"mountPath": "/x"}}}

WORKLOADS = ("Deployment", "Rollout")

# Group -> option -> values. Options of one group exclude each other.
OPTIONS: dict[str, dict[str, Values]] = {
    "replicas": {
        "one": {},
        "two": {"replicaCount": 2},
        "hpa": {"autoscaling": {"enabled": True, "memoryUtilization": 70}},
        "requests": {"autoscaling": {"enabled": True, "cpuUtilization": 0, "requestsPerSecond": 9}},
        "keda": {"keda": {"enabled": True, "prometheus": {"serverAddress": "http://p:9090"}}},
    },
    "transition": {
        "rolling": {},
        "canary": {"rollout": {"strategy": "canary"}},
        "blue-green": {"rollout": {"strategy": "blueGreen"}},
    },
    "metrics": {
        "shared": {},
        "service-monitor": {"metrics": {"ownPort": True, "monitor": "ServiceMonitor"}},
        "pod-monitor": {"metrics": {"monitor": "PodMonitor"}},
    },
    "source": {
        "image": {},
        "image-volume": {"model": {"imageVolume": {"repository": "example/bundle"}}},
        "claim": {"model": {"claim": {"name": "bundles", "path": "{{ .Values.model.version }}"}}},
        "signed-claim": {
            "model": {
                "claim": {"name": "bundles"},
                "download": {"image": {"repository": "example/fetch", "tag": "1"}},
                "signature": {"configMap": "keys"},
            }
        },
        "download": {
            "model": {
                "download": {
                    "url": "gs://bundles/{{ .Values.model.version }}",
                    "image": {"repository": "example/fetch", "tag": "1"},
                    "secretName": "store",
                    "egress": {"to": {"all": {"ipBlock": {"cidr": "0.0.0.0/0"}}}},
                },
                "signature": {"configMap": "keys"},
            }
        },
    },
    "way-in": {
        "none": {},
        "route": {"httpRoute": {"enabled": True, "parents": {"a": {}}}, "networkPolicy": GATEWAY},
        "grpc-route": {
            "grpc": {"enabled": True},
            "grpcRoute": {"enabled": True, "parents": {"a": {}}},
            "networkPolicy": GATEWAY,
        },
        "both-routes": {
            "grpc": {"enabled": True},
            "grpcRoute": {"enabled": True, "parents": {"a": {}}, "hostnames": ["grpc.a.b"]},
            "httpRoute": {"enabled": True, "parents": {"a": {}}, "hostnames": ["a.b"]},
            "networkPolicy": GATEWAY,
        },
        "ingress": {"ingress": {"enabled": True, "host": "a.b"}, "networkPolicy": GATEWAY},
    },
    "grpc": {"by-route": {}, "port": {"grpc": {"enabled": True, "port": 9000}}},
    "probes": {"http": {}, "grpc": {"probes": {"protocol": "grpc"}}},
    "network-policy": {"on": {}, "off": {"networkPolicy": {"enabled": False}}},
    "mesh": {
        "none": {},
        "istio": {"istio": {"mtls": "STRICT", "allow": {"a": {"namespaces": ["b", "ml-dev"]}}}},
    },
    "containers": {
        "alone": {},
        "more": {
            "initContainers": {"before": CONTAINER},
            "sidecars": {"beside": CONTAINER},
            "volumes": {"x": {"source": {"emptyDir": {}}}},
        },
    },
    "secrets": {
        "none": {},
        "some": {
            "envFrom": {"a": {"secretRef": {"name": "a"}}},
            "externalSecrets": {"b": {"store": {"name": "c"}, "keys": {"D": {"key": "e"}}}},
        },
    },
    "account": {"own": {}, "given": {"serviceAccount": {"create": False, "name": "given"}}},
    "vertical": {"none": {}, "recommender": {"verticalAutoscaling": {"enabled": True}}},
    "service": {
        "plain": {},
        "near": {"service": {"headless": True, "trafficDistribution": "PreferSameNode"}},
    },
    "placement": {
        "default": {"topologySpread": {"kubernetes.io/hostname": None}},
        "soft": {"antiAffinity": "soft", "tolerations": {"a": {"operator": "Exists"}}},
        "hard": {"antiAffinity": "hard", "affinity": {"nodeAffinity": {}}},
    },
    "workers": {
        "auto": {},
        "two": {"workers": 2, "resources": {"limits": {"cpu": 2}}},
    },
    "stop": {"sleep": {}, "at-once": {"shutdown": {"preStopSeconds": 0}}},
    "labels": {
        "none": {},
        "common": {"commonLabels": {"a": "b"}, "commonAnnotations": {"c": "d"}},
    },
    "extra": {
        "none": {},
        "object": {"extraObjects": {"a": {"apiVersion": "v1", "kind": "ConfigMap", "data": {}}}},
    },
}


def pairwise(groups: list[list[str]]) -> list[Case]:
    """A short list of cases in which every two options of different groups meet."""
    open_pairs = {
        ((i, a), (j, b))
        for (i, left), (j, right) in itertools.combinations(enumerate(groups), 2)
        for a in left
        for b in right
    }
    cases: list[Case] = []
    while open_pairs:
        (first, second), *_ = sorted(open_pairs)
        chosen = dict([first, second])
        for index, options in enumerate(groups):
            if index not in chosen:
                closed = [closed_by(chosen | {index: option}) & open_pairs for option in options]
                chosen[index] = options[closed.index(max(closed, key=len))]
        open_pairs -= closed_by(chosen)
        cases.append(tuple(chosen[index] for index in range(len(groups))))
    return cases


def closed_by(chosen: dict[int, str]) -> set[tuple[tuple[int, str], tuple[int, str]]]:
    """The pairs that meet in a case."""
    return set(itertools.combinations(sorted(chosen.items()), 2))


CASES = pairwise([list(options) for options in OPTIONS.values()])


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[list[rendering.Manifest]]:
    """What both Helms render for one combination of options."""
    folder = tmp_path_factory.mktemp("case")
    files = [least.MINIMAL]
    for (group, options), option in zip(OPTIONS.items(), request.param, strict=True):
        files.append(folder / f"{group}.yaml")
        files[-1].write_text(yaml.safe_dump(options[option]), encoding="utf-8")
    return [
        rendering.template(helm, rendering.CHART, "iris", "ml-dev", *rendering.values(*files))
        for helm in rendering.HELMS
    ]


def test_every_two_options_meet_in_few_cases() -> None:
    pairs = {frozenset(pair) for case in CASES for pair in closed_by(dict(enumerate(case)))}
    sizes = [len(options) for options in OPTIONS.values()]
    assert len(pairs) == sum(a * b for a, b in itertools.combinations(sizes, 2))
    assert len(CASES) < 30


def test_both_helms_render_the_same(case: list[list[rendering.Manifest]]) -> None:
    by_helm_3, by_helm_4 = case
    assert by_helm_3 == by_helm_4


def test_everything_fits_the_schemas(
    case: list[list[rendering.Manifest]], schemas: Schemas
) -> None:
    assert schemas.faults(case[1]) == []


def test_nothing_is_null_or_named_twice(case: list[list[rendering.Manifest]]) -> None:
    identities = [(m["kind"], m["metadata"]["name"]) for m in case[1]]
    assert len(identities) == len(set(identities))
    nodes = [entry for manifest in case[1] for entry in walk(manifest, manifest["kind"])]
    assert [path for path, node in nodes if node is None] == []
    for pod in pods(case[1]):
        for container in containers(pod):
            for listed in ("env", "ports", "volumeMounts"):
                names = [entry["name"] for entry in container.get(listed, [])]
                assert len(names) == len(set(names)), (container["name"], listed)


def test_every_container_is_restricted(case: list[list[rendering.Manifest]]) -> None:
    for pod in pods(case[1]):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }


def test_every_mount_has_a_volume(case: list[list[rendering.Manifest]]) -> None:
    for pod in pods(case[1]):
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        for container in containers(pod):
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes


def test_one_owner_sets_the_number_of_pods(case: list[list[rendering.Manifest]]) -> None:
    (workload,) = (m["spec"] for m in case[1] if m["kind"] in WORKLOADS)
    scalers = [m for m in case[1] if m["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")]
    assert len(scalers) == (0 if "replicas" in workload else 1)


def pods(manifests: list[rendering.Manifest]) -> Iterator[rendering.Manifest]:
    """The spec of every pod that comes of the manifests."""
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            yield manifest["spec"]
        elif manifest["kind"] in WORKLOADS:
            yield manifest["spec"]["template"]["spec"]
        elif manifest["kind"] == "AnalysisTemplate":
            for metric in manifest["spec"]["metrics"]:
                if job := metric["provider"].get("job"):
                    yield job["spec"]["template"]["spec"]


def containers(pod: rendering.Manifest) -> list[rendering.Manifest]:
    """All containers of a pod."""
    return [*pod.get("initContainers", []), *pod["containers"]]
