"""`modelctl freeze` and `unfreeze`: changes stop, with a reason, until a date."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from modelctl.promotion import check, freeze
from modelctl.repository.checkout import Repository
from tests.modelctl.conftest import ENVIRONMENTS, VERSION, commit_all, run

FILE = "environments/environments.yaml"
UNTIL = ("--until", "2999-12-24")
OVER = """\
    freezes:
      iris:
        from: '2020-01-01T00:00:00Z'
        until: '2020-01-02T00:00:00Z'
        reason: long ago
"""


def test_freeze_and_unfreeze_leave_the_file_as_it_was(released: Path) -> None:
    output = run("freeze", "staging", *UNTIL, "--reason", "inventory")
    assert "git commit -m 'Freeze staging until 2999-12-25T00:00:00Z: inventory'" in output
    assert (released / FILE).read_text() != ENVIRONMENTS
    commit_all(released, "freeze")
    run("unfreeze", "staging")
    assert (released / FILE).read_text() == ENVIRONMENTS


def test_freeze_twice_changes_nothing_the_second_time(released: Path) -> None:
    run("freeze", "staging/iris", *UNTIL, "--reason", "audit")
    commit_all(released, "freeze")
    assert "already up to date" in run("freeze", "staging/iris", *UNTIL, "--reason", "audit")


@pytest.mark.parametrize("scope", ["staging", "staging/iris"])
def test_a_frozen_environment_refuses_a_promotion_with_the_reason(
    released: Path, scope: str
) -> None:
    run("freeze", scope, *UNTIL, "--reason", "inventory")
    commit_all(released, "freeze")
    with pytest.raises(RefusedError, match=r"frozen for 'iris' until 2999-12-25.*: inventory"):
        run("promote", "iris", "--to", "staging")


def test_a_freeze_that_is_over_stops_nothing_and_has_to_go(released: Path) -> None:
    text = ENVIRONMENTS.replace("name: staging\n", f"name: staging\n{OVER}")
    (released / FILE).write_text(text)
    commit_all(released, "old freeze")
    assert check.file_violations(Repository.find(released)) == [
        "environments/environments.yaml: the freeze of staging/iris has expired; "
        "run `modelctl unfreeze staging/iris`"
    ]
    run("promote", "iris", "--to", "staging")


def test_rollback_breaks_the_freeze_for_its_model_only(released: Path) -> None:
    version = released / "environments/dev/iris/version.yaml"
    version.write_text(VERSION.replace("1.0.0", "1.1.0"))
    for name in ("settings.yaml", "capacity.yaml"):
        path = released / "environments/dev/penguins" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}\n")
    commit_all(released, "next")
    run("freeze", "dev", *UNTIL, "--reason", "inventory")
    commit_all(released, "freeze")
    with pytest.raises(RefusedError, match="is frozen for 'iris'"):
        run("rollback", "iris", "--no-registry", "--env", "dev", "--reason", "broken")
    run("rollback", "iris", "--no-registry", "--env", "dev", "--reason", "broken", "--break-freeze")
    assert version.read_text() == VERSION
    dev = Repository.find(released).environment("dev")
    assert set(dev.freezes) == {"penguins"}
    assert dev.freezes["penguins"].reason == "inventory"


@pytest.mark.parametrize(
    ("until", "message"),
    [
        pytest.param("tomorrow", "is not a date", id="words"),
        pytest.param("2026-13-01", "is not a date", id="month-13"),
        pytest.param("2020-01-01", "is in the past", id="past"),
    ],
)
def test_freeze_refuses_a_wrong_end(released: Path, until: str, message: str) -> None:
    with pytest.raises(ModelctlError, match=message):
        run("freeze", "staging", "--until", until, "--reason", "x")


def test_the_day_of_a_date_is_frozen_to_its_end() -> None:
    now = datetime(2026, 12, 24, 12, tzinfo=UTC)
    assert freeze.parse_until("2026-12-24", now) == datetime(2026, 12, 25, tzinfo=UTC)
