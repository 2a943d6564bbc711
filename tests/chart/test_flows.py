"""Who may talk to whom under the policies of a release and of its namespace's baseline.

Evaluated, not enforced: no enforcer of network policies runs in the sandbox, so this reads the
policies as the API defines them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests import rendering
from tests.chart import least

Labels = dict[str, str]

DNS = ("UDP", 53)


@dataclass(frozen=True)
class Pod:
    """One end of a flow: where it runs, what it is labelled, its named ports."""

    namespace: str
    labels: Labels
    ports: dict[str, int] = field(default_factory=dict)


def released(manifests: list[rendering.Manifest], name: str = "iris") -> Pod:
    """A pod of a Deployment, by default the release's."""
    deployments = rendering.of_kind(manifests, "Deployment")
    (found,) = (each for each in deployments if each["metadata"]["name"] == name)
    template = found["spec"]["template"]
    ports = template["spec"]["containers"][0]["ports"]
    named = {port["name"]: port["containerPort"] for port in ports}
    return Pod("ml-dev", template["metadata"]["labels"], named)


def checker(manifests: list[rendering.Manifest]) -> Pod:
    """The pod of `helm test`."""
    return Pod("ml-dev", rendering.only(manifests, "Pod")["metadata"]["labels"])


def job(manifests: list[rendering.Manifest], component: str) -> list[Pod]:
    """A pod of each batch or training."""
    templates = [
        cronjob["spec"]["jobTemplate"]["spec"]["template"]
        for cronjob in rendering.of_kind(manifests, "CronJob")
        if cronjob["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    return [Pod("ml-dev", template["metadata"]["labels"]) for template in templates]


def consumer(manifests: list[rendering.Manifest]) -> list[Pod]:
    """A pod of the consumer, if there is one."""
    names = [each["metadata"]["name"] for each in rendering.of_kind(manifests, "Deployment")]
    return [released(manifests, name) for name in names if name == "iris-consumer"]


GATEWAY = Pod("gateways", {"app": "traefik"})
PROMETHEUS = Pod("monitoring", {"app": "prometheus"})
STRANGER = Pod("elsewhere", {"app": "shop"})
NEIGHBOUR = Pod("ml-dev", {"app": "notebook"})
KUBE_DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
OPENSHIFT_DNS = Pod("openshift-dns", {"dns.operator.openshift.io/daemonset-dns": "default"})
OTHER_SYSTEM_POD = Pod("kube-system", {"k8s-app": "metrics-server"})
BROKER = Pod("messaging", {"app": "nats"})
STORE = Pod("storage", {"app": "minio"})


def allowed(
    policies: list[rendering.Manifest], source: Pod, target: Pod, protocol: str, port: int
) -> bool:
    """May this connection be made? Both ends have to agree."""
    return all(
        permits(policies, direction, own, other, protocol, port, target)
        for direction, own, other in (("Egress", source, target), ("Ingress", target, source))
    )


def permits(
    policies: list[rendering.Manifest],
    direction: str,
    own: Pod,
    other: Pod,
    protocol: str,
    port: int,
    target: Pod,
) -> bool:
    """Does one end permit it? A pod that no policy selects permits everything."""
    selecting = [
        policy["spec"]
        for policy in policies
        if policy["metadata"]["namespace"] == own.namespace
        and matches(policy["spec"]["podSelector"], own.labels)
        and direction in policy["spec"]["policyTypes"]
    ]
    peers, rules = ("to", "egress") if direction == "Egress" else ("from", "ingress")
    return not selecting or any(
        port_fits(rule, protocol, port, target)
        and (peers not in rule or any(is_peer(peer, own, other) for peer in rule[peers]))
        for spec in selecting
        for rule in spec.get(rules, [])
    )


def port_fits(rule: dict[str, Any], protocol: str, port: int, target: Pod) -> bool:
    """Is the port among those of a rule? None named means all; a name is the target's."""
    if "ports" not in rule:
        return True
    return any(
        entry.get("protocol", "TCP") == protocol
        and port in (entry["port"], target.ports.get(entry["port"]))
        for entry in rule["ports"]
    )


def is_peer(peer: dict[str, Any], own: Pod, other: Pod) -> bool:
    """Is that pod the peer of a rule? Without a namespace selector it is in the policy's own."""
    if "ipBlock" in peer:
        # Of addresses outside: no pod here has one.
        return False
    if "namespaceSelector" in peer:
        namespace = {"kubernetes.io/metadata.name": other.namespace}
        if not matches(peer["namespaceSelector"], namespace):
            return False
    elif other.namespace != own.namespace:
        return False
    return matches(peer.get("podSelector", {}), other.labels)


def matches(selector: dict[str, Any], labels: Labels) -> bool:
    """Does a selector of labels match? Expressions are not used by our policies."""
    assert set(selector) <= {"matchLabels"}
    wanted: Labels = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


@pytest.fixture(scope="module")
def baseline() -> list[rendering.Manifest]:
    """The policies of the namespace."""
    return rendering.of_kind(rendering.build_overlay(rendering.OVERLAYS / "dev"), "NetworkPolicy")


def release(*settings: str) -> list[rendering.Manifest]:
    minimal = least.MINIMAL
    sets = [part for setting in settings for part in ("--set", setting)]
    return rendering.template(
        "helm4", rendering.CHART, "iris", "ml-dev", *rendering.values(minimal), *sets
    )


GATEWAY_MAY = (
    "networkPolicy.from.gateway.namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name"
    "=gateways"
)
OWN_PORT = "metrics.ownPort=true"
EGRESS = (
    "networkPolicy.egress.store.to[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name"
    "=storage,networkPolicy.egress.store.ports[0].port=9000"
)
DOWNLOAD = ",".join(
    (
        "model.download.url=s3://bundles/iris",
        "model.download.endpoint=https://minio.storage:9000",
        "model.download.image.repository=a",
        "model.download.image.tag=b",
        "model.download.egress.to.store.namespaceSelector.matchLabels."
        "kubernetes\\.io/metadata\\.name=storage",
    )
)
BATCH = ",".join(
    (
        "batch.nightly.inputs.rows=s3://rows",
        "batch.nightly.out=s3://scored",
        "batch.nightly.egress.store.ports[0].port=9001",
        "batch.nightly.egress.store.to[0].namespaceSelector.matchLabels."
        "kubernetes\\.io/metadata\\.name=storage",
    )
)

TRAINING = ",".join(
    (
        "training.asked.out=s3://models",
        "training.asked.image.repository=a",
        f"training.asked.image.digest=sha256:{'e' * 64}",
        "training.asked.queue.url=nats://nats.messaging:4222",
        "training.asked.keda.nats.endpoint=nats.messaging:8222",
        "training.asked.egress.store.ports[0].port=9001",
        "training.asked.egress.store.to[0].namespaceSelector.matchLabels."
        "kubernetes\\.io/metadata\\.name=storage",
    )
)
CONSUMER = "consumer.enabled=true,consumer.queue.url=nats://nats.messaging:4222"
ANSWERS = (
    "consumer.replies.url=s3://answers,consumer.replies.egress.port=9002"
    ",consumer.replies.egress.to.store.namespaceSelector.matchLabels."
    "kubernetes\\.io/metadata\\.name=storage"
)

# What is set, who calls whom, on what, and whether that is allowed.
FLOWS = {
    "neighbour-calls-model": ((), NEIGHBOUR, "model", "TCP", 8080, False),
    "stranger-calls-model": ((), STRANGER, "model", "TCP", 8080, False),
    "gateway-without-a-rule": ((), GATEWAY, "model", "TCP", 8080, False),
    "gateway-with-a-rule": ((GATEWAY_MAY,), GATEWAY, "model", "TCP", 8080, True),
    "gateway-does-not-read-metrics": (
        (GATEWAY_MAY, OWN_PORT),
        GATEWAY,
        "model",
        "TCP",
        9090,
        False,
    ),
    "prometheus-on-the-shared-port": ((), PROMETHEUS, "model", "TCP", 8080, True),
    "prometheus-on-its-own-port": ((OWN_PORT,), PROMETHEUS, "model", "TCP", 9090, True),
    "prometheus-does-not-predict": ((OWN_PORT,), PROMETHEUS, "model", "TCP", 8080, False),
    "stranger-reads-metrics": ((OWN_PORT,), STRANGER, "model", "TCP", 9090, False),
    "test-pod-calls-model": ((), "tester", "model", "TCP", 8080, True),
    "test-pod-asks-dns": ((), "tester", KUBE_DNS, *DNS, True),
    "test-pod-calls-a-stranger": ((), "tester", STRANGER, "TCP", 443, False),
    "model-asks-dns": ((), "model", KUBE_DNS, *DNS, True),
    "model-asks-dns-of-openshift": ((), "model", OPENSHIFT_DNS, "UDP", 5353, True),
    "model-asks-dns-over-tcp": ((), "model", KUBE_DNS, "TCP", 53, True),
    "model-calls-another-system-pod": ((), "model", OTHER_SYSTEM_POD, "TCP", 443, False),
    "model-calls-out": ((), "model", STRANGER, "TCP", 443, False),
    "model-downloads-without-a-rule": ((), "model", STORE, "TCP", 9000, False),
    "model-downloads-with-a-rule": ((EGRESS,), "model", STORE, "TCP", 9000, True),
    "model-calls-another-port-there": ((EGRESS,), "model", STORE, "TCP", 22, False),
    "download-reaches-its-store": ((DOWNLOAD,), "model", STORE, "TCP", 9000, True),
    "download-calls-another-port-there": ((DOWNLOAD,), "model", STORE, "TCP", 443, False),
    "download-calls-a-stranger": ((DOWNLOAD,), "model", STRANGER, "TCP", 9000, False),
    "download-opens-no-way-in": ((DOWNLOAD,), STRANGER, "model", "TCP", 8080, False),
    "stranger-calls-batch": ((BATCH,), STRANGER, "batch", "TCP", 8080, False),
    "neighbour-calls-batch": ((BATCH,), NEIGHBOUR, "batch", "TCP", 8080, False),
    "prometheus-does-not-scrape-batch": ((BATCH,), PROMETHEUS, "batch", "TCP", 8080, False),
    "batch-asks-dns": ((BATCH,), "batch", KUBE_DNS, *DNS, True),
    "batch-reaches-its-store": ((BATCH,), "batch", STORE, "TCP", 9001, True),
    "batch-calls-another-port-there": ((BATCH,), "batch", STORE, "TCP", 9000, False),
    "batch-calls-a-stranger": ((BATCH,), "batch", STRANGER, "TCP", 9001, False),
    "batch-calls-model": ((BATCH,), "batch", "model", "TCP", 8080, False),
    "batch-downloads-the-bundle": ((BATCH, DOWNLOAD), "batch", STORE, "TCP", 9000, True),
    "batch-gives-the-model-no-way-out": ((BATCH,), "model", STORE, "TCP", 9001, False),
    "stranger-calls-training": ((TRAINING,), STRANGER, "training", "TCP", 8080, False),
    "neighbour-calls-training": ((TRAINING,), NEIGHBOUR, "training", "TCP", 8080, False),
    "training-asks-dns": ((TRAINING,), "training", KUBE_DNS, *DNS, True),
    "training-reaches-its-store": ((TRAINING,), "training", STORE, "TCP", 9001, True),
    "training-calls-another-port-there": ((TRAINING,), "training", STORE, "TCP", 9000, False),
    "training-reaches-its-broker": ((TRAINING,), "training", BROKER, "TCP", 4222, True),
    "training-calls-another-port-of-it": ((TRAINING,), "training", BROKER, "TCP", 8222, False),
    "training-calls-a-stranger": ((TRAINING,), "training", STRANGER, "TCP", 9001, False),
    "training-calls-model": ((TRAINING,), "training", "model", "TCP", 8080, False),
    "training-downloads-no-bundle": ((TRAINING, DOWNLOAD), "training", STORE, "TCP", 9000, False),
    "training-gives-the-model-no-way-out": ((TRAINING,), "model", STORE, "TCP", 9001, False),
    "stranger-calls-consumer": ((CONSUMER,), STRANGER, "consumer", "TCP", 8080, False),
    "gateway-calls-consumer": ((CONSUMER, GATEWAY_MAY), GATEWAY, "consumer", "TCP", 8080, False),
    "test-pod-calls-consumer": ((CONSUMER,), "tester", "consumer", "TCP", 8080, False),
    "prometheus-scrapes-consumer": ((CONSUMER,), PROMETHEUS, "consumer", "TCP", 8080, True),
    "consumer-asks-dns": ((CONSUMER,), "consumer", KUBE_DNS, *DNS, True),
    "consumer-reaches-its-broker": ((CONSUMER,), "consumer", BROKER, "TCP", 4222, True),
    "consumer-calls-another-port-there": ((CONSUMER,), "consumer", BROKER, "TCP", 8222, False),
    "consumer-calls-a-stranger": ((CONSUMER,), "consumer", STRANGER, "TCP", 4222, False),
    "consumer-stores-its-answers": ((CONSUMER, ANSWERS), "consumer", STORE, "TCP", 9002, True),
    "consumer-without-another-store": ((CONSUMER,), "consumer", STORE, "TCP", 9002, False),
    "consumer-downloads-the-bundle": ((CONSUMER, DOWNLOAD), "consumer", STORE, "TCP", 9000, True),
    "consumer-gives-the-model-no-way-out": ((CONSUMER,), "model", BROKER, "TCP", 4222, False),
    "test-pod-downloads-too": ((DOWNLOAD,), "tester", STORE, "TCP", 9000, True),
}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_flow(baseline: list[rendering.Manifest], flow: tuple[Any, ...]) -> None:
    settings, source, target, protocol, port, expected = flow
    manifests = release(*settings)
    ours = {"model": released(manifests), "tester": checker(manifests)}
    for component in ("batch", "training"):
        for pod in job(manifests, component):
            ours[component] = pod
    for pod in consumer(manifests):
        ours["consumer"] = pod
    ends = [end if isinstance(end, Pod) else ours[end] for end in (source, target)]
    policies = baseline + rendering.of_kind(manifests, "NetworkPolicy")
    assert allowed(policies, ends[0], ends[1], protocol, port) is expected


def test_neighbour_may_call_in_a_namespace_without_a_baseline() -> None:
    manifests = release()
    policies = rendering.of_kind(manifests, "NetworkPolicy")
    assert allowed(policies, NEIGHBOUR, released(manifests), "TCP", 8080)
