"""`status` and `wait` go by everything in git, not by a version that matches, nor by old words."""

from __future__ import annotations

import json
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from modelctl.cli import cli
from modelctl.cluster import argocd, wait
from modelctl.errors import ModelctlError, RefusedError
from tests.modelctl import kubectl
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, VERSION, commit_all, git, run

IMAGE = f"registry.example/iris:1.0.0@{DIGEST_A}"
WAIT = ("wait", "iris", "--env", "dev", "--seconds", "0")
SETTINGS = "environments/dev/iris/settings.yaml"


@pytest.fixture
def pushed(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository with a remote that has all of it; a cluster serves it, as Argo CD says."""
    monkeypatch.setattr(wait, "INTERVAL_SECONDS", 0.01)
    git(released, "branch", "-M", "main")
    bare = tmp_path / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    git(released, "remote", "add", "origin", str(bare))
    git(released, "push", "-q", "--set-upstream", "origin", "main")
    kubectl.install(tmp_path / "bin", monkeypatch, [], digest=DIGEST_B)
    serve(tmp_path, git(released, "rev-parse", "HEAD"))
    return released


def serve(tmp_path: Path, revision: str, pods: dict[str, Any] | None = None, **report: Any) -> None:
    """Let Argo CD report that revision, and the Deployment those counts of pods."""
    application = kubectl.application(image=IMAGE, revision=revision, **report)
    deployment = kubectl.deployment(image=IMAGE, digest=DIGEST_B, **(pods or {}))
    kubectl.answer(tmp_path / "bin", "applications", {"items": [application]})
    kubectl.answer(tmp_path / "bin", "deployments", {"items": [deployment]})


def change(root: Path, name: str, text: str = "config:\n  logLevel: debug\n") -> str:
    """Commit a file, and return the commit."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)
    commit_all(root, f"change {name}")
    return git(root, "rev-parse", "HEAD")


def shown() -> Any:
    """What `status` says."""
    return json.loads(CliRunner().invoke(cli, ["status", "--output", "json"]).stdout)


def dev() -> dict[str, Any]:
    """The release of iris in dev, as `status` has it."""
    found: list[dict[str, Any]] = shown()["releases"]
    return next(release for release in found if release["name"] == "dev-iris")


def test_what_is_pushed_synced_and_served_is_current(pushed: Path) -> None:
    assert dev()["current"] is True
    assert dev()["remarks"] == []
    assert "dev-iris serves 1.0.0" in run(*WAIT)


@pytest.mark.parametrize(
    "name", [SETTINGS, "environments/dev/common.yaml", "charts/ml-model/templates/x.yaml"]
)
def test_a_pushed_setting_is_waited_for(pushed: Path, tmp_path: Path, name: str) -> None:
    before = git(pushed, "rev-parse", "HEAD")
    commit = change(pushed, name)
    git(pushed, "push", "-q")
    said = f"commit {commit[:9]} (0 min ago) is not synced yet"
    assert dev()["live"]["sync"] == "OutOfSync"
    assert dev()["remarks"] == [said]
    with pytest.raises(ModelctlError) as error:
        run(*WAIT)
    assert said in error.value.found
    serve(tmp_path, commit, {"replicas": 3, "updatedReplicas": 1, "readyReplicas": 3})
    with pytest.raises(ModelctlError, match="timed out") as error:
        run(*WAIT)
    assert "3 of 3 pods ready, 2 with an earlier template" in error.value.found
    assert dev()["live"]["health"] == "Progressing"
    serve(tmp_path, before)
    serve(tmp_path, commit)
    assert "serves 1.0.0" in run(*WAIT)


def test_it_ends_once_the_new_settings_are_served(
    pushed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = change(pushed, SETTINGS)
    git(pushed, "push", "-q")
    states = iter([{"updatedReplicas": 1, "replicas": 3}, {"observedGeneration": 1}, {}])
    looks = 0

    def proceed(_: float) -> None:
        nonlocal looks
        looks += 1
        serve(tmp_path, commit, next(states))

    # Not `time.sleep` itself, which subprocess uses too.
    monkeypatch.setattr(wait, "time", SimpleNamespace(sleep=proceed, monotonic=time.monotonic))
    assert "serves 1.0.0" in run("wait", "iris", "--env", "dev")
    assert looks == 3
    asked = (tmp_path / "bin/asked").read_text()
    assert asked.count("annotate") == 1, "Argo CD is asked once to look"


@pytest.mark.parametrize(
    "name",
    [
        "environments/dev/other/settings.yaml",
        "environments/staging/iris/settings.yaml",
        "environments/dev/iris-2/settings.yaml",
        "README.md",
    ],
)
def test_commits_to_others_do_not_matter(pushed: Path, name: str) -> None:
    change(pushed, name)
    git(pushed, "push", "-q")
    assert dev()["current"] is True
    assert "serves 1.0.0" in run(*WAIT)


def test_a_commit_that_was_reverted_leaves_nothing_to_sync(pushed: Path) -> None:
    change(pushed, SETTINGS)
    git(pushed, "revert", "--no-edit", "HEAD")
    git(pushed, "push", "-q")
    assert dev()["current"] is True


def edit(root: Path) -> None:
    (root / SETTINGS).write_text("config:\n  logLevel: debug\n")


def commit_unpushed(root: Path) -> None:
    change(root, SETTINGS)


def commit_on_a_branch(root: Path) -> None:
    git(root, "switch", "-q", "-c", "feature")
    change(root, SETTINGS)


def stay_behind(root: Path) -> None:
    change(root, SETTINGS)
    git(root, "push", "-q")
    git(root, "reset", "-q", "--hard", "HEAD~1")


@pytest.mark.parametrize(
    ("act", "what", "fix"),
    [
        (edit, "has uncommitted changes", "commit and push them"),
        (commit_unpushed, "HEAD is not on origin/main, the branch that Argo CD foll", "git push"),
        (commit_on_a_branch, "HEAD is not on origin/main", "git push"),
        (stay_behind, "this checkout is behind origin/main", "git pull"),
    ],
)
def test_what_argo_cd_cannot_see_is_said_at_once(
    pushed: Path, act: Any, what: str, fix: str
) -> None:
    act(pushed)
    with pytest.raises(RefusedError, match=what) as error:
        run("wait", "iris", "--env", "dev", "--seconds", "300")
    assert fix in error.value.fix
    assert error.value.found == SETTINGS
    behind = act is stay_behind
    remark = "this checkout is behind, or edited" if behind else "this checkout is not pushed"
    assert remark in dev()["remarks"]
    assert dev()["current"] is False


def test_an_unpushed_commit_to_another_model_does_not_matter(pushed: Path) -> None:
    change(pushed, "environments/dev/other/settings.yaml")
    assert "serves 1.0.0" in run(*WAIT)


def test_a_dead_controller_does_not_stay_synced_and_healthy(pushed: Path, tmp_path: Path) -> None:
    head = git(pushed, "rev-parse", "HEAD")
    serve(tmp_path, head, looked=timedelta(minutes=23))
    live = dev()["live"]
    assert (live["sync"], live["health"]) == ("Unknown", "Unknown")
    said = "Argo CD last looked 23 min ago (Synced, Healthy then)"
    assert dev()["remarks"] == [said]
    assert said in run("status")
    assert "Argo CD looked at every release in the last 23 min" in run("status")
    with pytest.raises(ModelctlError) as error:
        run(*WAIT)
    assert said in error.value.found
    with pytest.raises(RefusedError, match=r"found Unknown \(Argo CD last looked 23 min ago"):
        run("promote", "iris", "--to", "staging")


def test_without_polling_an_old_word_still_counts(pushed: Path, tmp_path: Path) -> None:
    """Webhooks alone: Argo CD looks when there is something to see."""
    serve(tmp_path, git(pushed, "rev-parse", "HEAD"), looked=timedelta(hours=9))
    settings = {"data": {"timeout.reconciliation": "0s"}}
    kubectl.answer(tmp_path / "bin", "argocd-cm", settings)
    assert dev()["current"] is True
    assert "in the last 9 h" in run("status")


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({}, 360),
        ({"timeout.reconciliation": "5s", "timeout.reconciliation.jitter": "0s"}, 60),
        ({"timeout.reconciliation": "2m30s", "timeout.reconciliation.jitter": "0"}, 300),
        ({"timeout.reconciliation": "180"}, 480),
        ({"timeout.reconciliation": "1h"}, 7320),
    ],
)
def test_how_old_its_word_may_be_follows_from_its_polling(
    settings: dict[str, str], seconds: int
) -> None:
    assert argocd.max_age(settings) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("pods", "said"),
    [
        ({"replicas": 0, "updatedReplicas": 0, "readyReplicas": 0}, "no pods, 2 wanted"),
        ({"readyReplicas": 1}, "1 of 2 pods ready"),
        ({"observedGeneration": 1}, "the rollout has not begun"),
    ],
)
def test_pods_are_counted_whatever_argo_cd_says(
    pushed: Path, tmp_path: Path, pods: dict[str, int], said: str
) -> None:
    serve(tmp_path, git(pushed, "rev-parse", "HEAD"), pods)
    assert dev()["live"]["health"] == "Progressing"
    assert said in dev()["remarks"]
    assert dev()["live"]["digest"] == ""


