"""A bundle downloaded at the start of a pod is served, and another than the one in git never is.

The store is a real minio beside the cluster, reached from the pods with credentials of a Secret;
the model's image holds no model. The old pods go on answering while a new one is refused.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.model.bundle import Bundle
from sandbox import netns, web
from sandbox.layout import NODE_IP
from sandbox.wait import Answer, wait_until
from tests import rendering
from tests.fetch.servers import BUCKET, KEY, SECRET

from . import pushed
from .ad_hoc import NAMESPACE, AdHoc, AdHocReleases, Values, applied
from .loop import Loop, eventually, measured

if TYPE_CHECKING:
    from sandbox.images import Image


PORT = 19000
ENDPOINT = f"http://{NODE_IP}:{PORT}"
CREDENTIALS = "iris-bundles"
WRONG = "sha256:" + "0" * 64
# Run inside the cluster's network, where the store is: upload a folder.
UPLOAD = """\
import sys, pathlib, obstore
from obstore.store import S3Store
endpoint, bucket, key, secret, folder, place = sys.argv[1:]
store = S3Store(bucket, endpoint=endpoint, access_key_id=key, secret_access_key=secret,
                client_options={"allow_http": True})
for path in pathlib.Path(folder).rglob("*"):
    if path.is_file():
        obstore.put(store, f"{place}/{path.relative_to(folder)}", path)
"""


@pytest.fixture(scope="module")
def stored(loop: Loop, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bundle's URL in a store that runs on the node's address."""
    folder = tmp_path_factory.mktemp("minio")
    (folder / "data" / BUCKET).mkdir(parents=True)
    argv = netns.enter_argv(
        [
            *(rendering.tool("minio"), "server", folder / "data"),
            *("--address", f"{NODE_IP}:{PORT}", "--certs-dir", folder / "certs"),
        ]
    )
    environ = {
        "HOME": str(folder),
        "MINIO_BROWSER": "off",
        "MINIO_ROOT_PASSWORD": SECRET,
        "MINIO_ROOT_USER": KEY,
    }
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(argv, env=environ, stdout=output, stderr=output) as process,
    ):
        try:

            def ready() -> Answer:
                reply = web.request("GET", f"{ENDPOINT}/minio/health/ready", in_netns=True)
                return Answer(reply.status == 200, reply.text + log.read_text()[-200:])

            wait_until("the store answers", ready, 120, interval_seconds=0.2)
            place = f"iris/{bundle.manifest['version']}"
            words: list[str | Path] = [ENDPOINT, BUCKET, KEY, SECRET, bundle.path, place]
            argv = netns.enter_argv([sys.executable, "-c", UPLOAD, *words])
            subprocess.run(argv, check=True, env={"PATH": "/usr/bin:/bin"})
            yield f"s3://{BUCKET}/{place}"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def release(
    ad_hoc: AdHocReleases,
    stored: str,
    bundle: Bundle,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AdHoc]:
    """A release of an image without a model, whose bundle is downloaded."""
    folder = tmp_path_factory.mktemp("images")
    runtime, fetch = pushed.runtime(ad_hoc.loop, folder), pushed.fetch(ad_hoc.loop, folder)
    values: Values = {
        "image": named(runtime),
        "model": {
            "name": "iris",
            "version": bundle.manifest["version"],
            "digest": bundle.digest,
            "download": {
                "url": stored,
                "image": named(fetch),
                "endpoint": ENDPOINT,
                "allowHttp": True,
                "secretName": CREDENTIALS,
                "egress": {"to": {"store": {"ipBlock": {"cidr": f"{NODE_IP}/32"}}}},
            },
        },
        "requireDigest": True,
    }
    data = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": CREDENTIALS, "namespace": NAMESPACE},
        "stringData": data,
    }
    with (
        applied(ad_hoc.loop, [secret]),
        ad_hoc.installed("downloaded", values, wait=False) as installed,
    ):
        yield installed


def named(image: Image) -> Values:
    """An image as the chart's values name it."""
    return image.values


def lines(release: AdHoc, pod: str) -> list[dict[str, Any]]:
    """What the init container of a pod has logged."""
    text = release.kubectl("logs", pod, "--container=fetch", check=False)
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_a_downloaded_bundle_is_served(release: AdHoc, bundle: Bundle) -> None:
    started = time.monotonic()
    release.wait_ready()
    measured("downloaded: install and start", time.monotonic() - started, 60)
    ((name, pod),) = release.pods().items()
    said = lines(release, name)
    assert [line["event"] for line in said][:2] == ["fetch_started", "manifest_verified"]
    assert said[-1]["event"] == "fetch_completed"
    print(f"\n    downloaded: {said[-1]['bytes']} bytes in {said[-1]['seconds']} s", flush=True)
    mounts = {mount["name"]: mount for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounts["model"]["readOnly"] is True
    assert f"OK: iris {bundle.manifest['version']} {bundle.digest}" in release.test()


def test_a_wrong_digest_in_git_never_serves_and_the_log_says_why(
    loop: Loop, release: AdHoc, bundle: Bundle, sample: Path
) -> None:
    release.wait_ready()
    (serving,) = release.ready_pods()
    model = release.values["model"]
    with loop.probing(release, sample) as report:
        release.values = {**release.values, "model": {**model, "digest": WRONG}}
        release.install(wait=False)
        eventually("the new pod is refused", lambda: refused(release, serving), 120)
        (name,) = set(release.pods()) - {serving}
        line = reason(release, name)
        assert line["event"] == "fetch_refused"
        assert (line["expected"], line["found"]) == (WRONG, bundle.digest)
        assert "correct the digest in git" in line["fix"]
        status = release.pods()[name]["status"]["containerStatuses"][0]
        assert status["started"] is False
        assert "terminated" not in status["lastState"]
        assert release.ready_pods() == [serving]
    assert report["failed"] == 0, report


def reason(release: AdHoc, pod: str) -> dict[str, Any]:
    """The line of its log that says why; a container that was just started again has none yet."""
    found: list[dict[str, Any]] = []

    def probe() -> tuple[bool, Any]:
        found[:] = [line for line in lines(release, pod) if line["event"] == "fetch_refused"]
        return bool(found), found

    eventually("its log says why", probe, 120)
    return found[-1]


def refused(release: AdHoc, serving: str) -> tuple[bool, Any]:
    """Whether the init container of a new pod has ended with our exit code and reason."""
    for name, pod in release.pods().items():
        for status in pod["status"].get("initContainerStatuses", []):
            states = [status["state"], status.get("lastState", {})]
            ends = [state["terminated"] for state in states if "terminated" in state]
            if name != serving and any(
                end["exitCode"] == 3 and WRONG in end.get("message", "") for end in ends
            ):
                return True, ends
    return False, list(release.pods())
