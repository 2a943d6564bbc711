"""The rules on a repository: `promote` and `check --base` refuse the same, and say why."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelctl.errors import RefusedError
from tests.modelctl import kubectl
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, ENVIRONMENTS, VERSION, commit_all, run

STAGING = "environments/staging/iris/version.yaml"
IMAGE = f"registry.example/iris:1.0.0@{DIGEST_A}"


@pytest.fixture
def soaking(released: Path) -> Path:
    """Iris in dev since just now; staging wants an hour."""
    text = ENVIRONMENTS.replace("name: staging\n", "name: staging\n    soakMinutes: 60\n")
    (released / "environments/environments.yaml").write_text(text)
    commit_all(released, "soak")
    return released


def age(repo: Path, minutes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Release iris 1.0.0 in dev again, that long ago."""
    when = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
    path = repo / "environments/dev/iris/version.yaml"
    with monkeypatch.context() as patched:
        patched.setitem(os.environ, "GIT_COMMITTER_DATE", when)
        path.write_text(VERSION.replace("1.0.0", "0.9.0"))
        commit_all(repo, "0.9.0")
        path.write_text(VERSION)
        commit_all(repo, "1.0.0")


def test_a_version_that_is_too_young_is_refused(soaking: Path) -> None:
    with pytest.raises(RefusedError, match=r"of 60 min in 'dev': 1\.0\.0 .*since its commit"):
        run("promote", "iris", "--to", "staging", "--no-live")
    assert not (soaking / STAGING).exists()


def test_a_version_that_is_old_enough_passes(
    soaking: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(soaking, 61, monkeypatch)
    assert "1.0.0 in dev: for 61 min" in run("promote", "iris", "--to", "staging", "--no-live")
    assert "no problems" in run("check", "--base", "HEAD")


def test_a_hand_edit_has_to_soak_too(soaking: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (soaking / STAGING).write_text(VERSION)
    message = f"{STAGING}: 'staging' requires a soak time of 60 min"
    with pytest.raises(RefusedError, match=message):
        run("check", "--base", "HEAD")


def test_a_version_that_comes_with_the_same_change_has_not_been_there(released: Path) -> None:
    for name in ("environments/dev/iris/version.yaml", STAGING):
        (released / name).write_text(VERSION.replace("1.0.0", "2.0.0"))
    with pytest.raises(
        RefusedError, match="neither the version of the environment previous to 'staging'"
    ):
        run("check", "--base", "HEAD")


def test_what_happened_on_the_base_since_is_not_ours(released: Path) -> None:
    git("branch", "theirs")
    settings = released / "environments/dev/iris/settings.yaml"
    settings.write_text("config:\n  logLevel: debug\n")
    commit_all(released, "ours")
    git("branch", "ours")
    git("switch", "--quiet", "theirs")
    (released / "environments/staging/iris/settings.yaml").write_text("replicaCount: 3\n")
    commit_all(released, "theirs, and wrong")
    git("switch", "--quiet", "ours")
    assert "no problems" in run("check", "--base", "theirs")


def test_soak_is_counted_from_the_rollout_when_a_cluster_answers(
    soaking: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl.install(
        tmp_path / "bin",
        monkeypatch,
        [kubectl.application(image=IMAGE)],
        rolled_out=(datetime.now(UTC) - timedelta(minutes=75)).isoformat(),
        digest=DIGEST_B,
    )
    output = run("promote", "iris", "--to", "staging")
    assert output.startswith("1.0.0 in dev: Healthy, for 75 min (since its rollout)\n")


@pytest.mark.parametrize(
    ("reported", "digest", "message"),
    [
        pytest.param(None, "", "Argo CD has no Application for 'iris' in 'dev'", id="not-pushed"),
        pytest.param(
            {"health": "Degraded", "image": IMAGE},
            DIGEST_B,
            "'iris' in 'dev': expected health Healthy, found Degraded",
            id="degraded",
        ),
        pytest.param(
            {"image": "registry.example/iris:0.9.0@sha256:0"},
            DIGEST_B,
            "does not run the image in git yet",
            id="still-the-old-image",
        ),
        pytest.param(
            {"image": IMAGE},
            DIGEST_A,
            "does not serve the bundle in git yet",
            id="another-bundle",
        ),
    ],
)
def test_what_does_not_run_well_is_not_promoted(
    released: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reported: dict[str, Any] | None,
    digest: str,
    message: str,
) -> None:
    # Made here: Argo CD has to have looked a moment ago, not when the tests were collected.
    applications = [] if reported is None else [kubectl.application(**reported)]
    kubectl.install(tmp_path / "bin", monkeypatch, applications, digest=digest)
    with pytest.raises(RefusedError, match=message):
        run("promote", "iris", "--to", "staging")
    assert not (released / STAGING).exists()
    (released / STAGING).write_text(VERSION)
    with pytest.raises(RefusedError, match=message):
        run("check", "--base", "HEAD", "--live")


def test_approvals_are_named(released: Path) -> None:
    text = ENVIRONMENTS.replace("name: staging\n", "name: staging\n    approvals: ['@acme/ml']\n")
    (released / "environments/environments.yaml").write_text(text)
    output = run("promote", "iris", "--to", "staging", "--dry-run", "--no-live")
    assert "staging requires the approval of @acme/ml\n" in output


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)