def test_a_deployment_of_another_cluster_is_not_taken_for_ours(
    pushed: Path, tmp_path: Path
) -> None:
    """Two environments in two clusters may have the same namespace."""
    application = kubectl.application(image=IMAGE, revision=git(pushed, "rev-parse", "HEAD"))
    application["spec"]["destination"]["name"] = "elsewhere"
    other = kubectl.deployment("test-iris", image="x", digest=DIGEST_A)
    other["metadata"]["namespace"] = "ml-dev"
    kubectl.answer(tmp_path / "bin", "applications", {"items": [application]})
    kubectl.answer(tmp_path / "bin", "deployments", {"items": [other]})
    assert (dev()["live"]["digest"], dev()["remarks"]) == ("", [])


def test_a_missing_deployment_is_said(pushed: Path, tmp_path: Path) -> None:
    kubectl.answer(tmp_path / "bin", "deployments", {"items": []})
    assert dev()["remarks"] == ["no Deployment and no Rollout"]


def test_a_chart_that_the_generator_has_not_seen_is_not_current(
    pushed: Path, tmp_path: Path
) -> None:
    """The new version file is synced with the old chart until the ApplicationSet polls."""
    change(pushed, "environments/staging/iris/version.yaml", VERSION.replace("0.1.0", "0.2.0"))
    git(pushed, "push", "-q")
    head = git(pushed, "rev-parse", "HEAD")
    application = kubectl.application("staging-iris", image=IMAGE)
    sources = [
        {"repoURL": "https://git.example/models", "targetRevision": "HEAD", "ref": "values"},
        {"repoURL": "registry.example/charts", "chart": "ml-model", "targetRevision": "0.1.0"},
    ]
    del application["spec"]["source"]
    application["spec"]["sources"] = sources
    sync = {"status": "Synced", "revisions": [head, "0.1.0"], "comparedTo": {"sources": sources}}
    application["status"]["sync"] = sync
    kubectl.answer(tmp_path / "bin", "applications", {"items": [application]})
    deployment = kubectl.deployment("staging-iris", image=IMAGE, digest=DIGEST_B)
    kubectl.answer(tmp_path / "bin", "deployments", {"items": [deployment]})
    with pytest.raises(ModelctlError) as error:
        run("wait", "iris", "--env", "staging", "--seconds", "0")
    assert error.value.found == "renders chart 0.1.0, git pins 0.2.0"


