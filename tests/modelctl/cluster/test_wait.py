"""`modelctl wait` beside a stand-in for the cluster; a real one answers in tests/e2e."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from modelctl.cluster import wait
from modelctl.errors import ModelctlError, RefusedError
from tests.modelctl import kubectl
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, run

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


def test_without_a_cluster_or_a_release_nobody_waits(released: Path) -> None:
    with pytest.raises(ModelctlError, match="no cluster reachable: "):
        run(*WORDS)
    with pytest.raises(RefusedError, match="is not released in 'staging'"):
        run("wait", "iris", "--env", "staging")
