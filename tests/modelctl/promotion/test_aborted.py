"""An aborted version: what goes back says so in git, and it enters no later environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository import codeowners
from modelctl.repository.checkout import Repository
from tests.modelctl import kubectl
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, ENVIRONMENTS, VERSION, commit_all, run
from tests.modelctl.promotion.judged import (
    DEV,
    NEW,
    PRODUCTION,
    RULES,
    STAGING,
    commit,
    git,
    judge,
    merge,
    write,
)

WHY = 'Metric "availability" assessed Failed'
OVERRIDES = """\
    overrides:
      rules: [abort, order]
      approvers: ["@you/oncall"]
"""
IMAGE = f"registry.example/iris:1.1.0@{DIGEST_A}"


def go_back(environment: str = "staging", *options: str, reason: str = WHY) -> str:
    """Roll back what was aborted, and commit with the message that the command suggests."""
    words = ("rollback", "iris", "--env", environment, "--aborted", "--no-registry")
    given = ("--reason", reason) if reason else ()
    answer = json.loads(run(*words, *given, *options, "--output", "json"))
    commit_all(Path.cwd(), answer["message"])
    return str(answer["message"])


def allow(root: Path, overrides: str = OVERRIDES) -> None:
    """Let production leave out rules, with the owners of such decisions."""
    write(root, {RULES: ENVIRONMENTS + overrides})
    owners = codeowners.text("", Repository.find(root).environments)
    commit(root, "rules", **{codeowners.FILE: owners})


def rollout(environment: str = "staging", **status: Any) -> dict[str, Any]:
    """The Rollout of iris 1.1.0 that was aborted, as Argo Rollouts reports it."""
    found = kubectl.deployment(f"{environment}-iris", image=IMAGE, digest=DIGEST_B)
    found["spec"]["strategy"] = {"canary": {"steps": [{"setWeight": 10}]}}
    found["status"] |= {
        "phase": "Degraded",
        "message": f"RolloutAborted: Rollout aborted update to revision 2: {WHY}",
        "abort": True,
        "abortedAt": "2026-01-02T00:00:00Z",
        "observedGeneration": "2",
        "currentPodHash": "new",
        "stableRS": "old",
        "canary": {},
        **status,
    }
    return found


def cluster(folder: Path, monkeypatch: pytest.MonkeyPatch, *found: dict[str, Any]) -> None:
    """A cluster with these Rollouts, and an Application of each."""
    names = [f"{each['metadata']['namespace'].removeprefix('ml-')}-iris" for each in found]
    applications = [kubectl.application(name, health="Degraded", image=IMAGE) for name in names]
    kubectl.install(folder / "bin", monkeypatch, applications, deployments=[])
    kubectl.answer(folder / "bin", "rollouts", {"items": list(found)})


@pytest.fixture
def main(target: Path) -> Path:
    """1.0.0 in production and 1.1.0 in dev and staging, on the branch that Argo CD follows."""
    git("switch", "--quiet", "main")
    return target


def test_a_rollback_of_what_was_aborted_names_it_for_machines(main: Path) -> None:
    message = go_back()
    assert message.startswith(f"Roll back iris to 1.0.0 in staging: {WHY}\n")
    assert git("log", "-1", "--format=%(trailers:key=Aborted,valueonly)") == (
        f"staging/iris: 1.1.0 {DIGEST_B} {DIGEST_A} 0.1.0"
    )
    assert (main / STAGING).read_text() == VERSION


def test_the_reason_is_the_rollouts_where_a_cluster_answers(
    main: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster(tmp_path, monkeypatch, rollout())
    assert f"aborted update to revision 2: {WHY}" in go_back(reason="")


@pytest.mark.parametrize(
    ("status", "found"),
    [({"abort": False, "phase": "Paused"}, "canary Paused"), ({}, "another version")],
    ids=["not aborted", "another version"],
)
def test_what_a_cluster_did_not_abort_is_not_rolled_back_as_if(
    main: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: dict[str, Any],
    found: str,
) -> None:
    there = rollout(**status)
    if not status:
        (container,) = there["spec"]["template"]["spec"]["containers"]
        container["image"] = "registry.example/iris:1.0.0@sha256:" + "9" * 64
    cluster(tmp_path, monkeypatch, there)
    with pytest.raises(RefusedError, match="was not aborted") as refused:
        go_back(reason="")
    assert found in str(refused.value)


def test_without_a_reason_and_a_cluster_there_is_none(main: Path) -> None:
    with pytest.raises(ModelctlError, match="why 'iris' was aborted") as error:
        go_back(reason="")
    assert "--reason" in error.value.fix


def test_a_commit_says_which_version_was_aborted(main: Path) -> None:
    aborted = git("rev-parse", "HEAD")
    commit(main, "docs", **{"README.md": "x\n"})
    go_back("staging", "--commit", aborted)
    assert (main / STAGING).read_text() == VERSION


def test_an_abort_that_git_has_left_already_changes_nothing(main: Path) -> None:
    """A notification may come late, or twice."""
    aborted = git("rev-parse", "HEAD")
    commit(main, "fixed", **{STAGING: VERSION.replace("1.0.0", "1.2.0")})
    with pytest.raises(RefusedError, match=r"1\.1\.0 .* is not in 'staging' any more"):
        go_back("staging", "--commit", aborted)
    assert "1.2.0" in (main / STAGING).read_text()


def test_an_abort_of_settings_is_no_reason_to_take_the_version_back(main: Path) -> None:
    commit(main, "faster", **{"environments/staging/iris/settings.yaml": "config: {}\n"})
    commit(main, "docs", **{"README.md": "x\n"})
    with pytest.raises(RefusedError, match="newest change of 'iris' in 'staging'") as refused:
        go_back()
    assert "faster" in refused.value.found
    assert "git revert" in refused.value.fix


@pytest.mark.parametrize("name", ["variants/next.yaml", "experiment.yaml", "override.yaml"])
def test_a_change_of_what_begins_no_canary_is_not_to_blame(main: Path, name: str) -> None:
    commit(main, "beside", **{f"environments/staging/iris/{name}": "x: 1\n"})
    go_back()
    assert (main / STAGING).read_text() == VERSION


def test_a_version_that_was_aborted_in_an_environment_does_not_enter_it_again(main: Path) -> None:
    commit(main, "promote", **{PRODUCTION: NEW})
    go_back("production")
    with pytest.raises(RefusedError) as refused:
        run("promote", "iris", "--to", "production", "--no-live")
    assert "1.1.0 of 'iris' was aborted in 'production' on " in str(refused.value)
    assert WHY in str(refused.value)


def test_a_version_that_was_aborted_before_is_not_skipped_past(main: Path) -> None:
    allow(main, OVERRIDES.replace("abort, ", ""))
    go_back("staging")
    words = ("--from", "dev", "--override", "order", "--reason", "urgent", "--no-live")
    with pytest.raises(RefusedError, match="was aborted in 'staging'"):
        run("promote", "iris", "--to", "production", *words)


def test_an_abort_can_be_overridden_as_the_other_rules(main: Path) -> None:
    allow(main)
    commit(main, "promote", **{PRODUCTION: NEW})
    go_back("production")
    words = ("promote", "iris", "--to", "production", "--no-live")
    with pytest.raises(RefusedError, match="--override abort --reason"):
        run(*words)
    git("switch", "--quiet", "--force-create", "change")
    run(*words, "--override", "abort", "--reason", "metrics were down")
    commit_all(main, "again")
    assert "no problems" in judge()
    # It runs again: what was aborted once does not count any more.
    merge("change")
    assert "is already up to date" in run(*words)


@pytest.mark.parametrize("how", ["--no-ff", "--squash"])
def test_an_abort_counts_however_its_request_was_merged(main: Path, how: str) -> None:
    commit(main, "promote", **{PRODUCTION: NEW})
    git("switch", "--quiet", "--create", "back")
    message = go_back("production")
    git("switch", "--quiet", "main")
    git("merge", "--quiet", how, "back")
    if how == "--squash":
        commit_all(main, message)
    with pytest.raises(RefusedError, match="was aborted in 'production'"):
        run("promote", "iris", "--to", "production", "--no-live")


def test_the_judge_refuses_a_hand_edit_that_brings_it_back(main: Path) -> None:
    commit(main, "promote", **{PRODUCTION: NEW})
    go_back("production")
    git("switch", "--quiet", "--force-create", "change")
    commit(main, "again", **{PRODUCTION: NEW})
    with pytest.raises(RefusedError, match=f"{PRODUCTION}: .* was aborted in 'production'"):
        judge()


def test_the_judge_refuses_a_version_that_was_aborted_in_an_environment_before(
    main: Path,
) -> None:
    """Staging went back; dev, which production is promoted from by an override, did not."""
    allow(main)
    go_back("staging")
    git("switch", "--quiet", "--force-create", "change")
    run(
        *("promote", "iris", "--to", "production", "--no-live", "--from", "dev"),
        *("--override", "order", "--override", "abort", "--reason", "urgent"),
    )
    record = main / "environments/production/iris/override.yaml"
    record.write_text(record.read_text().replace("- abort\n", ""))
    commit_all(main, "hotfix")
    with pytest.raises(RefusedError, match="was aborted in 'staging'"):
        judge()


def test_only_the_aborted_version_is_refused(main: Path) -> None:
    go_back("staging")
    newer = VERSION.replace("1.0.0", "1.2.0").replace(DIGEST_A, "sha256:" + "2" * 64)
    commit(main, "fixed", **{DEV: newer, STAGING: newer})
    run("promote", "iris", "--to", "production", "--no-live")
    assert "1.2.0" in (main / PRODUCTION).read_text()


def test_another_chart_does_not_bring_it_back(main: Path) -> None:
    go_back("staging")
    commit(main, "chart", **{DEV: NEW.replace("0.1.0", "0.2.0")})
    with pytest.raises(RefusedError, match="was aborted in 'staging'"):
        run("promote", "iris", "--to", "staging", "--no-live")


def test_where_only_the_chart_was_aborted_the_version_is_not(main: Path) -> None:
    commit(main, "chart", **{DEV: NEW.replace("0.1.0", "0.2.0")})
    commit(main, "chart", **{STAGING: NEW.replace("0.1.0", "0.2.0")})
    go_back("staging")
    assert (main / STAGING).read_text() == NEW
    run("promote", "iris", "--to", "production", "--no-live")
    assert (main / PRODUCTION).read_text() == NEW
    with pytest.raises(RefusedError, match="was aborted in 'staging'"):
        run("promote", "iris", "--to", "staging", "--no-live")


def test_a_rollback_does_not_return_to_it_by_name(main: Path) -> None:
    commit(main, "promote", **{PRODUCTION: NEW})
    go_back("production")
    words = ("--env", "production", "--no-registry", "--reason", "again")
    with pytest.raises(RefusedError, match="was aborted in 'production'") as refused:
        run("rollback", "iris", *words, "--to", "1.1.0")
    assert "promote iris --to production --override abort" in refused.value.fix


@pytest.mark.parametrize("words", [("iris", "--env", "staging"), ("--all",)], ids=" ".join)
def test_histories_name_an_abort_as_the_reason(main: Path, words: tuple[str, ...]) -> None:
    git("switch", "--quiet", "--create", "back")
    go_back()
    git("switch", "--quiet", "main")
    git("merge", "--quiet", "--no-ff", "-m", "Merge pull request 7", "back")
    newest = json.loads(run("history", *words, "--output", "json"))[0]
    assert newest["why"] == f"aborted: {WHY}"
    assert f"aborted: {WHY[:20]}" in " ".join(run("history", *words).split())


def test_a_rollback_without_abort_is_none(main: Path) -> None:
    commit(main, "promote", **{PRODUCTION: NEW})
    words = ("--env", "production", "--no-registry", "--reason", "slow", "--output", "json")
    commit_all(main, json.loads(run("rollback", "iris", *words))["message"])
    run("promote", "iris", "--to", "production", "--no-live")
    assert (main / PRODUCTION).read_text() == NEW


def test_promote_reads_the_abort_from_the_cluster_before_git_has_gone_back(
    main: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster(tmp_path, monkeypatch, rollout())
    with pytest.raises(RefusedError) as refused:
        run("promote", "iris", "--to", "production")
    assert "1.1.0 of 'iris' was aborted in 'staging' at 2026-01-02T00:00:00Z: Roll" in str(
        refused.value
    )
    write(main, {PRODUCTION: NEW})
    with pytest.raises(RefusedError, match="was aborted in 'staging'"):
        run("check", "--base", "HEAD", "--live")
