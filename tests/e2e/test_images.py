"""Every image of the Dockerfile, built: alike in two builds, small, labelled, and of use.

The base is the sandbox's Debian, not the official image; what is measured lies above it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.base import base_image
from sandbox.buildah import open_storage
from sandbox.images import Image
from sandbox.proc import run

from . import pushed
from .ad_hoc import NAMESPACE, AdHocReleases
from .loop import Loop, eventually

# Target and requirements of each, and the most that its layers may weigh above the base.
VARIANTS = {
    "runtime-serve": ("runtime", "serve", 150),
    "runtime-serve-sklearn": ("runtime", "serve-sklearn", 350),
    "runtime-serve-boosters": ("runtime", "serve-boosters", 720),
    "runtime-batch": ("runtime", "batch", 360),
    "fetch-fetch": ("fetch", "fetch", 50),
    "trainer-train": ("trainer", "train", 950),
}


@dataclass(frozen=True)
class Built:
    """An image in the registry, and what buildah knows of it."""

    image: Image
    facts: dict[str, Any]

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.facts["OCIv1"]["config"]
        return config

    @property
    def layers(self) -> list[dict[str, Any]]:
        layers: list[dict[str, Any]] = json.loads(self.facts["Manifest"])["layers"]
        return layers


def inspect(loop: Loop, name: str) -> dict[str, Any]:
    argv = open_storage(loop.layout).argv("inspect", "--type", "image", name)
    facts: dict[str, Any] = json.loads(run(argv).stdout)
    return facts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module", params=VARIANTS)
def built(request: pytest.FixtureRequest, loop: Loop, folder: Path) -> Built:
    target, requirements, _ = VARIANTS[request.param]
    image = pushed.variant(loop, folder, target, requirements)
    return Built(image, inspect(loop, pushed.local_name(request.param)))


def test_the_layers_over_the_base_are_held_to_a_size(loop: Loop, built: Built) -> None:
    target, requirements, limit = VARIANTS[built.image.repository.rpartition("/")[2]]
    base = json.loads(inspect(loop, base_image())["Manifest"])["layers"]
    assert [one["digest"] for one in built.layers[: len(base)]] == [one["digest"] for one in base]
    megabytes = sum(one["size"] for one in built.layers[len(base) :]) / 1e6
    # Measured: as the layers are on a disk, not as they travel.
    print(f"\n{target} with {requirements}: {megabytes:.0f} MB over the base (<= {limit})", end=" ")
    assert megabytes <= limit


def test_it_says_what_it_is_and_runs_as_nobody(built: Built) -> None:
    labels = built.config["Labels"]
    target = built.image.repository.rpartition("/")[2].partition("-")[0]
    assert labels["org.opencontainers.image.title"] == f"ml-model/{target}"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.base.name"] == base_image()
    assert built.config["User"] == "10001:10001"
    # One time for everything, or no two builds are alike.
    assert built.facts["OCIv1"]["created"] == "1970-01-01T00:00:00Z"


def test_variants_share_what_they_can(loop: Loop, folder: Path) -> None:
    """The user's own layer is the same in all of them; so is the installer, which no image has."""
    first, second = (
        json.loads(inspect(loop, pushed.local_name(name))["Manifest"])["layers"][1]["digest"]
        for name in ("runtime-serve", "fetch-fetch")
    )
    assert first == second


def test_a_second_build_from_nothing_gives_the_same_digest(loop: Loop, folder: Path) -> None:
    kept = pushed.variant(loop, folder, "runtime", "serve")
    again = pushed.variant(loop, folder, "runtime", "serve", no_cache=True)
    assert again.digest == kept.digest


# The last line that it prints: the manifest, as it was published.
TRAIN = (
    "python -m modelctl train iris --out build/trained"
    " && python -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1]))))'"
    " build/trained/iris/bundles/*/manifest.json"
)


def test_the_trainer_trains_and_publishes_in_a_pod_that_may_write_little(
    loop: Loop, ad_hoc: AdHocReleases, folder: Path
) -> None:
    image = pushed.variant(loop, folder, "trainer", "train")
    name = "trainer"
    here = f"--namespace={NAMESPACE}"
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": one, "emptyDir": {}} for one in ("build", "tmp")],
        "containers": [
            {
                "name": name,
                "image": str(image),
                "command": ["sh", "-ec", TRAIN],
                "securityContext": restricted,
                "resources": {"limits": {"memory": "1Gi"}},
                "volumeMounts": [
                    {"name": "build", "mountPath": "/repository/build"},
                    {"name": "tmp", "mountPath": "/tmp"},
                ],
            }
        ],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    try:
        loop.kubectl("create", here, "--filename=-", stdin=json.dumps(pod))

        def ended() -> tuple[bool, str]:
            phase = loop.get("pod", name, here)["status"]["phase"]
            return phase in ("Succeeded", "Failed"), phase

        eventually("the training", ended, 300)
        said = loop.kubectl("logs", name, here)
        assert ended()[1] == "Succeeded", said
        manifest = json.loads(said.splitlines()[-1])
        assert manifest["training"]["commit"] == pushed.ORIGIN["commit"]
        assert manifest["created"] == pushed.ORIGIN["created"]
    finally:
        loop.kubectl("delete", "pod", name, here, "--ignore-not-found", "--wait=false")
