"""Who says that an image is ours, and what is refused: real signatures in a real registry."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import web
from sandbox.layout import REGISTRY
from tests.paths import ROOT

from . import pushed
from .ad_hoc import NAMESPACE, AdHocReleases, applied, restricted_namespace
from .loop import Loop, eventually

POLICY = ROOT / "deploy/admission/images.yaml"
PINNED = "admission"
DIGEST = "sha256:" + "0" * 64


def make(target: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a make target in the sandbox's network."""
    argv = ["make", "--no-print-directory", target, "IN_SANDBOX=yes"]
    argv += [f"{name}={value}" for name, value in variables.items()]
    environ = {**os.environ, "COSIGN_PASSWORD": "of-a-test"}
    return subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True)


def done(target: str, **variables: str) -> None:
    finished = make(target, **variables)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A private key of our own; its public half is beside it."""
    path = str(tmp_path_factory.mktemp("keys") / "ours.key")
    done("signing-key", KEY=path)
    return path


def public(key: str) -> str:
    return key.replace(".key", ".pub")


@pytest.fixture(scope="module")
def image(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image that nobody else signs, whatever ran before."""
    folder = tmp_path_factory.mktemp("signed")
    name = re.sub(r"\W", "-", str(folder)).lower().strip("-")
    return pushed.scratch(loop, folder, f"signed/{name}")


def test_an_unsigned_image_is_refused_a_signed_one_is_not(image: str, key: str) -> None:
    refused = make("verify-signature", IMAGE=image, PUBLIC_KEY=public(key))
    assert refused.returncode != 0
    assert "no signatures found" in refused.stderr
    done("sign", IMAGE=image, KEY=key)
    done("verify-signature", IMAGE=image, PUBLIC_KEY=public(key))


def test_a_signature_by_another_key_is_refused(image: str, key: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other.key")
    done("signing-key", KEY=other)
    done("sign", IMAGE=image, KEY=other)
    done("verify-signature", IMAGE=image, PUBLIC_KEY=public(other))
    stranger = str(tmp_path / "stranger.key")
    done("signing-key", KEY=stranger)
    refused = make("verify-signature", IMAGE=image, PUBLIC_KEY=public(stranger))
    assert refused.returncode != 0


def test_a_tag_is_not_signed(image: str, key: str) -> None:
    refused = make("sign", IMAGE=image.partition("@")[0] + ":latest", KEY=key)
    assert refused.returncode != 0
    assert "has no digest" in refused.stdout


def test_what_an_image_consists_of_is_attached_and_signed(
    loop: Loop, ad_hoc: AdHocReleases, image: str, key: str, tmp_path: Path
) -> None:
    """The list comes out of a pod that runs; the image it is attached to is a stand-in."""
    refused = make("verify-attestations", IMAGE=image, PUBLIC_KEY=public(key))
    assert refused.returncode != 0
    inventory = tmp_path / "inventory.json"
    script = (ROOT / "modelctl/supply/inventory.py").read_text()
    with ad_hoc.installed("listed", {}) as release:
        where = (f"deployment/{release.model}", f"--namespace={release.namespace}")
        listed = loop.kubectl("exec", "--stdin", *where, "--", "python", "-", stdin=script)
        inventory.write_text(listed)
    installed = json.loads(inventory.read_text())
    assert installed["python"].startswith("3.13")
    assert len(installed["debian_packages"]) > 50

    files = {"SBOM": str(tmp_path / "sbom.json"), "PROVENANCE": str(tmp_path / "from.json")}
    # Of the commit that the pod's image was built from, which may be older than this checkout.
    locks = {"LOCKS": str(loop.worktree / "requirements")}
    where = {"MODEL": "iris", "IMAGE": image, **files, **locks}
    done("sbom", **where, INVENTORY=str(inventory), BUNDLES=str(loop.found / "build/bundles"))
    done("provenance", **where, BUNDLES=str(loop.found / "build/bundles"))
    done("attest", **where, KEY=key)
    done("verify-attestations", IMAGE=image, PUBLIC_KEY=public(key))

    bill = json.loads(Path(files["SBOM"]).read_text())
    purls = [entry.get("purl", "") for entry in bill["components"]]
    assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in purls)
    assert any(purl.startswith("pkg:pypi/onnxruntime@") for purl in purls)
    assert not any("scikit-learn" in purl for purl in purls)


