"""`modelctl history --all`: who changed what, when and why, from git alone."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from modelctl.commands import _table
from modelctl.errors import ModelctlError
from tests.modelctl.conftest import ENVIRONMENTS, VERSION, commit_all, run

NEWER = VERSION.replace("1.0.0", "1.1.0")
PLACE = "environments/production"


def commit(root: Path, name: str, text: str | None, message: str) -> None:
    path = root / name
    path.parent.mkdir(exist_ok=True)
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    commit_all(root, message)


def events(*words: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(run("history", "--all", "--output", "json", *words))
    return found


@pytest.fixture
def lively(released: Path) -> Path:
    """A checkout in which everything happened once."""
    version = f"{PLACE}/iris/version.yaml"
    rules = "    overrides:\n      rules: [soak]\n      approvers: ['@you/oncall']\n"
    commit(released, "environments/environments.yaml", ENVIRONMENTS + rules, "Allow overrides")
    commit(released, "environments/staging/iris/version.yaml", VERSION, "Promote iris 1.0.0")
    commit(released, version, VERSION, "Promote iris 1.0.0 to production")
    commit(released, "environments/dev/iris/version.yaml", NEWER, "Bump iris to 1.1.0 in dev")
    commit(released, "environments/staging/iris/version.yaml", NEWER, "Promote iris 1.1.0")
    run(
        *("promote", "iris", "--to", "production", "--override", "soak"),
        *("--reason", "outage 17"),
    )
    commit_all(released, "Promote iris 1.1.0 to production")
    run("rollback", "iris", "--env", "production", "--reason", "bad", "--no-registry")
    commit_all(released, "Roll back iris to 1.0.0 in production: bad")
    run("freeze", "production", "--until", "2999-01-01", "--reason", "audit")
    commit_all(released, "Freeze production")
    run("unfreeze", "production")
    commit_all(released, "Unfreeze production")
    settings = "config:\n  logLevel: debug\n"
    commit(released, f"{PLACE}/iris/settings.yaml", settings, "Debug")
    commit(released, f"{PLACE}/iris/settings.yaml", f"# why\n{settings}", "A comment only")
    commit(released, f"{PLACE}/iris/capacity.yaml", "replicaCount: 3\n", "More")
    commit(released, version, None, "Retire iris from production")
    return released


def test_every_kind_of_change_is_one_event(lively: Path) -> None:
    found = [
        (event["kind"], event["before"][:5], event["after"][:20], event["override"], event["why"])
        for event in events("--env", "production")
        if event["kind"] != "set-up"
    ]
    assert found == [
        ("retire", "1.0.0", "", "", "Retire iris from production"),
        ("capacity", "", "replicaCount", "", "More"),
        ("settings", "", "config.logLevel", "", "Debug"),
        ("unfreeze", "until", "", "", "Unfreeze production"),
        ("freeze", "", "until 2999-01-02T00:", "", "audit"),
        ("rollback", "1.1.0", "1.0.0 bbbbbbbbbbbb", "", "bad"),
        ("promote", "1.0.0", "1.1.0 bbbbbbbbbbbb", "soak", "outage 17"),
        ("promote", "", "1.0.0 bbbbbbbbbbbb", "", "Promote iris 1.0.0 to production"),
        ("rules", "", "overrides", "", "Allow overrides"),
    ]


PRINTED = "Roll back iris to 1.0.0 in production: two: words"
MESSAGES = {
    "as printed": f"{PRINTED}\n\nRollback-reason: two: words",
    "without the trailer": PRINTED,
    "squashed": "Back (#12)\n\n* text\n\nRollback-reason: two:\n words\nReviewed-by: me <me@b.c>",
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=list(MESSAGES))
@pytest.mark.parametrize("merged", [False, True], ids=["pushed", "merged"])
def test_a_rollback_shows_its_reason_alone(released: Path, message: str, *, merged: bool) -> None:
    version = f"{PLACE}/iris/version.yaml"
    for content in (VERSION, NEWER):
        commit(released, version, content, "One more change")
    if merged:
        subprocess.run(["git", "switch", "--quiet", "--create", "back"], cwd=released, check=True)
    commit(released, version, VERSION, message)
    why = "two: words"
    if merged:
        argv = ["git", "merge", "--quiet", "--no-ff", "-m", "Merge pull request 7", "back"]
        subprocess.run(["git", "switch", "--quiet", "-"], cwd=released, check=True)
        subprocess.run(argv, cwd=released, check=True)
        why = why if "Rollback-reason" in message else "Merge pull request 7"
    newest, *_ = events("iris", "--env", "production")
    assert (newest["kind"], newest["why"]) == ("rollback", why)
    assert f"{why} (" in run("history", "--all")


def test_a_version_that_comes_again_is_promoted_not_rolled_back(released: Path) -> None:
    version = f"{PLACE}/iris/version.yaml"
    for content in (VERSION, NEWER, VERSION, NEWER, None, VERSION):
        commit(released, version, content, "One more change")
    kinds = [event["kind"] for event in reversed(events("iris", "--env", "production"))]
    versions = [kind for kind in kinds if kind in ("promote", "rollback", "retire")]
    assert versions == ["promote", "promote", "rollback", "promote", "retire", "promote"]


def test_events_can_be_narrowed_even_to_what_is_gone(lively: Path) -> None:
    kinds = [event["kind"] for event in events("iris", "--env", "dev")]
    assert kinds == ["bump", "bump", "set-up", "set-up", "set-up", "set-up"]
    commit(lively, "environments/staging/old/settings.yaml", "{}\n", "Set up old")
    commit(lively, "environments/staging/old/settings.yaml", None, "Remove old")
    assert [event["kind"] for event in events("old", "--env", "staging")][:2] == [
        "remove",
        "set-up",
    ]


def test_values_of_settings_are_not_shown(lively: Path) -> None:
    assert "debug" not in run("history", "--all", "--output", "json")


def test_the_table_fits_a_terminal(lively: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_table, "PIPED_WIDTH", 80)
    lines = run("history", "--all").splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["when", "(UTC)", "who", "where", "what", "why"]


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1"]
)
def test_no_cell_of_the_csv_is_a_formula(released: Path, name: str) -> None:
    (released / "environments/dev/iris/version.yaml").write_text(NEWER)
    words = [
        "-c",
        f"user.name={name}",
        "-c",
        "user.email=a@b.c",
        "commit",
        "-aqm",
        f"{name} \x1b[2J",
    ]
    environ = {"PATH": "/usr/bin:/bin"}
    subprocess.run(["git", *words], check=True, env=environ)
    rows = list(csv.DictReader(io.StringIO(run("history", "--all", "--output", "csv"))))
    for cell in (rows[0]["who"], rows[0]["why"]):
        assert cell.startswith(("'", "cmd", "1", "SUM"))
        assert not cell.strip().startswith(("=", "+", "-", "@", "\uff1d"))
    assert "\x1b" not in run("history", "--all", "--output", "csv")
    assert "\x1b" not in run("history", "--all")


def test_a_subject_or_a_file_cannot_pass_for_another_commit(released: Path) -> None:
    forged = "\x1e" + "a" * 40 + "\x1f2026-01-01T00:00:00Z\x1fboss\x1fboss@b.c\x1fapproved\x1f"
    commit(released, "environments/dev/iris/version.yaml", f"{NEWER}# {forged}\n", f"x{forged}")
    found = events("iris", "--env", "dev")
    assert len(found) == 6
    assert {event["who"] for event in found} == {"test"}


def test_unreadable_files_do_not_hide_the_rest(lively: Path) -> None:
    before = len(events())
    commit(lively, "environments/dev/iris/version.yaml", "image: [\n", "broken")
    commit(lively, "environments/environments.yaml", "- no\n", "broken too")
    commit(lively, "environments/environments.yaml", ENVIRONMENTS, "repaired")
    commit(lively, "environments/dev/iris/version.yaml", NEWER, "repaired too")
    assert len(events()) > before


def test_a_shallow_clone_says_so(
    lively: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"
    argv = ["git", "clone", "-q", "--depth=2", f"file://{lively}", str(clone)]
    subprocess.run(argv, check=True)
    monkeypatch.chdir(clone)
    with pytest.raises(ModelctlError, match="this clone is shallow"):
        run("history", "--all")


@pytest.mark.parametrize("words", [(), ("iris",), ("--env", "dev"), ("--output", "csv")])
def test_history_of_nothing_is_refused(released: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(ModelctlError, match="no history to show"):
        run("history", *words)
