"""`modelctl auto-promote`: only what is ready, never what ran there before."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository import verifications
from modelctl.repository.checkout import Repository
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, ENVIRONMENTS, VERSION, commit_all, run
from tests.modelctl.promotion.test_pull_request import Forge, forge  # noqa: F401 - a fixture

TARGET = "environments/staging/iris/version.yaml"
AUTOMATIC = ENVIRONMENTS.replace("promotion: pull-request", "promotion: automatic", 1).replace(
    "name: dev\n", "name: dev\n    verification: [sample]\n"
)
NEWER = VERSION.replace("1.0.0", "1.1.0").replace(DIGEST_A, DIGEST_B)
BRANCH = "promote/staging-iris"


def write(root: Path, text: str, message: str = "environments") -> None:
    (root / "environments/environments.yaml").write_text(text)
    commit_all(root, message)


def release(root: Path, text: str, *environments: str) -> None:
    for environment in environments:
        (root / f"environments/{environment}/iris/version.yaml").write_text(text)
        commit_all(root, f"{environment} changes")


def verify(root: Path) -> None:
    """Record that what is in dev works; test_verification does it with a service."""
    repository = Repository.find(root)
    dev = repository.environment("dev")
    version = repository.version(dev, "iris")
    assert version is not None
    verifications.record(repository, dev, "iris", version, {"sample": 10})


@pytest.fixture
def automatic(released: Path) -> Path:
    """iris 1.0.0 in dev; staging takes versions automatically, production does not."""
    write(released, AUTOMATIC)
    verify(released)
    return released


def test_what_is_ready_is_promoted_and_the_rest_is_not(automatic: Path) -> None:
    output = run("auto-promote")
    assert "git commit -m 'Promote iris 1.0.0 to staging'" in output
    assert (automatic / TARGET).read_text() == VERSION
    commit_all(automatic, "promoted")
    assert run("auto-promote") == "nothing is ready\n"
    assert not (automatic / "environments/production/iris/version.yaml").exists()


def test_soak_time_and_freezes_hold(automatic: Path) -> None:
    write(
        automatic,
        AUTOMATIC.replace("promotion: automatic", "promotion: automatic\n    soakMinutes: 60"),
    )
    output = run("auto-promote")
    assert "not ready: staging/iris: 'staging' requires a soak time of 60 min in 'dev'" in output
    assert not (automatic / TARGET).exists()
    write(automatic, AUTOMATIC, "no soak time")
    run("freeze", "staging", "--until", "2999-01-01", "--reason", "audit")
    commit_all(automatic, "freeze")
    assert "not ready: staging/iris: 'staging' is frozen for 'iris'" in run("auto-promote")


def test_a_version_that_was_rolled_back_is_not_promoted_again(automatic: Path) -> None:
    release(automatic, VERSION, "staging")
    release(automatic, NEWER, "dev", "staging")
    run("rollback", "iris", "--env", "staging", "--reason", "bad", "--no-registry")
    commit_all(automatic, "roll back")
    words = "1.1.0 ran in 'staging' before; only a person promotes it again"
    assert words in run("auto-promote")
    assert (automatic / TARGET).read_text() == VERSION
    # Nor with another chart; a chart of its own for what runs is new.
    release(automatic, NEWER.replace("0.1.0", "0.2.0"), "dev")
    assert words in run("auto-promote")
    release(automatic, VERSION.replace("0.1.0", "0.2.0"), "dev")
    verify(automatic)
    assert "Promote iris 1.0.0 to staging" in run("auto-promote")
    # A person may.
    subprocess.run(["git", "checkout", "-q", "."], check=True)
    release(automatic, NEWER, "dev")
    verify(automatic)
    assert "Promote iris 1.1.0 to staging" in run("promote", "iris", "--to", "staging")


def test_nothing_is_promoted_on_no_evidence(automatic: Path) -> None:
    release(automatic, NEWER, "dev")
    assert "1.1.0 of 'iris' is not verified in 'dev'" in run("auto-promote")
    write(automatic, AUTOMATIC.replace("    verification: [sample]\n", ""))
    assert (
        "no record that 1.1.0 of 'iris' works in 'dev': expected a cluster that says Healthy, or "
        "`verification` of 'dev'; found no cluster that answers"
    ) in run("auto-promote")
    assert not (automatic / TARGET).exists()
    # A person may decide that.
    assert "Promote iris 1.1.0" in run(
        "promote", "iris", "--to", "staging", "--dry-run", "--no-live", "--output", "json"
    )


def test_an_environment_that_is_not_automatic_is_refused(automatic: Path) -> None:
    with pytest.raises(RefusedError, match="'production' is not promoted to automatically"):
        run("auto-promote", "--to", "production")


def test_an_unreadable_file_stops_only_its_model(automatic: Path) -> None:
    for environment in ("dev", "staging"):
        folder = automatic / "environments" / environment
        (folder / "broken").mkdir()
        for name in ("settings.yaml", "capacity.yaml"):
            (folder / "broken" / name).write_text("{}\n")
    (automatic / "environments/dev/broken/version.yaml").write_text("image: {}\n")
    commit_all(automatic, "broken")
    with pytest.raises(ModelctlError, match="could not promote staging/broken"):
        run("auto-promote")
    assert (automatic / TARGET).read_text() == VERSION


def test_a_pull_request_is_opened_and_merged_once_its_checks_pass(forge: Forge) -> None:  # noqa: F811
    write(forge.checkout, AUTOMATIC)
    verify(forge.checkout)
    subprocess.run(["git", "push", "-q", "origin", "HEAD"], cwd=forge.checkout, check=True)
    words = ("auto-promote", "--no-live", "--pull-request", "--merge")
    assert "staging/iris: https://forge.example/pull/1\n" in run(*words)
    assert forge.show(f"{BRANCH}:{TARGET}") == VERSION
    assert ["pr", "merge", BRANCH, "--auto", "--squash"] in forge.told()
    head = forge.show(BRANCH)
    # Again, as a schedule does: the same branch, the same request.
    run(*words)
    assert forge.show(BRANCH) == head
    assert sum(words[:2] == ["pr", "create"] for words in forge.told()) == 1
    assert not (forge.checkout / TARGET).exists()


def test_json_says_what_is_ready(automatic: Path) -> None:
    (entry,) = json.loads(run("auto-promote", "--dry-run", "--output", "json"))["promotions"]
    assert (entry["model"], entry["environment"], entry["ready"]) == ("iris", "staging", True)


def test_merge_needs_a_pull_request(automatic: Path) -> None:
    with pytest.raises(ModelctlError, match="--merge without --pull-request"):
        run("auto-promote", "--merge")
