"""Recurring windows refuse new versions, never a rollback."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelctl.errors import RefusedError
from tests.modelctl.conftest import DIGEST_A, ENVIRONMENTS, VERSION, commit_all, make_bundle, run

# Never active when the tests run.
LATER = f'"0 0 {1 if datetime.now(UTC).day > 15 else 28} * *"'
NEWER = VERSION.replace("1.0.0", "1.1.0")


def close(root: Path, environment: str, kind: str, schedule: str, models: str = '["*"]') -> None:
    text = ENVIRONMENTS.replace(
        f"  - name: {environment}\n",
        f"  - name: {environment}\n    windows:\n      - kind: {kind}\n"
        f"        schedule: {schedule}\n        duration: 23h59m\n        reason: month end\n"
        f"        models: {models}\n",
    )
    (root / "environments/environments.yaml").write_text(text)
    commit_all(root, "windows")


def test_a_promotion_is_refused_in_a_deny_window_with_its_reason(released: Path) -> None:

    close(released, "staging", "deny", '"*/1 * * * *"')
    with pytest.raises(RefusedError, match=r"'staging' is closed for 'iris' .*\(month end\)"):
        run("promote", "iris", "--to", "staging")
    close(released, "staging", "deny", '"*/1 * * * *"', "[fraud]")
    run("promote", "iris", "--to", "staging")


def test_a_promotion_is_refused_outside_of_every_allow_window(released: Path) -> None:
    close(released, "staging", "allow", LATER)
    with pytest.raises(
        RefusedError,
        match=r"'staging' is closed for 'iris' now: .* only, which next opens at \d{4}-",
    ):
        run("promote", "iris", "--to", "staging")
    close(released, "staging", "allow", '"*/1 * * * *"')
    run("promote", "iris", "--to", "staging")


def test_a_deny_window_says_when_it_ends_wherever_it_shows(released: Path) -> None:
    """An hour of every day has the present time: the window ends within a day."""
    now = datetime.now(UTC)
    start = now - timedelta(hours=2)
    schedule = f'"{start.minute} {start.hour} * * *"'
    close(released, "staging", "deny", schedule)
    ends = rf"which ends at {start + timedelta(hours=23, minutes=59):%Y-%m-%d %H:%M} UTC"
    with pytest.raises(RefusedError, match=rf"\(month end\), {ends}"):
        run("promote", "iris", "--to", "staging")
    assert ends in run("promote", "--all-ready", "--to", "staging")
    close(released, "dev", "deny", schedule)
    words = ("status", "iris", "--env", "dev", "--no-live", "--output", "json")
    (found,) = json.loads(run(*words))["releases"]
    assert any(ends in remark for remark in found["remarks"])


def test_a_bump_is_refused_too(released: Path, tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle", "1.1.0")
    words = ["bump", "iris", "--env", "dev", "--image", f"registry.example/iris:1.1.0@{DIGEST_A}"]
    close(released, "dev", "deny", '"*/1 * * * *"')
    with pytest.raises(RefusedError, match="'dev' is closed for 'iris'"):
        run(*words, "--bundle", str(tmp_path / "bundle"))


def test_check_refuses_a_new_version_and_lets_a_rollback_pass(released: Path) -> None:
    target = released / "environments/staging/iris/version.yaml"
    target.write_text(VERSION)
    commit_all(released, "1.0.0")
    for environment in ("dev", "staging"):
        (released / f"environments/{environment}/iris/version.yaml").write_text(NEWER)
        commit_all(released, "1.1.0")
    close(released, "staging", "deny", '"*/1 * * * *"')
    run("rollback", "iris", "--env", "staging", "--reason", "bad", "--no-registry")
    commit_all(released, "roll back")
    run("check", "--base", "HEAD^")
    newest = VERSION.replace("1.0.0", "1.2.0")
    (released / "environments/dev/iris/version.yaml").write_text(newest)
    commit_all(released, "1.2.0")
    target.write_text(newest)
    commit_all(released, "promote by hand")
    with pytest.raises(RefusedError, match=r"staging/iris/version\.yaml: 'staging' is closed"):
        run("check", "--base", "HEAD^")


def test_an_unreadable_window_has_its_line(released: Path) -> None:
    close(released, "staging", "deny", '"0 0 * * 7"')
    with pytest.raises(Exception, match=r"environments\.yaml:10: .*Sunday is 0 or SUN"):
        run("check")


def test_the_schema_for_editors_has_the_windows() -> None:
    root = Path(__file__).parents[3]
    schema = json.loads((root / "environments/environments.schema.json").read_text())
    assert schema["$defs"]["Window"]["required"] == ["kind", "schedule", "duration", "reason"]