def test_the_chart_is_signed_like_an_image(loop: Loop, key: str) -> None:
    version = yaml.safe_load((ROOT / "charts/ml-model/Chart.yaml").read_text())["version"]
    url = f"http://{REGISTRY}/v2/charts/ml-model/manifests/{version}"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    digest = web.request("HEAD", url, headers=accept, in_netns=True).headers[
        "docker-content-digest"
    ]
    chart = f"{REGISTRY}/charts/ml-model@{digest}"
    assert make("verify-signature", IMAGE=chart, PUBLIC_KEY=public(key)).returncode != 0
    done("sign", IMAGE=chart, KEY=key)
    done("verify-signature", IMAGE=chart, PUBLIC_KEY=public(key))


def policy() -> list[dict[str, Any]]:
    """The file that users apply, with the sandbox's registry for theirs."""
    text = POLICY.read_text().replace("ghcr.io/OWNER/REPOSITORY/", f"{REGISTRY}/")
    return list(yaml.safe_load_all(text))


@pytest.fixture(scope="module")
def pinned(loop: Loop) -> Iterator[str]:
    """A namespace under the policy, once the API server has taken notice of it."""
    namespace = restricted_namespace(PINNED)
    namespace["metadata"]["labels"]["ml-model/images"] = "pinned"
    first, *rest = policy()
    with applied(loop, [first, namespace]), applied(loop, rest):
        eventually(
            "the policy",
            lambda: ((said := ask(loop, "docker.io/library/x:1")).startswith("Error"), said),
            60,
        )
        yield PINNED


def ask(loop: Loop, image: str, *more: str, namespace: str = PINNED, **spec: Any) -> str:
    """What the API server says to a pod, which it would otherwise make."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    names = ["model", *(f"more{number}" for number in range(len(more)))]
    containers = [
        {"name": name, "image": one, "securityContext": security}
        for name, one in zip(names, [image, *more], strict=True)
    ]
    body = {"containers": containers[:1], "initContainers": containers[1:], **spec}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "asked"}, "spec": body}
    return loop.kubectl(
        *("create", "--dry-run=server", f"--namespace={namespace}", "--filename=-"),
        stdin=json.dumps(pod),
        check=False,
    )


OURS = f"{REGISTRY}/iris@{DIGEST}"
REFUSED = {
    "tag": ((f"{REGISTRY}/iris:1.0.0",), "not pinned by digest: "),
    "elsewhere": ((f"docker.io/library/iris@{DIGEST}",), "not from an allowed registry: "),
    "looks alike": ((f"{REGISTRY}1/iris@{DIGEST}",), "not from an allowed registry: "),
    "init container": ((OURS, f"{REGISTRY}/fetch:1"), "not pinned by digest: "),
}


@pytest.mark.parametrize(("images", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_pod_with_such_an_image_is_refused(
    loop: Loop, pinned: str, images: tuple[str, ...], reason: str
) -> None:
    assert f"{reason}{images[-1]}" in ask(loop, *images)


def test_a_bundle_in_an_image_from_elsewhere_is_refused(loop: Loop, pinned: str) -> None:
    foreign = {"name": "model", "image": {"reference": "docker.io/library/bundle:1.0.0"}}
    assert "not from an allowed registry: docker.io" in ask(loop, OURS, volumes=[foreign])
    ours = {"name": "model", "image": {"reference": f"{REGISTRY}/bundles/iris:1.0.0"}}
    assert ask(loop, OURS, volumes=[ours]).startswith("pod/asked created")


def test_a_pod_with_our_pinned_images_is_let_in(loop: Loop, pinned: str) -> None:
    assert ask(loop, OURS, f"{REGISTRY}/fetch@{DIGEST}").startswith("pod/asked created")


def test_a_namespace_that_does_not_ask_for_it_is_left_alone(
    loop: Loop, pinned: str, ad_hoc: AdHocReleases
) -> None:
    assert ask(loop, "docker.io/library/x:1", namespace=NAMESPACE).startswith("pod/asked created")
