"""`modelctl status` without a cluster: what git says, and a word why the rest is missing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelctl import proc
from modelctl.cluster import kube, registry
from modelctl.cluster.registry import Presence
from tests.modelctl import kubectl
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, VERSION, commit_all, git, run


def test_status_shows_each_environment_in_order(released: Path) -> None:
    lines = run("status", "--no-live").splitlines()
    assert [line.split() for line in lines[1:4]] == [
        ["dev", "iris", "1.0.0", "b" * 12, "0", "min", "0.1.0"],
        ["staging", "iris", "not", "released"],
        ["production", "iris", "not", "released"],
    ]
    assert lines[4] == "cluster not queried (--no-live)"


def test_status_as_json_holds_everything(released: Path) -> None:
    found = json.loads(run("status", "--no-live", "--output", "json"))
    first = found["releases"][0]
    since, committed_at = first.pop("since"), first.pop("committed_at")
    assert datetime.fromisoformat(since) <= datetime.now(UTC)
    assert (first.pop("commit"), committed_at) == (git(released, "rev-parse", "HEAD"), since)
    assert first == {
        "environment": "dev",
        "model": "iris",
        "version": "1.0.0",
        "digest": DIGEST_B,
        "image": f"registry.example/iris:1.0.0@{DIGEST_A}",
        "chart": "0.1.0",
        "previous": "",
        "target": "",
        "behind": "",
        "frozen": "",
        "override": "",
        "variants": "",
        "closed": "",
        "unpushed": False,
        "outdated": False,
        "live": None,
        "name": "dev-iris",
        "agrees": False,
        "current": False,
        "remarks": [],
    }
    assert found["branch"] == "HEAD"


def test_status_without_a_cluster_still_shows_git(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = shutil.which("git")
    assert git
    (tmp_path / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path))
    output = run("status")
    assert "1.0.0 bbbbbbbbbbbb" in output
    assert "no cluster reachable: kubectl is not on PATH" in output


@pytest.fixture
def ahead(released: Path) -> Path:
    """Iris 1.0.0 in staging since three hours, 1.1.0 in dev; staging is frozen."""
    staging = released / "environments/staging/iris/version.yaml"
    staging.write_text(VERSION.replace("1.0.0", "0.9.0"))
    commit_all(released, "0.9.0 in staging")
    hours_ago = (datetime.now(UTC) - timedelta(hours=3, minutes=5)).isoformat()
    staging.write_text(VERSION)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GIT_COMMITTER_DATE", hours_ago)
        commit_all(released, "1.0.0 in staging")
    staging.write_text(f"# a comment is no new version\n{VERSION}")
    (released / "environments/dev/iris/version.yaml").write_text(VERSION.replace("1.0.0", "1.1.0"))
    commit_all(released, "1.1.0 in dev")
    run("freeze", "staging", "--until", "2999-12-24", "--reason", "<inventory>")
    commit_all(released, "freeze")
    return released


def releases(*words: str) -> dict[str, dict[str, Any]]:
    found = json.loads(run("status", "--output", "json", *words))["releases"]
    return {release["name"]: release for release in found}


def test_status_tells_age_difference_freeze_and_what_a_rollback_would_take(ahead: Path) -> None:
    found = releases("--no-live")
    assert found["staging-iris"]["behind"] == f"dev has 1.1.0 {'b' * 12}"
    assert found["staging-iris"]["frozen"] == "2999-12-25 00:00 UTC (<inventory>)"
    assert found["staging-iris"]["previous"] == "0.9.0"
    assert found["dev-iris"]["previous"] == "1.0.0"
    row = next(line for line in run("status", "--no-live").splitlines() if "staging" in line)
    assert " 3 h " in row
    assert "dev has 1.1.0 bbbbbbbbbbbb; frozen until 2999-12-25" in row


def test_status_asks_the_registry_only_on_request(
    ahead: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "check", lambda *_: (Presence.GONE, ""))
    assert releases("--no-live")["staging-iris"]["target"] == ""
    assert releases("--no-live", "--registry")["staging-iris"]["target"] == "gone"
    assert "rollback target 0.9.0 is missing" in run("status", "--no-live", "--registry")


def test_status_asks_git_the_same_few_questions_for_many_models(
    released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    original = proc.run

    def recorded(argv: Sequence[str], **options: Any) -> str:
        asked.append(" ".join(argv))
        return original(argv, **options)

    monkeypatch.setattr(proc, "run", recorded)
    run("status", "--no-live")
    few = len(asked)
    for index in range(5):
        shutil.copytree(
            released / "environments/dev/iris", released / f"environments/dev/more{index}"
        )
    commit_all(released, "more")
    asked.clear()
    run("status", "--no-live")
    assert len(asked) == few


def test_status_of_a_cluster_shows_what_runs(
    ahead: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    applications = [kubectl.application(), kubectl.application("staging-iris", "Degraded")]
    kubectl.install(tmp_path / "bin", monkeypatch, applications, digest=DIGEST_A)
    found = releases()
    assert found["dev-iris"]["live"]["health"] == "Healthy"
    assert found["staging-iris"]["live"]["health"] == "Degraded"
    assert not found["dev-iris"]["agrees"]
    assert "serves another bundle than in git: aaaaaaaaaaaa" in run("status")


def test_a_refusal_is_read_from_a_pods_last_words(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = {"event": "bundle_refused", "what": "w", "expected": "e", "found": "f", "fix": "x"}
    message = f"starting\n{json.dumps(line)}\n"
    status = {"state": {"waiting": {}}, "lastState": {"terminated": {"message": message}}}
    metadata = {"namespace": "ml-dev", "labels": {kubectl.MODEL_LABEL: "iris"}}
    pods = [
        {"metadata": metadata, "status": {"containerStatuses": [status]}},
        {"metadata": metadata, "status": {}},
    ]
    items = [kubectl.application(health="Degraded")]
    kubectl.install(tmp_path / "bin", monkeypatch, items)
    kubectl.answer(tmp_path / "bin", "pods", {"items": pods})
    assert kube.refusals("ml-dev", ["iris"]) == {
        "iris": [{"what": "w", "expected": "e", "found": "f", "fix": "x"}]
    }
    assert "dev-iris refused: w: expected e, found f; x" in run("status")
