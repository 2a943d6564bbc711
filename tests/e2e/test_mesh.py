"""Istio in front of the chart's releases: its control plane, and a stock Envoy that it configures.

The gateway and the proxy of a pod are processes of the node; there are no sidecars in pods and no
mutual TLS, and an ambient mesh is not run.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from modelctl.cluster import transition
from sandbox import mesh as sandbox_mesh
from sandbox.components.mesh import NAMESPACE as ISTIO
from sandbox.environments import read_releases
from sandbox.layout import MESH_GATEWAY_PORT, NODE_IP

from . import mesh, session
from .ad_hoc import NAMESPACE, AdHocReleases, applied
from .calls import require_same
from .loop import Loop, eventually, measured
from .mesh import Mesh
from .progressive import NAMESPACE as PROGRESSIVE
from .progressive import Delivered, Seen, delivered, version, watching

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

FAST = {
    "consecutiveErrors": 3,
    "interval": "1s",
    "ejectionTime": "15s",
}
CANARY = {
    "strategy": "canary",
    "router": "istio",
    "abortScaleDownDelaySeconds": 5,
    "steps": {
        "10-few": {"weight": 20, "pods": 1, "pause": "25s"},
        "20-half": {"weight": 50, "pause": "10s"},
    },
    "testers": {"header": "X-Canary"},
}


@pytest.fixture(scope="module")
def gateway(loop: Loop) -> Iterator[Mesh]:
    """Istio as `make mesh` starts it, and a Service for its gateway."""
    ours = session.make_definitions(loop, "mesh", ".istio.io")
    with applied(loop, mesh.service()):
        yield Mesh(loop)
    sandbox_mesh.stop(loop.layout)
    rights = sandbox_mesh.rights(loop.layout)
    for item in rights:
        where = item["metadata"].get("namespace", "default")
        loop.kubectl("delete", item["kind"], item["metadata"]["name"], f"--namespace={where}")
    loop.kubectl("delete", "crd", *ours)
    loop.kubectl("delete", "namespace", ISTIO)


@pytest.fixture(scope="module")
def image(loop: Loop) -> str:
    """One that the node has, with Python."""
    return next(entry.image for entry in read_releases(loop.found) if entry.model == "iris")


@pytest.fixture(scope="module")
def body(sample: Path) -> bytes:
    """A request for one prediction."""
    return sample.read_bytes()


def breaker(host: str, **route: Any) -> dict[str, Any]:
    return {
        "replicaCount": 2,
        **mesh.ADMITTED,
        "istio": {
            "virtualService": mesh.routed(host, **route),
            "destinationRule": {"enabled": True, "outliers": FAST},
        },
    }


def pod_labels(name: str) -> dict[str, str]:
    """By which the Service of a release finds its pods."""
    return {"app.kubernetes.io/name": "ml-model", "app.kubernetes.io/instance": name}


def test_the_circuit_of_a_sick_pod_opens_and_closes(
    gateway: Mesh, ad_hoc: AdHocReleases, image: str, body: bytes
) -> None:
    host, labels = "breaker.example", pod_labels("breaker")
    values = breaker(host, retries={"attempts": 0})
    with ad_hoc.installed("breaker", values) as release:
        gateway.wait_routed(host)
        with mesh.stand_in(gateway.loop, "sick", image, labels) as pod:
            statuses: list[int] = []

            def ejected() -> tuple[bool, Any]:
                statuses.append(gateway.ask(host, "/predict", body).status)
                return gateway.stat("ejections_active", release) == 1, statuses

            eventually("the sick pod is ejected", ejected, 60)
            assert set(statuses) == {200, 500}
            assert statuses.count(500) == FAST["consecutiveErrors"], statuses
            # Open: the rest answers everything.
            before, started = pod.count(), time.monotonic()
            answers = gateway.statuses(200, host, body)
            took = time.monotonic() - started
            assert gateway.stat("ejections_active", release) == 1, f"over after {took:.1f} s"
            assert answers == {200: 200}
            assert pod.count() == before
            print(f"\n    open: 200 of 200 answered in {took:.1f} s", flush=True)
            # Closed: it gets requests again once it is well.
            pod.heal()

            def readmitted() -> tuple[bool, Any]:
                statuses.append(gateway.ask(host, "/predict", body).status)
                return pod.count() > before, gateway.stat("ejections_active", release)

            healed = len(statuses)
            measured("a pod that is well again", eventually("readmitted", readmitted, 60), 17)
            assert set(statuses[healed:]) == {200}
            assert gateway.stat("ejections_active", release) == 0


def test_retries_hide_a_sick_pod_from_clients(
    gateway: Mesh, ad_hoc: AdHocReleases, image: str, sample: Path
) -> None:
    host, labels = "retried.example", pod_labels("retried")
    values = breaker(host, retries={"attempts": 2, "conditions": ["5xx"]})
    with ad_hoc.installed("retried", values) as release:
        gateway.wait_routed(host)
        url = f"--url=http://{host}/predict"
        with (
            gateway.loop.probing(gateway, sample, url) as report,
            mesh.stand_in(gateway.loop, "sick-too", image, labels) as pod,
        ):
            eventually("it was asked", lambda: (pod.count() > 2, pod.count()), 30)
            eventually("ejected", lambda: (gateway.stat("ejections_active", release) == 1, ""), 30)
    assert report["failed"] == 0, report
    assert report["requests"] > 100


def test_a_mirror_gets_every_request_and_answers_none(
    gateway: Mesh, ad_hoc: AdHocReleases, image: str, body: bytes
) -> None:
    """Istio's own way, which variants of a model use."""
    host = "mirror.example"
    with (
        ad_hoc.installed("mirrored", {}) as release,
        mesh.stand_in(gateway.loop, "mirror", image, {"app": "mirror"}) as pod,
    ):
        port = {"name": "http", "port": 80, "targetPort": "http", "appProtocol": "http"}
        shadow = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "mirror", "namespace": NAMESPACE},
            "spec": {"selector": {"app": "mirror"}, "ports": [port]},
        }
        route = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "mirror", "namespace": NAMESPACE},
            "spec": {
                "hosts": [host],
                "gateways": [f"{ISTIO}/{sandbox_mesh.GATEWAY}"],
                "http": [
                    {
                        "route": [{"destination": {"host": release.model}}],
                        "mirror": {"host": "mirror"},
                        "mirrorPercentage": {"value": 100},
                    }
                ],
            },
        }
        with applied(gateway.loop, [shadow, route]):
            gateway.wait_routed(host)
            before = pod.count()
            # The mirror answers every one with an error, which nobody sees.
            assert gateway.statuses(100, host, body) == {200: 100}
            eventually("copies", lambda: (pod.count() - before == 100, pod.count() - before), 10)


