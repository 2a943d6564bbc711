"""`modelctl wait` beside a stand-in for the cluster; a real one answers in tests/e2e."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from modelctl.cluster import wait
from modelctl.errors import ModelctlError, RefusedError
from tests.modelctl import kubectl
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, VERSION, commit_all, run, variant

IMAGE = f"registry.example/iris:1.0.0@{DIGEST_A}"
WORDS = ("wait", "iris", "--env", "dev")
DEPLOYMENT = kubectl.deployment(image=IMAGE, digest=DIGEST_B)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "INTERVAL_SECONDS", 0.01)


def test_what_is_served_is_said_at_once(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = kubectl.install(
        tmp_path / "bin", monkeypatch, [kubectl.application(image=IMAGE)], digest=DIGEST_B
    )
    assert run(*WORDS).startswith("dev-iris serves 1.0.0 bbbbbbbbbbbb after ")
    assert "annotate" not in asked.read_text()


@pytest.mark.parametrize(
    ("health", "sync", "image", "digest", "words"),
    [
        ("Progressing", "Synced", IMAGE, DIGEST_B, "expected health Healthy, found Progressing"),
        ("Healthy", "OutOfSync", IMAGE, DIGEST_B, "expected sync status Synced, found OutOfSync"),
        ("Healthy", "Synced", f"x@{DIGEST_B}", DIGEST_B, "runs another image than in git"),
        ("Healthy", "Synced", IMAGE, DIGEST_A, "serves another bundle than in git"),
    ],
    ids=["health", "sync", "image", "bundle"],
)
def test_what_is_missing_is_named_when_the_time_is_over(
    released: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    health: str,
    sync: str,
    image: str,
    digest: str,
    words: str,
) -> None:
    application = kubectl.application(health=health, image=image)
    application["status"]["sync"]["status"] = sync
    asked = kubectl.install(tmp_path / "bin", monkeypatch, [application], digest=digest)
    with pytest.raises(ModelctlError, match=r"dev-iris: timed out after 0\.05 s") as error:
        run(*WORDS, "--seconds", "0.05")
    assert words in str(error.value)
    assert asked.read_text().count("annotate") == 1, "Argo CD is asked once to look"


def test_argo_cds_word_from_before_the_rollout_does_not_count(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [kubectl.application(image=IMAGE)]
    kubectl.install(tmp_path / "bin", monkeypatch, items, digest=DIGEST_B, behind=True)
    with pytest.raises(ModelctlError, match="expected health Healthy, found Progressing"):
        run(*WORDS, "--seconds", "0.05")


def test_it_ends_when_the_last_thing_comes_true(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = kubectl.install(tmp_path / "bin", monkeypatch, [], digest=DIGEST_B)
    sleep = time.sleep

    def released_meanwhile(seconds: float) -> None:
        items = [kubectl.application(image=IMAGE)]
        kubectl.answer(asked.parent, "applications", {"items": items})
        kubectl.answer(asked.parent, "deployments", {"items": [DEPLOYMENT]})
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", released_meanwhile)
    assert "serves 1.0.0" in run(*WORDS)


def pod(name: str, *, ready: str = "True", **metadata: Any) -> dict[str, Any]:
    """A pod of iris in dev."""
    labels = {"app.kubernetes.io/instance": "iris"} | metadata.pop("labels", {})
    metadata = {"name": name, "namespace": "ml-dev", "labels": labels, **metadata}
    return {
        "metadata": metadata,
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


ENDING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def test_pods_that_end_may_still_answer(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [kubectl.application(image=IMAGE)]
    asked = kubectl.install(tmp_path / "bin", monkeypatch, items, digest=DIGEST_B)
    kubectl.answer(asked.parent, "pods", {"items": [pod("new"), pod("old", **ENDING)]})
    with pytest.raises(ModelctlError, match=r"earlier pods still answer: old\n"):
        run(*WORDS, "--seconds", "0.05")
    others = [
        pod("on-a-lost-node", ready="False", **ENDING),
        pod("smoke", labels={"app.kubernetes.io/component": "test"}, **ENDING),
        pod("new"),
    ]
    kubectl.answer(asked.parent, "pods", {"items": others})
    assert "serves 1.0.0" in run(*WORDS, "--seconds", "0.05")


@pytest.mark.parametrize(("reason", "is_served"), [("Forbidden", True), ("Timeout", False)])
def test_pods_that_may_not_be_read_are_no_reason_to_wait(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, is_served: bool
) -> None:
    """But those that cannot be read just now are."""
    items = [kubectl.application(image=IMAGE)]
    asked = kubectl.install(tmp_path / "bin", monkeypatch, items, digest=DIGEST_B)
    kubectl.refuse(asked.parent, "pods", reason)
    if is_served:
        assert "serves 1.0.0" in run(*WORDS)
        return
    with pytest.raises(ModelctlError, match=r"its pods cannot be read: .*\(Timeout\)"):
        run(*WORDS, "--seconds", "0.05")


def test_without_a_cluster_or_a_release_nobody_waits(released: Path) -> None:
    with pytest.raises(ModelctlError, match="no cluster reachable: "):
        run(*WORDS)
    with pytest.raises(RefusedError, match="is not released in 'staging'"):
        run("wait", "iris", "--env", "staging")


DIGEST_C, DIGEST_D = f"sha256:{'c' * 64}", f"sha256:{'d' * 64}"


def varied(root: Path) -> None:
    """A variant `next` beside the release in git, of another image and another bundle."""
    text = VERSION.replace(DIGEST_A, DIGEST_C).replace(DIGEST_B, DIGEST_D)
    path = root / "environments/dev/iris/variants/next.yaml"
    path.parent.mkdir()
    path.write_text(variant("next", 10, text))
    commit_all(root, "a variant")


def beside(image: str = DIGEST_C, digest: str = DIGEST_D, **status: Any) -> dict[str, Any]:
    """The Deployment of that variant, which belongs to the Application of the release."""
    reference = f"registry.example/iris:1.0.0@{image}"
    found = kubectl.deployment("dev-iris-next", image=reference, digest=digest, **status)
    annotations = found["metadata"]["annotations"]
    annotations["argocd.argoproj.io/tracking-id"] = "dev-iris:apps/Deployment:ml-dev/iris-next"
    return found


@pytest.mark.parametrize(
    ("deployments", "words"),
    [
        ([], "variant next: no Deployment"),
        ([beside(image=DIGEST_A)], "variant next: runs another image than in git: aaaaaaaaaaaa"),
        ([beside(digest=DIGEST_B)], "variant next: serves another bundle than in git: bbbbbbbb"),
        ([beside(readyReplicas=1)], "variant next: 1 of 2 pods ready"),
        ([beside(updatedReplicas=1)], "variant next: 2 of 2 pods ready, 1 with an earlier"),
    ],
    ids=["missing", "image", "bundle", "ready", "template"],
)
def test_a_variant_is_waited_for_digest_by_digest(
    released: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    deployments: list[dict[str, Any]],
    words: str,
) -> None:
    """Argo CD's Healthy is not proof: it may not have looked since the variant changed."""
    varied(released)
    asked = kubectl.install(
        tmp_path / "bin",
        monkeypatch,
        [kubectl.application(image=IMAGE)],
        deployments=[DEPLOYMENT, *deployments],
    )
    with pytest.raises(ModelctlError, match="timed out") as error:
        run(*WORDS, "--seconds", "0.05")
    assert words in error.value.found
    kubectl.answer(asked.parent, "deployments", {"items": [DEPLOYMENT, beside()]})
    assert "serves 1.0.0" in run(*WORDS)
    # A list of all releases tells the variant from a release of that name as well.
    assert "variant" not in " ".join(run("status").split()).replace("beside it", "")
