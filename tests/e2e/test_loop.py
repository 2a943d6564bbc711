"""A git commit becomes a served model, and nothing else changes."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox import images, lock, predictions, releases, web
from sandbox.addresses import read_addresses, service_target
from sandbox.buildah import open_storage
from sandbox.bundles import read_bundle, run_modelctl
from sandbox.environments import models_of

from .loop import Loop, eventually, measured

pytestmark = pytest.mark.loop

COMMIT_TO_SERVING_SECONDS = 30


def set_value(path: Path, section: str, key: str, value: Any) -> None:
    """Set a scalar below a top-level section of a value file, as an editor would."""
    text = path.read_text()
    line = f"  {key}: {value}"
    changed, count = re.subn(rf"^  {key}: .*$", line, text, flags=re.MULTILINE)
    if not count:
        changed, count = re.subn(rf"^{section}:\n", f"{section}:\n{line}\n", text, flags=re.M)
    if not count:
        changed = f"{text.rstrip()}\n{section}:\n{line}\n"
    path.write_text(changed)


def post(url: str, document: Any) -> web.Reply:
    headers = {"Content-Type": "application/json"}
    return web.request("POST", url, body=json.dumps(document).encode(), headers=headers)


def test_every_release_answers_with_the_digest_in_git(loop: Loop) -> None:
    found = {release.name for release in loop.releases}
    set_up = {
        f"{environment.name}-{model}"
        for environment in loop.environments
        for model in models_of(loop.worktree, environment.name)
    }
    assert found == set_up
    assert {
        f"{e.name}-{model}" for e in loop.environments for model in ("iris", "penguins")
    } <= found
    for release in loop.releases:
        bundle = loop.worktree / "build/bundles" / release.model
        checked = predictions.check(
            release,
            read_addresses(loop.layout)[service_target(release.namespace, release.model)],
            read_bundle(loop.layout, loop.worktree, bundle),
        )
        status = loop.application(release.name)
        assert status["sync"]["status"] == "Synced"
        assert status["health"]["status"] == "Healthy"
        assert checked.prediction


def test_make_status_shows_that_git_and_the_cluster_agree(loop: Loop) -> None:
    table = loop.status()
    for release in loop.releases:
        short = release.digest.removeprefix("sha256:")[:12]
        row = next(
            line
            for line in table.splitlines()
            if line.split()[:2] == [release.environment, release.model]
        )
        assert row.split()[2:8] == [
            *(release.version, short, "Synced", "Healthy", release.version, short)
        ]


def test_a_changed_setting_rolls_only_that_release(loop: Loop) -> None:
    path = "environments/dev/iris/settings.yaml"
    release = loop.release("dev-iris")
    url = f"{loop.url(release)}/predict/batch"
    rows = json.loads((loop.worktree / "build/bundles/iris/sample.json").read_text())["rows"]
    nine = {"instances": (rows * 9)[:9]}
    assert post(url, nine).status == 200
    before = loop.pods()
    started = time.monotonic()
    with loop.change(
        lambda: set_value(loop.worktree / path, "config", "maxBatchRows", 8),
        "Smaller batches for iris in dev",
        path,
    ):
        eventually(
            "nine rows are too many",
            lambda: ((reply := post(url, nine)).status in (413, 422), reply.text),
            3 * COMMIT_TO_SERVING_SECONDS,
        )
        seconds = time.monotonic() - started
        measured("a pushed setting is served", seconds, COMMIT_TO_SERVING_SECONDS)
        loop.wait_synced()
        eventually(
            "the old pod is gone",
            lambda: (not (loop.pods()["dev-iris"] & before["dev-iris"]), loop.pods()["dev-iris"]),
            60,
        )
        after = loop.pods()
        for name in sorted(before):
            if name != "dev-iris":
                assert after[name] == before[name], f"{name} was rolled too"


@pytest.mark.parametrize("environment", ["dev"])
def test_a_new_model_version_rolls_without_a_failed_request(
    loop: Loop, sample: Path, environment: str
) -> None:
    release = loop.release(f"{environment}-iris")
    version = f"{release.version}-e2e"
    bundle_folder = loop.worktree / "build/e2e-bundle"
    # The same estimator under a new version: another manifest, so another digest.
    run_modelctl(
        loop.layout,
        loop.worktree,
        *("package", "build/training/iris", "--config", "models/iris/model.yaml"),
        *("--version", version, "--out", bundle_folder),
    )
    bundle = replace(read_bundle(loop.layout, loop.worktree, bundle_folder), folder=bundle_folder)
    assert bundle.digest != release.digest
    # A build throws away what it finds of others.
    with lock.exclusive(wait=True):
        image = images.ensure_image(loop.layout, open_storage(loop.layout), loop.gitops, bundle)
    path = f"environments/{environment}/iris/version.yaml"
    url = f"{loop.url(release)}/model/info"

    def answers() -> tuple[bool, str]:
        reply = web.request("GET", url)
        return bundle.digest in reply.text, reply.text

    with loop.probing(release, sample) as report:
        started = time.monotonic()
        with loop.change(
            lambda: releases.bump(loop.layout, loop.gitops, environment, bundle, image),
            "Bump",
            path,
        ):
            eventually("the new version answers", answers, 3 * COMMIT_TO_SERVING_SECONDS)
            seconds = time.monotonic() - started
            measured("a pushed version is served", seconds, COMMIT_TO_SERVING_SECONDS)
            loop.wait_synced()
            wait_for_one_generation(loop, release.name)
        wait_for_one_generation(loop, release.name)
    assert report["failed"] == 0, report
    assert set(report["versions"]) == {release.version, version}, report
    assert report["requests"] > 100, report
    assert loop.release(release.name) == release


def wait_for_one_generation(loop: Loop, name: str) -> None:
    """Wait until the pods of the version before have ended too: their drain counts as well."""
    release = loop.release(name)
    place = f"--namespace={release.namespace}"
    selector = f"--selector=app.kubernetes.io/instance={release.model},pod-template-hash"

    def probe() -> tuple[bool, Any]:
        wanted = loop.get("deployment", release.model, place)["spec"]["replicas"]
        # Those that are ending as well: they answer on connections that were open before.
        pods = [pod["metadata"] for pod in loop.get("pods", place, selector)["items"]]
        generations = {pod["labels"]["pod-template-hash"] for pod in pods}
        is_one = len(generations) == 1 and len(pods) == wanted
        return is_one and not any("deletionTimestamp" in pod for pod in pods), pods

    eventually("the old pods have ended", probe, 90)