def test_commits_that_this_clone_lacks_are_said_and_fetched(
    pushed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    colleague = tmp_path / "colleague"
    git(tmp_path, "clone", "-q", str(tmp_path / "remote.git"), str(colleague))
    commit = change(colleague, "README.md")
    git(colleague, "push", "-q")
    serve(tmp_path, commit)
    note = shown()["note"]
    assert note == (
        f"Argo CD is at {commit[:9]}, which origin/main of this clone lacks; run `git fetch`"
    )
    assert "serves 1.0.0" in run(*WAIT)
    assert shown()["note"] == ""


def test_a_baseline_that_differs_from_git_is_said_once(pushed: Path, tmp_path: Path) -> None:
    commit = change(pushed, "kustomize/environments/base/limits.yaml", "a: 1\n")
    git(pushed, "push", "-q")
    before = git(pushed, "rev-parse", "HEAD~1")
    items = [
        kubectl.application(image=IMAGE, revision=before),
        kubectl.application("dev-baseline", revision=before),
    ]
    kubectl.answer(tmp_path / "bin", "applications", {"items": items})
    note = f"dev-baseline: commit {commit[:9]} (0 min ago) is not synced yet"
    assert shown()["note"] == note
    assert f"note: {note}" in run(*WAIT)


@pytest.mark.parametrize("name", [SETTINGS, "kustomize/environments/base/limits.yaml"])
def test_a_baseline_may_be_at_another_commit_than_the_release(
    pushed: Path, tmp_path: Path, name: str
) -> None:
    """Argo CD looks at each Application in its own time."""
    before = git(pushed, "rev-parse", "HEAD")
    commit = change(pushed, name)
    git(pushed, "push", "-q")
    items = [
        kubectl.application(image=IMAGE, revision=commit),
        kubectl.application("dev-baseline", revision=before),
    ]
    kubectl.answer(tmp_path / "bin", "applications", {"items": items})
    note = f"dev-baseline: commit {commit[:9]} (0 min ago) is not synced yet"
    expected = "" if name == SETTINGS else note
    assert shown()["note"] == expected
    assert ("note: " in run(*WAIT)) == bool(expected)


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({"conditions": [{"type": "ComparisonError", "message": "no such key"}]}, "no such key"),
        (
            {
                "sync": {"status": "OutOfSync"},
                "operationState": {"phase": "Running", "retryCount": 3, "message": "quota"},
            },
            "sync running: quota",
        ),
        (
            {
                "sync": {"status": "OutOfSync"},
                "operationState": {"phase": "Failed", "message": "denied"},
            },
            "sync failed: denied",
        ),
        ({"reconciledAt": None}, "Argo CD has not looked yet"),
    ],
)
def test_why_argo_cd_cannot_sync_is_shown(
    pushed: Path, tmp_path: Path, update: dict[str, Any], said: str
) -> None:
    application = kubectl.application(image=IMAGE, revision=git(pushed, "rev-parse", "HEAD"))
    application["status"].update(update)
    kubectl.answer(tmp_path / "bin", "applications", {"items": [application]})
    assert said in dev()["remarks"]