def test_faults_are_injected_as_asked(gateway: Mesh, ad_hoc: AdHocReleases, body: bytes) -> None:
    host = "faults.example"
    route = mesh.routed(host, path="/iris", timeout="1s")
    values = {"istio": {"virtualService": route}, **mesh.ADMITTED}
    with ad_hoc.installed("faults", values) as release:
        gateway.wait_routed(host, "/iris/ready")
        assert gateway.ask(host, "/ready").status == 404
        assert gateway.ask(host, "/iris2/ready").status == 404
        assert gateway.ask(host, "/iris/predict", body).status == 200
        faults = {"abortPercent": 50, "abortStatus": 418}
        release.upgrade({"istio": {"virtualService": {"faults": faults}}})

        def faulty() -> tuple[bool, Any]:
            status = gateway.ask(host, "/iris/ready").status
            return status == 418, status

        eventually("a first fault", faulty, 30)
        asked = [gateway.ask(host, "/iris/predict", body).status for _ in range(200)]
        assert set(asked) == {200, 418}
        # Six standard deviations of a fair coin.
        assert 58 <= asked.count(418) <= 142, asked.count(418)


def test_a_call_of_grpc_gets_what_http_gets(
    gateway: Mesh, ad_hoc: AdHocReleases, sample: Path, body: bytes
) -> None:
    """One VirtualService and one host for both: what has gRPC's content type goes to its port."""
    host = "calls.example"
    values = {
        **mesh.ADMITTED,
        "grpc": {"enabled": True},
        "istio": {"virtualService": mesh.routed(host), "destinationRule": {"enabled": True}},
    }
    with ad_hoc.installed("calls", values):
        gateway.wait_routed(host)
        by_http = gateway.ask(host, "/predict", body)
        address = f"{NODE_IP}:{MESH_GATEWAY_PORT}"
        require_same(gateway.loop, address, host, sample, by_http)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """Of the issuer."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def token(key: rsa.RSAPrivateKey, **claims: Any) -> dict[str, str]:
    """The header of a request with these claims."""
    now = int(time.time())
    content = {"iss": "https://login.example", "sub": "a", "aud": "models", "exp": now + 600}
    encoded = jwt.encode(content | claims, key, algorithm="RS256", headers={"kid": "a"})
    return {"Authorization": f"Bearer {encoded}"}


def test_a_token_is_required_of_requests_and_of_nothing_else(
    gateway: Mesh, ad_hoc: AdHocReleases, body: bytes, key: rsa.RSAPrivateKey
) -> None:
    """At a proxy with the labels of the pod, as istiod configures the pod's own."""
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    keys = json.dumps({"keys": [public | {"kid": "a", "alg": "RS256", "use": "sig"}]})
    issuer = {"issuer": "https://login.example", "audiences": ["models"], "jwks": keys}
    values = {"istio": {"jwt": {"login": issuer}}, "test": {"enabled": False}}
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with ad_hoc.installed("tokens", values) as release, mesh.sidecar(release) as address:

        def ask(headers: dict[str, str], path: str = "/predict") -> int:
            content = body if path == "/predict" else None
            return gateway.ask("tokens", path, content, headers, address).status

        eventually("policies", lambda: ((s := ask({})) == 403, s), 60)
        assert ask(token(key)) == 200
        assert ask({}) == 403
        assert ask(token(stranger)) == 401
        assert ask(token(key, exp=int(time.time()) - 600)) == 401
        assert ask(token(key, iss="https://other.example")) == 401
        assert ask(token(key, aud="others")) == 403
        assert [ask({}, path) for path in ("/ready", "/health", "/metrics")] == [200] * 3
        assert ask({}, "/model/info") == 403


