"""`modelctl rollback` and `history`: an earlier version comes back from git."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelctl.errors import RefusedError
from modelctl.promotion.rollback import plan_rollback
from modelctl.repository.environments import Repository
from tests.modelctl.conftest import VERSION, commit_all, run


@pytest.fixture
def third(released: Path) -> Path:
    """Iris in dev at 1.2.0, after 1.0.0 and 1.1.0; returns the version file."""
    path = released / "environments/dev/iris/version.yaml"
    for version in ("1.1.0", "1.2.0"):
        path.write_text(VERSION.replace("1.0.0", version))
        commit_all(released, f"Bump iris to {version} in dev")
    return path


def test_rollback_puts_the_version_before_back(third: Path) -> None:
    output = run("rollback", "iris", "--no-registry", "--env", "dev", "--reason", "it's wrong")
    assert third.read_text() == VERSION.replace("1.0.0", "1.1.0")
    assert "git commit -m 'Roll back iris to 1.1.0 in dev: it'\"'\"'s wrong'" in output


def test_rollback_goes_to_a_named_version(third: Path) -> None:
    run("rollback", "iris", "--no-registry", "--env", "dev", "--to", "1.0.0", "--reason", "older")
    assert third.read_text() == VERSION


def test_rollback_with_dry_run_writes_nothing(third: Path) -> None:
    before = third.read_text()
    run("rollback", "iris", "--no-registry", "--env", "dev", "--reason", "try", "--dry-run")
    assert third.read_text() == before


def test_rollback_names_the_versions_there_are(third: Path) -> None:
    with pytest.raises(RefusedError, match=r"expected: one of 1\.0\.0, 1\.1\.0"):
        run("rollback", "iris", "--no-registry", "--env", "dev", "--to", "9", "--reason", "no such")


def test_rollback_without_an_earlier_version_is_refused(released: Path) -> None:
    with pytest.raises(RefusedError, match="no earlier version in git"):
        run("rollback", "iris", "--no-registry", "--env", "dev", "--reason", "none")


def test_a_planned_rollback_is_refused_in_a_freeze_unless_it_ends_it(third: Path) -> None:
    run("freeze", "dev/iris", "--until", "2999-01-01", "--reason", "inventory")
    repository = Repository.find()
    dev, now = repository.environment("dev"), datetime.now(UTC)
    with pytest.raises(RefusedError, match=r"frozen for 'iris' .*: inventory"):
        plan_rollback(repository, dev, "iris", None, now)
    edits, version = plan_rollback(repository, dev, "iris", None, now, break_freeze=True)
    assert version.model.version == "1.1.0"
    assert [edit.path.name for edit in edits] == ["version.yaml", "environments.yaml"]


def test_history_lists_versions_newest_first(third: Path) -> None:
    lines = run("history", "iris", "--env", "dev").splitlines()[1:]
    assert [line.split()[1] for line in lines] == ["1.2.0", "1.1.0", "1.0.0"]
