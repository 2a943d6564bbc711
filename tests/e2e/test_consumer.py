"""The chart's consumer by real KEDA: from no pod to several and back, one answer for each request.

30,000 messages of NATS on the node in six parts; a pod that works is deleted as soon as a part is
sent, and the broker is killed once. The answers are compared with those of the release's service.
"""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from app.model.bundle import Bundle
from sandbox import netns, web
from sandbox.environments import Release
from sandbox.layout import NODE_IP

from . import observing, pushed, runbooks
from .ad_hoc import AdHoc, AdHocReleases, Values, applied
from .claims import mounted, volume
from .keda import scaling
from .loop import Loop, eventually, measured
from .queueing import MONITORING, URL, Broker, broker

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES, PARTS, QUEUE = 30_000, 6, "iris"
BUNDLES = "consumer-bundles"


@pytest.fixture(scope="module")
def nats(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker beside the cluster."""
    with broker(tmp_path_factory.mktemp("nats")) as found:
        yield found


@pytest.fixture(scope="module")
def release(
    ad_hoc: AdHocReleases,
    bundle: Bundle,
    nats: Broker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AdHoc]:
    """A release whose image has the clients of brokers; its bundle is mounted from a claim."""
    image = pushed.variant(ad_hoc.loop, tmp_path_factory.mktemp("consume"), "runtime", "consume")
    values: Values = {
        "image": image.values,
        "model": mounted(bundle, BUNDLES),
        "consumer": {
            "enabled": True,
            "queue": {
                "url": URL,
                "name": QUEUE,
                "ackSeconds": 15,
                "egress": {"to": {"node": {"ipBlock": {"cidr": f"{NODE_IP}/32"}}}},
            },
            "autoscaling": {
                "enabled": True,
                "maxReplicas": 3,
                "messagesPerPod": 500,
                "pollingInterval": 2,
                "cooldownPeriod": 5,
                "nats": {"endpoint": MONITORING},
            },
        },
    }
    volumes = volume(BUNDLES, bundle.path, "ReadOnlyMany")
    with (
        scaling(ad_hoc.loop),
        applied(ad_hoc.loop, volumes),
        ad_hoc.installed("consuming", values) as release,
    ):
        yield release


def pods_of(release: AdHoc) -> list[dict[str, Any]]:
    """The consumer's pods, with those that are ending: one may answer until it is told to end."""
    selector = "--selector=app.kubernetes.io/component=consumer"
    items: list[dict[str, Any]] = release.get("pods", selector)["items"]
    return items


def working(release: AdHoc) -> list[dict[str, Any]]:
    """The consumer's pods that read the queue and are to go on."""
    return [
        pod
        for pod in pods_of(release)
        if "deletionTimestamp" not in pod["metadata"]
        and any(
            (each["type"], each["status"]) == ("Ready", "True")
            for each in pod.get("status", {}).get("conditions", [])
        )
    ]


def works(release: AdHoc, nats: Broker) -> tuple[bool, object]:
    """Whether a pod reads the queue, or nothing is left to read: they may be faster than KEDA."""
    found = working(release), nats.ask(QUEUE, "waiting")
    return bool(found[0]) or not found[1], found


def requests_of(bundle: Bundle) -> dict[str, Any]:
    """Bodies by the id of their message, around the rows of the bundle's sample."""
    rows = json.loads(bundle.read("sample.json"))["rows"]
    chance = random.Random(3)  # noqa: S311 - rows to predict
    return {
        f"m{number}": {
            "instances": [[round(value + chance.random(), 3) for value in chance.choice(rows)]]
        }
        for number in range(MESSAGES)
    }


def test_every_request_is_answered_once_while_pods_come_and_go(
    release: AdHoc, bundle: Bundle, nats: Broker
) -> None:
    eventually("no pod waits for nothing", lambda: (not pods_of(release), pods_of(release)), 120)
    asked = requests_of(bundle)
    names = list(asked)
    size = MESSAGES // PARTS
    chance = random.Random(4)  # noqa: S311 - which pod is deleted
    interrupted = 0
    started = time.monotonic()
    for part in range(PARTS):
        if part == PARTS // 2:
            nats.kill()
            nats.start()
        nats.ask(QUEUE, "send", **{name: asked[name] for name in names[part * size :][:size]})
        eventually("a pod works, or has", lambda: works(release, nats), 120)
        if alive := working(release):
            victim = chance.choice(alive)["metadata"]["name"]
            left = nats.ask(QUEUE, "waiting")
            release.kubectl("delete", "pod", victim, "--wait=false")
            interrupted += left > 0
    eventually("all are answered", lambda: (not (left := nats.ask(QUEUE, "waiting")), left), 200)
    took = time.monotonic() - started
    measured(f"{MESSAGES} answers, {interrupted} pods deleted at work", took, 300)
    assert interrupted >= PARTS // 2
    found = nats.ask(QUEUE, "answers")
    assert found["dead"] == 0
    assert found["answers"].keys() == asked.keys()
    expected = by_http(release, asked)
    for name, answer in found["answers"].items():
        (predicted,) = answer["data"]["predictions"]
        assert (answer["status"], predicted["prediction"]) == (200, expected[name]["prediction"])
        # A hundred rows at a time are added up in another order than one.
        shares = pytest.approx(expected[name]["probability"], abs=1e-9)
        assert predicted["probability"] == shares, name
    eventually("no pod is left", lambda: (not pods_of(release), pods_of(release)), 120)


def test_the_runbooks_of_its_alerts_work_as_they_stand(loop: Loop, release: AdHoc) -> None:
    found = Release("dev", release.namespace, release.model, "", "", "")
    pages = [runbooks.PAGES / name for name in runbooks.OF_CONSUMERS]
    inside = loop.layout.inner_kubeconfig
    with observing.watching(loop, [release]) as url:
        runbooks.diagnose(loop, pages, found, url, inside, netns.enter_argv)


def by_http(release: AdHoc, asked: dict[str, Any]) -> dict[str, Any]:
    """What the release's service answers, a hundred rows at a time."""
    names = list(asked)
    found: dict[str, Any] = {}
    url = f"http://{release.get('service')['spec']['clusterIP']}/predict"
    for start in range(0, len(names), 100):
        part = names[start : start + 100]
        rows = [asked[name]["instances"][0] for name in part]
        body = json.dumps({"instances": rows}).encode()
        kind = {"Content-Type": "application/json"}
        reply = web.request("POST", url, body=body, headers=kind, in_netns=True)
        assert reply.status == 200, reply.text
        found |= dict(zip(part, json.loads(reply.text)["predictions"], strict=True))
    return found
