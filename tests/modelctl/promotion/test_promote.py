"""`modelctl promote`: what the user sees and what is on disk afterwards."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, VERSION, commit_all, run


def test_promote_copies_the_version_file_and_nothing_else(released: Path) -> None:
    before = {path: path.read_bytes() for path in released.glob("environments/**/*.yaml")}
    run("promote", "iris", "--to", "staging")
    target = released / "environments/staging/iris/version.yaml"
    assert target.read_text() == VERSION
    after = {path: path.read_bytes() for path in released.glob("environments/**/*.yaml")}
    assert set(after) - set(before) == {target}
    assert all(after[path] == content for path, content in before.items())


def test_promote_shows_the_change_and_the_next_command(released: Path) -> None:
    output = run("promote", "iris", "--to", "staging")
    assert f"+  digest: {DIGEST_B}" in output
    assert "git commit -m 'Promote iris 1.0.0 to staging'" in output


def test_promote_twice_changes_nothing_the_second_time(released: Path) -> None:
    run("promote", "iris", "--to", "staging")
    commit_all(released, "promote")
    output = run("promote", "iris", "--to", "staging")
    assert output == "environments/staging/iris/version.yaml is already up to date\n"


def test_promote_with_dry_run_writes_nothing(released: Path) -> None:
    output = run("promote", "iris", "--to", "staging", "--dry-run")
    assert "dry run: nothing written" in output
    assert not (released / "environments/staging/iris/version.yaml").exists()


def test_promote_keeps_comments_and_order_of_the_target(released: Path) -> None:
    target = released / "environments/staging/iris/version.yaml"
    older = VERSION.replace("1.0.0", "0.9.0").replace("model:", "# ours\nmodel:")
    target.write_text(older)
    commit_all(released, "older")
    run("promote", "iris", "--to", "staging")
    assert target.read_text() == older.replace("0.9.0", "1.0.0")


def test_promote_refuses_to_skip_an_environment(released: Path) -> None:
    with pytest.raises(
        RefusedError,
        match="'iris' is not released in 'staging', the previous environment of 'production'",
    ):
        run("promote", "iris", "--to", "production")


def test_promote_refuses_the_first_environment(released: Path) -> None:
    with pytest.raises(
        RefusedError, match="'dev' is the first environment, which has nothing to promote from"
    ):
        run("promote", "iris", "--to", "dev")


def test_promote_refuses_a_target_with_uncommitted_changes(released: Path) -> None:
    target = released / "environments/staging/iris/version.yaml"
    target.write_text("image: {}\n")
    with pytest.raises(ModelctlError, match="has uncommitted changes"):
        run("promote", "iris", "--to", "staging")
    assert target.read_text() == "image: {}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("promote", "iris", "--to", "prod"), "unknown environment 'prod'", id="env"),
        pytest.param(
            ("promote", "irs", "--to", "staging"), "model 'irs' is not set up", id="model"
        ),
    ],
)
def test_promote_names_what_is_unknown(
    released: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ModelctlError, match=message):
        run(*arguments)


def test_promote_refuses_a_damaged_version_file_with_its_line(released: Path) -> None:
    source = released / "environments/dev/iris/version.yaml"
    source.write_text(VERSION.replace(DIGEST_A, "sha256:short"))
    commit_all(released, "damaged")
    with pytest.raises(ModelctlError, match=r"version\.yaml:4: image\.digest"):
        run("promote", "iris", "--to", "staging")


SETTINGS = "environments/{}/iris/settings.yaml"


def test_promote_with_settings_copies_values_and_keeps_the_targets_comments(released: Path) -> None:
    ours, theirs = released / SETTINGS.format("staging"), released / SETTINGS.format("dev")
    ours.write_text("# staging's own words\nconfig:\n  logLevel: info\n  old: 1  # goes\n")
    theirs.write_text("# of dev\nconfig:\n  logLevel: debug\n")
    commit_all(released, "settings")
    run("promote", "iris", "--to", "staging", "--with-settings")
    assert ours.read_text() == "# staging's own words\nconfig:\n  logLevel: debug\n"
    capacity = released / "environments/staging/iris/capacity.yaml"
    assert capacity.read_text() == "replicaCount: 1\n"


def test_promote_says_since_when_and_that_health_was_not_checked(released: Path) -> None:
    output = run("promote", "iris", "--to", "staging", "--no-live", "--dry-run")
    first = output.splitlines()[0]
    assert first == ("1.0.0 in dev: for 0 min (since its commit); health not checked")


def test_promote_warns_when_the_first_environment_renders_a_newer_chart(released: Path) -> None:
    (released / "charts/ml-model/Chart.yaml").write_text("name: ml-model\nversion: 0.2.0\n")
    output = run("promote", "iris", "--to", "staging", "--dry-run", "--no-live")
    assert (
        "warning: dev renders chart 0.2.0, but chart 0.1.0 is promoted; to pin 0.2.0: "
        "`modelctl bump iris --env dev`\n"
    ) in output


def test_a_chart_that_goes_back_is_said_by_promotion_and_check(released: Path) -> None:
    newer = VERSION.replace("version: 0.1.0", "version: 0.10.0")
    (released / "environments/staging/iris/version.yaml").write_text(newer)
    commit_all(released, "an older promotion")
    warning = "warning: the chart goes back from 0.10.0 to 0.1.0\n"
    assert warning in run("promote", "iris", "--to", "staging", "--no-live")
    commit_all(released, "promote")
    assert warning in run("check", "--base", "HEAD^")


def test_promote_as_json_says_what_it_did(released: Path) -> None:
    found = json.loads(run("promote", "iris", "--to", "staging", "--output", "json"))
    (change,) = found["changes"]
    assert (change["file"], change["action"], found["written"]) == (
        "environments/staging/iris/version.yaml",
        "create",
        True,
    )
    assert found["message"] == "Promote iris 1.0.0 to staging"
    again = json.loads(run("promote", "iris", "--to", "staging", "--output", "json"))
    assert (again["changes"], again["written"]) == ([], False)


def test_two_people_who_promote_at_once_end_in_a_conflict_of_git(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never in a file that is half of each."""
    target = "environments/staging/iris/version.yaml"
    (released / target).write_text(VERSION.replace("1.0.0", "0.9.0"))
    commit_all(released, "0.9.0 in staging")
    remote, one, two = (tmp_path / name for name in ("remote.git", "one", "two"))
    git("clone", "--quiet", "--bare", str(released), str(remote))
    for clone in (one, two):
        git("clone", "--quiet", str(remote), str(clone))
    monkeypatch.chdir(one)
    run("promote", "iris", "--to", "staging")
    commit_all(one, "one's")
    monkeypatch.chdir(two)
    (two / "environments/dev/iris/version.yaml").write_text(VERSION.replace("1.0.0", "1.1.0"))
    commit_all(two, "two's bump")
    git("-C", str(two), "push", "--quiet")
    git("-C", str(one), "pull", "--quiet", "--rebase")
    git("-C", str(one), "push", "--quiet")
    run("promote", "iris", "--to", "staging")
    commit_all(two, "two's promotion")
    with pytest.raises(subprocess.CalledProcessError):
        git("-C", str(two), "push", "--quiet")
    with pytest.raises(subprocess.CalledProcessError):
        git("-C", str(two), "pull", "--quiet", "--rebase")
    assert "<<<<<<<" in (two / target).read_text()
    with pytest.raises(ModelctlError, match=r"version\.yaml:\d+: invalid YAML"):
        run("promote", "iris", "--to", "staging")


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)
