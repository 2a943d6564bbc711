"""The chart's trainings by real KEDA: one message is one Job, and its bundle serves.

The trainer's image, NATS on the node, and a folder of the node as the store. A second message with
the same id has a result already, and nothing is trained for it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app.model.bundle import Bundle, verify
from sandbox import web
from sandbox.layout import NODE_IP

from . import pushed
from .ad_hoc import AdHoc, AdHocReleases, Values, applied
from .batching import job_state
from .claims import mounted, volume
from .keda import scaling
from .loop import eventually
from .queueing import MONITORING, URL, Broker, broker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUEUE, BUNDLES, RESULTS = "iris-trainings", "training-served", "training-results"
DEADLINE_SECONDS, READY_SECONDS = 600, 60


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker beside the cluster."""
    with broker(tmp_path_factory.mktemp("nats")) as found:
        yield found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the node that the trainer, which is not root, may write to."""
    folder = tmp_path_factory.mktemp("store")
    for path in (folder, folder.parent):
        path.chmod(0o755)
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="module")
def release(
    ad_hoc: AdHocReleases,
    bundle: Bundle,
    nats: Broker,
    store: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AdHoc]:
    """A release with a training for the messages of a queue; its bundle is mounted from a claim."""
    folder = tmp_path_factory.mktemp("images")
    runtime = pushed.runtime(ad_hoc.loop, folder)
    trainer = pushed.variant(ad_hoc.loop, folder, "trainer", "train")
    values: Values = {
        "image": runtime.values,
        "model": mounted(bundle, BUNDLES),
        "training": {
            "asked": {
                "out": "/results/models",
                "image": trainer.values,
                "queue": {
                    "url": URL,
                    "ackSeconds": 10,
                    "egress": {"to": {"node": {"ipBlock": {"cidr": f"{NODE_IP}/32"}}}},
                },
                "keda": {"maxReplicas": 3, "pollingInterval": 5, "nats": {"endpoint": MONITORING}},
                "volumes": {
                    "results": {
                        "source": {"persistentVolumeClaim": {"claimName": RESULTS}},
                        "mountPath": "/results",
                        "readOnly": False,
                    }
                },
            }
        },
    }
    volumes = [
        *volume(BUNDLES, bundle.path, "ReadOnlyMany"),
        *volume(RESULTS, store, "ReadWriteMany"),
    ]
    with (
        scaling(ad_hoc.loop),
        applied(ad_hoc.loop, volumes),
        # KEDA calls a ScaledJob ready once it can count.
        ad_hoc.installed("training", values, wait=False) as release,
    ):
        # What a first trainer makes: the stream, and the consumer that KEDA counts by.
        release.kubectl("create", "job", f"--from=cronjob/{release.model}-training-asked", "first")
        eventually("the queue exists", lambda: _completed(release, "first"), DEADLINE_SECONDS)
        scaled = f"scaledjob/{release.model}-training-asked"
        release.kubectl("wait", scaled, "--for=condition=Ready", f"--timeout={READY_SECONDS}s")
        release.wait_ready()
        yield release


def _completed(release: AdHoc, job: str) -> tuple[bool, Any]:
    state, status = job_state(release, job)
    return "Complete" in state, status


def jobs_of(release: AdHoc) -> dict[str, set[str]]:
    """The Jobs that KEDA started, and which of their conditions are true."""
    name = f"{release.model}-training-asked"
    items = release.get("jobs", f"--selector=scaledjob.keda.sh/name={name}")["items"]
    return {
        item["metadata"]["name"]: {
            each["type"]
            for each in item["status"].get("conditions", [])
            if each["status"] == "True"
        }
        for item in items
    }


def ask(release: AdHoc, nats: Broker, name: str, body: dict[str, Any]) -> dict[str, set[str]]:
    """Send a message, wait until it is settled and its Job has ended; returns all Jobs."""
    before = set(jobs_of(release))
    nats.ask(QUEUE, "send", **{name: body})

    def settled() -> tuple[bool, Any]:
        jobs = jobs_of(release)
        ended = all("Complete" in state or "Failed" in state for state in jobs.values())
        waiting = nats.ask(QUEUE, "waiting")
        return bool(set(jobs) - before) and ended and not waiting, (jobs, waiting)

    eventually(f"{name} is settled", settled, DEADLINE_SECONDS)
    return jobs_of(release)


def stored(store: Path) -> dict[str, bytes]:
    """Every file of the store, by its path."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file()
    }


def test_one_message_is_one_job_whose_bundle_serves_and_an_id_is_trained_once(
    release: AdHoc, nats: Broker, store: Path
) -> None:
    assert jobs_of(release) == {}
    jobs = ask(release, nats, "monday", {"model": "iris"})
    assert [state & {"Complete", "Failed"} for state in jobs.values()] == [{"Complete"}]
    answers = nats.ask(QUEUE, "answers")
    assert answers["dead"] == 0
    result = answers["answers"]["monday"]["data"]
    place = f"iris/bundles/{result['digest'].removeprefix('sha256:')}"
    trained = verify(store / "models" / place)
    assert trained.digest == result["digest"]

    before = stored(store)
    again = ask(release, nats, "monday", {"model": "iris"})
    assert len(again) == 2
    assert all("Complete" in state for state in again.values())
    assert stored(store) == before

    served = {
        "model": {
            "digest": trained.digest,
            "version": trained.manifest["version"],
            "claim": {"name": RESULTS, "path": f"models/{place}"},
        }
    }
    release.upgrade(served)
    url = f"http://{release.get('service')['spec']['clusterIP']}/model/info"

    def is_served() -> tuple[bool, Any]:
        """A pod that ends answers for some seconds more."""
        found = json.loads(web.request("GET", url, in_netns=True).text)["digest"]
        return found == trained.digest, found

    eventually("the trained bundle is served", is_served, DEADLINE_SECONDS)
