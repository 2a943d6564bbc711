"""Every place that a bundle can come from really serves it, on either engine.

The bundle inside the image is what all other tests run, and downloads have tests of their own. Here
one image without a model serves a bundle of a claim on the sklearn engine, and a bundle that is an
image of its own on the ONNX engine.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.model.bundle import Bundle, verify
from sandbox import predictions, web
from tests import rendering, trained

from . import pushed
from .ad_hoc import NAMESPACE, AdHoc, AdHocReleases, Values, applied, merged
from .loop import Loop, measured

if TYPE_CHECKING:
    from collections.abc import Iterator


# As in the recipe `existing-claim`.
CLAIM = "bundles"


@pytest.fixture(scope="module")
def runtime(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Values:
    """The values that name an image without a model; the sklearn engine wants more memory."""
    image = pushed.runtime(loop, tmp_path_factory.mktemp("runtime"))
    return {
        "image": image.values,
        "resources": {"requests": {"memory": "384Mi"}, "limits": {"memory": "384Mi"}},
    }


@pytest.fixture(scope="module")
def claimed(
    ad_hoc: AdHocReleases, runtime: Values, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[AdHoc, Bundle]]:
    """A release that serves a bundle of the sklearn engine from a claim."""
    bundle = verify(trained.bundle("iris", "sklearn"))
    disk = tmp_path_factory.mktemp("disk")
    shutil.copytree(bundle.path, disk / "iris" / bundle.manifest["version"])
    values = merged(runtime, {"model": identity(bundle)})
    with (
        applied(ad_hoc.loop, volume(disk)),
        ad_hoc.installed("claimed", values, recipe="existing-claim", wait=False) as release,
    ):
        yield release, bundle


@pytest.fixture(scope="module")
def mounted(
    ad_hoc: AdHocReleases, runtime: Values, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[AdHoc, Bundle]]:
    """A release that serves a bundle of the ONNX engine from an image volume."""
    bundle = verify(ad_hoc.loop.found / "build" / "bundles" / "iris")
    image = pushed.bundle(ad_hoc.loop, bundle, tmp_path_factory.mktemp("bundle"))
    source = {"imageVolume": {"repository": image.repository}}
    values = merged(runtime, {"model": {**identity(bundle), **source}})
    with ad_hoc.installed("mounted", values, recipe="image-volume", wait=False) as release:
        yield release, bundle


def identity(bundle: Bundle) -> Values:
    """The values that say which bundle it has to be."""
    return {"name": "iris", "version": bundle.manifest["version"], "digest": bundle.digest}


def volume(folder: Path) -> list[rendering.Manifest]:
    """A folder of the node as a volume that any number of pods may read, and the claim on it."""
    shared = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM, "namespace": NAMESPACE},
            "spec": {**shared, "resources": {"requests": {"storage": "1Mi"}}, "volumeName": CLAIM},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": CLAIM},
            "spec": {
                **shared,
                "capacity": {"storage": "1Mi"},
                "claimRef": {"name": CLAIM, "namespace": NAMESPACE},
                "hostPath": {"path": str(folder), "type": "Directory"},
                "persistentVolumeReclaimPolicy": "Retain",
            },
        },
    ]


def ask(release: AdHoc, method: str, path: str, body: Any = None) -> Any:
    """What the release's Service answers inside the cluster's network."""
    url = f"http://{release.get('service')['spec']['clusterIP']}{path}"
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    reply = web.request(method, url, body=data, headers=headers, in_netns=True)
    assert reply.status == 200, reply.text
    return json.loads(reply.body)


@pytest.mark.parametrize(
    ("source", "engine", "kind"),
    [("claimed", "sklearn", "persistentVolumeClaim"), ("mounted", "onnx", "image")],
    ids=["claim", "image-volume"],
)
def test_a_bundle_outside_the_image_is_served(
    request: pytest.FixtureRequest,
    loop: Loop,
    sample: Path,
    source: str,
    engine: str,
    kind: str,
) -> None:
    started = time.monotonic()
    release, bundle = request.getfixturevalue(source)
    release.wait_ready()
    measured(f"{source}: image, install and start", time.monotonic() - started, 90)
    with loop.probing(release, sample) as report:
        said = release.test()
    assert f"OK: iris {bundle.manifest['version']} {bundle.digest}" in said
    assert report["failed"] == 0, report
    assert ask(release, "GET", "/model/info")["engine"] == engine
    packaged = json.loads(bundle.read("sample.json"))
    for row, expected in zip(packaged["rows"], packaged["predictions"], strict=True):
        answer = ask(release, "POST", "/predict", {"features": row})
        assert predictions.is_same_prediction(expected, answer["prediction"]), row
    (pod,) = release.pods().values()
    assert kind in next(item for item in pod["spec"]["volumes"] if item["name"] == "model")