def watching_weights(release: Delivered) -> AbstractContextManager[Seen]:
    """Look at the share of the canary in its VirtualServices."""
    path = f"/apis/networking.istio.io/v1/namespaces/{PROGRESSIVE}/virtualservices"

    def weights_in(item: Any) -> list[Any]:
        return [
            target.get("weight", 0)
            for route in item["spec"]["http"]
            for target in route["route"]
            if route["name"] == "primary"
            and target["destination"]["host"] == f"{release.model}-canary"
        ]

    return watching(release, path, weights_in)


def test_rollouts_walk_a_canary_through_the_weights_of_a_virtual_service(
    loop: Loop, controller: None, gateway: Mesh, sample: Path
) -> None:
    host = "canary.mesh.example"
    values = {
        "replicaCount": 2,
        "rollout": CANARY,
        **mesh.ADMITTED,
        "istio": {
            "virtualService": mesh.routed(host),
            "destinationRule": {"enabled": True},
        },
        **version(100),
    }
    # The old version takes 100 rows, the new one 99.
    rows = json.loads((loop.found / "build/bundles/iris/sample.json").read_text())["rows"]
    many = json.dumps({"instances": (rows * 100)[:100]}).encode()
    with delivered(loop, "walked", values) as release:
        gateway.wait_routed(host)
        assert set(gateway.statuses(10, host, many)) == {200}
        url = f"--url=http://{host}/predict"
        with (
            watching_weights(release) as seen,
            loop.probing(gateway, sample, url, "--connections=2", "--pause=0.01") as report,
        ):
            release.change(version(99))
            release.wait("the first step", "Paused", step=2)
            shares = gateway.statuses(300, host, many)
            tester = gateway.statuses(20, host, many, {"X-Canary": "true"})
            assert release.transition().step == 2
            release.wait("promoted", "Healthy")
            seen.wait((0,))
            release.wait_synced()
        assert seen.values == [(0,), (20,), (50,), (100,), (0,)], seen.states
        assert report["failed"] == 0, report
        assert tester[200] == 0
        # 20 % of 300, within five standard deviations.
        assert 25 <= 300 - shares[200] <= 95, shares
        print(f"\n    at 20 %: {300 - shares[200]} of 300 got the new version", flush=True)
        assert transition.read(release.get("rollout")).is_promoted
