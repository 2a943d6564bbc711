"""The chart's cache in pods: by TLS, with the keys of a Secret and through the network policy.

A Redis of the node that is killed, and comes back empty. What one pod computed another finds; no
request notices anything else.
"""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from app.model.bundle import Bundle
from sandbox import netns, web
from sandbox.layout import NODE_IP
from tests.app.observability.metrics import samples
from tests.certificates import authority
from tests.queues.processes import Broker, program, running

from . import pushed
from .ad_hoc import NAMESPACE, AdHoc, AdHocReleases, Values, applied
from .claims import mounted, volume
from .loop import Loop, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PORT, PASSWORD = 16380, "word"
BUNDLES, SECRET = "cache-bundles", "cache"
HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Redis:
    """It speaks TLS at the node's address, and wants a password."""

    broker: Broker
    ca: Path

    def say(self, *words: str) -> str:
        """What its own client answers."""
        cli = [program("redis-cli", "redis-tools"), "-h", NODE_IP, "-p", str(PORT), "--raw"]
        argv = netns.enter_argv([*cli, "--tls", "--cacert", self.ca, "--no-auth-warning"])
        done = subprocess.run(
            [*argv, "-a", PASSWORD, *words], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()


@pytest.fixture(scope="module")
def redis(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis beside the cluster."""
    folder = tmp_path_factory.mktemp("redis")
    trusted = authority(folder / "ca")
    certificate, key = trusted.issue("redis", NODE_IP)
    argv = netns.enter_argv(
        [
            *(program("redis-server", "redis-server"), "--bind", NODE_IP, "--port", "0"),
            *("--tls-port", str(PORT), "--tls-auth-clients", "no", "--requirepass", PASSWORD),
            *("--tls-cert-file", certificate, "--tls-key-file", key),
            *("--tls-ca-cert-file", trusted.ca, "--dir", folder, "--save", ""),
        ]
    )
    url = f"rediss://{NODE_IP}:{PORT}/0"

    def answers(_: int) -> bool:
        return found.say("PING") == "PONG"

    found = Redis(Broker("redis", url, PORT, folder, argv, answers), trusted.ca)
    with running(found.broker):
        yield found


@pytest.fixture(scope="module")
def release(
    ad_hoc: AdHocReleases, bundle: Bundle, redis: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AdHoc]:
    """Two pods whose image has a client of Redis; the bundle is mounted from a claim."""
    folder = tmp_path_factory.mktemp("cache")
    image = pushed.variant(ad_hoc.loop, folder, "runtime", "serve-sklearn-cache")
    values: Values = {
        "image": image.values,
        "replicaCount": 2,
        "model": mounted(bundle, BUNDLES),
        "cache": {
            "enabled": True,
            "redis": {
                "url": redis.broker.url,
                # Of a machine that is busy with something else as well.
                "budgetMs": 1000,
                "egress": {"to": {"node": {"ipBlock": {"cidr": f"{NODE_IP}/32"}}}},
            },
            "credentials": {
                "secretName": SECRET,
                "password": "password",
                "secret": "secret",
                "ca": "ca.crt",
            },
        },
    }
    content = {"password": PASSWORD.encode(), "secret": b"s" * 32, "ca.crt": redis.ca.read_bytes()}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": NAMESPACE},
        "data": {name: base64.b64encode(value).decode() for name, value in content.items()},
    }
    volumes = volume(BUNDLES, bundle.path, "ReadOnlyMany")
    with applied(ad_hoc.loop, [secret, *volumes]), ad_hoc.installed("cached", values) as release:
        yield release


@pytest.fixture
def pods(release: AdHoc) -> tuple[str, str]:
    """The addresses of both pods, each connected to Redis."""
    found = [pod["status"]["podIP"] for pod in release.pods().values()]
    one, other = found
    wait_connected(found, to=True)
    return one, other


def wait_connected(addresses: list[str], *, to: bool) -> None:
    """Until Redis answers every worker, or none."""

    def probe() -> tuple[bool, Any]:
        states = [
            (count(each, "ml_cache_connected"), count(each, "ml_workers")) for each in addresses
        ]
        return all(connected == (workers if to else 0) for connected, workers in states), states

    eventually(f"the cache is connected: {to}", probe, 120)


def count(address: str, name: str, **labels: str) -> float:
    """The sum of a pod's series, by another reader."""
    reply = web.request("GET", f"http://{address}:8080/metrics", in_netns=True)
    assert reply.status == 200, reply.text
    return samples.total(samples.read(reply.text), name, **labels)


def ask(address: str, row: list[float]) -> dict[str, Any]:
    """What a pod predicts for a row."""
    body = json.dumps({"instances": [row]}).encode()
    url = f"http://{address}:8080/predict"
    reply = web.request("POST", url, body=body, headers=HEADERS, in_netns=True)
    assert reply.status == 200, reply.text
    (found,) = json.loads(reply.text)["predictions"]
    return dict(found)


def test_a_pod_finds_what_another_computed(pods: tuple[str, str], redis: Redis) -> None:
    one, other = pods
    before = count(other, "ml_cache_misses_total")
    expected = ask(one, [5.1, 3.5, 1.4, 0.2])
    eventually("it is written", lambda: ((size := redis.say("DBSIZE")) == "1", size), 60)
    assert ask(other, [5.1, 3.5, 1.4, 0.2]) == expected
    assert count(other, "ml_cache_hits_total", level="redis") == 1
    assert count(other, "ml_cache_misses_total") == before


def test_a_redis_that_goes_costs_no_request_and_is_used_when_it_is_back(
    pods: tuple[str, str], redis: Redis
) -> None:
    rows = [[6.0, 2.9, 4.5, number / 10] for number in range(40)]
    expected = [ask(pods[0], row) for row in rows]
    redis.broker.kill()
    assert [ask(pods[1], row) for row in rows] == expected
    # Who asks it nothing does not notice; what was asked before is in memory.
    ask(pods[0], [6.0, 2.9, 4.6, 0.0])
    wait_connected(list(pods), to=False)
    redis.broker.start()
    wait_connected(list(pods), to=True)
    assert redis.say("DBSIZE") == "0"
    ask(pods[0], [6.5, 3.0, 5.5, 2.0])
    eventually("it is written", lambda: ((size := redis.say("DBSIZE")) == "1", size), 60)