def test_a_paused_application_is_said(pushed: Path, tmp_path: Path) -> None:
    application = kubectl.application(image=IMAGE, revision=git(pushed, "rev-parse", "HEAD"))
    application["spec"]["syncPolicy"]["automated"]["enabled"] = False
    kubectl.answer(tmp_path / "bin", "applications", {"items": [application]})
    assert dev()["remarks"] == ["auto-sync is off"]


def test_all_of_an_environment_is_waited_for(pushed: Path, tmp_path: Path) -> None:
    for name in ("settings", "capacity"):
        change(pushed, f"environments/dev/penguins/{name}.yaml", "{}\n")
    change(pushed, "environments/dev/penguins/version.yaml", VERSION)
    git(pushed, "push", "-q")
    head = git(pushed, "rev-parse", "HEAD")
    names = ("dev-iris", "dev-penguins")
    items = [kubectl.application(name, image=IMAGE, revision=head) for name in names]
    pods = [kubectl.deployment(name, image=IMAGE, digest=DIGEST_B) for name in names]
    kubectl.answer(tmp_path / "bin", "applications", {"items": items[:1]})
    kubectl.answer(tmp_path / "bin", "deployments", {"items": pods})
    with pytest.raises(ModelctlError, match="dev-penguins: timed out") as error:
        run("wait", "--env", "dev", "--seconds", "0")
    assert "Argo CD has no Application" in error.value.found
    kubectl.answer(tmp_path / "bin", "applications", {"items": items})
    lines = run("wait", "--env", "dev", "--seconds", "0").splitlines()
    assert [line.split()[0] for line in lines] == list(names)


def test_the_cluster_is_asked_the_same_few_questions_for_many_models(
    pushed: Path, tmp_path: Path
) -> None:
    asked = tmp_path / "bin/asked"
    few = []
    for count in (1, 6):
        names = [f"model-{index}" for index in range(count)]
        for name in names:
            for kind in ("settings", "capacity"):
                change(pushed, f"environments/dev/{name}/{kind}.yaml", f"# {count}\n")
            change(pushed, f"environments/dev/{name}/version.yaml", f"# {count}\n{VERSION}")
        git(pushed, "push", "-q")
        head = git(pushed, "rev-parse", "HEAD")
        apps = [kubectl.application(f"dev-{n}", image=IMAGE, revision=head) for n in names]
        pods = [kubectl.deployment(f"dev-{n}", image=IMAGE, digest=DIGEST_B) for n in names]
        kubectl.answer(tmp_path / "bin", "applications", {"items": apps})
        kubectl.answer(tmp_path / "bin", "deployments", {"items": pods})
        asked.unlink(missing_ok=True)
        assert sum(release["current"] for release in shown()["releases"]) == count
        few.append(len(asked.read_text().splitlines()))
    assert few[0] == few[1]
