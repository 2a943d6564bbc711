"""`--override`: a hotfix that leaves out a rule, on record and for named approvers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository import codeowners
from modelctl.repository.checkout import Repository
from tests.modelctl.conftest import ENVIRONMENTS, VERSION, commit_all, run

ALLOWED = """\
    soakMinutes: 60
    approvals: ["@you/ml"]
    overrides:
      rules: [soak, order, window]
      approvers: ["@you/oncall"]
"""
RECORD = "environments/production/iris/override.yaml"
TARGET = "environments/production/iris/version.yaml"
NEWER = VERSION.replace("1.0.0", "1.1.0")
WORDS = ("promote", "iris", "--to", "production")
HOTFIX = (*WORDS, "--override", "soak", "--reason", "outage 17")


@pytest.fixture
def hurried(released: Path) -> Path:
    """iris 1.0.0 in staging since a moment ago; production wants an hour of soak."""
    (released / "environments/environments.yaml").write_text(ENVIRONMENTS + ALLOWED)
    repository = Repository.find(released)
    owners = released / codeowners.FILE
    owners.parent.mkdir(exist_ok=True)
    owners.write_text(codeowners.text("", repository.environments))
    (released / "environments/staging/iris/version.yaml").write_text(VERSION)
    commit_all(released, "iris in staging")
    return released


def commit(root: Path) -> None:
    """Commit with the message that the command suggests."""
    message = json.loads(run(*HOTFIX, "--output", "json"))["message"]
    commit_all(root, message)


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def test_the_refusal_names_the_override(hurried: Path) -> None:
    with pytest.raises(RefusedError) as refused:
        run(*WORDS)
    assert "requires a soak time of 60 min" in str(refused.value)
    assert "fix: in an emergency: --override soak --reason '...'" in str(refused.value)


def test_an_override_is_recorded_beside_the_version(hurried: Path) -> None:
    output = run(*HOTFIX)
    assert "override of soak: outage 17; requires the approval of @you/oncall" in output
    content = YAML(typ="safe").load(hurried / RECORD)
    assert (content["rules"], content["reason"]) == (["soak"], "outage 17")
    assert content["version"] == YAML(typ="safe").load(hurried / TARGET)


def test_an_override_is_in_the_trailers_of_the_commit(hurried: Path) -> None:
    commit(hurried)
    trailers = git("log", "-1", "--format=%(trailers:key=Override,valueonly)").strip()
    assert trailers == "production/iris: soak"
    reason = git("log", "-1", "--format=%(trailers:key=Override-Reason,valueonly)").strip()
    assert reason == "production/iris: outage 17"


def test_check_accepts_what_is_on_record_and_nothing_else(hurried: Path) -> None:
    commit(hurried)
    assert "no problems" in run("check", "--base", "HEAD^")
    (hurried / RECORD).unlink()
    commit_all(hurried, "without the record")
    with pytest.raises(RefusedError, match="requires a soak time of 60 min"):
        run("check", "--base", "HEAD^^")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tag: 1.0.0", "tag: 1.0.1", "requires a soak time"),
        ("rules:\n  - soak", "rules:\n  - window", "requires a soak time"),
        ("rules:\n  - soak", "rules:\n  - soak\n  - health", "allows no override of health"),
        ("  - soak", "  - freeze", r"override\.yaml:2: rules\.0"),
        ("reason: 'outage 17'", "reason: ''", r"override\.yaml:3: reason"),
    ],
)
def test_a_record_counts_for_its_version_and_its_rules(
    hurried: Path, old: str, new: str, message: str
) -> None:
    run(*HOTFIX)
    text = (hurried / RECORD).read_text()
    assert old in text
    (hurried / RECORD).write_text(text.replace(old, new))
    commit_all(hurried, "edited")
    with pytest.raises(RefusedError, match=message):
        run("check", "--base", "HEAD^")


def test_an_environment_allows_only_what_it_names(hurried: Path) -> None:
    with pytest.raises(RefusedError, match="allows no override of health: expected one of soak"):
        run(*WORDS, "--override", "health", "--reason", "why not")
    with pytest.raises(
        RefusedError, match="'staging' allows no override of soak: expected no over"
    ):
        run("promote", "iris", "--to", "staging", "--override", "soak", "--reason", "why not")


def test_an_environment_is_skipped_with_order(hurried: Path) -> None:
    (hurried / "environments/dev/iris/version.yaml").write_text(NEWER)
    commit_all(hurried, "1.1.0 in dev")
    origin = (*WORDS, "--from", "dev")
    with pytest.raises(RefusedError, match="'dev' is not all that 'production' comes after"):
        run(*origin)
    rules = ("--override", "order", "--override", "soak", "--reason", "outage 17")
    run(*origin, *rules)
    assert (hurried / TARGET).read_text() == NEWER
    assert "from: dev" in (hurried / RECORD).read_text()
    commit_all(hurried, "hotfix")
    assert "no problems" in run("check", "--base", "HEAD^")
    text = (hurried / RECORD).read_text()
    (hurried / RECORD).write_text(text.replace("from: dev\n", ""))
    commit_all(hurried, "from nowhere")
    with pytest.raises(RefusedError, match=r"1\.1\.0 is neither"):
        run("check", "--base", "HEAD^^")


def test_a_version_that_never_ran_anywhere_stays_refused(hurried: Path) -> None:
    run(*HOTFIX)
    for name in (RECORD, TARGET):
        path = hurried / name
        path.write_text(path.read_text().replace("1.0.0", "6.6.6"))
    commit_all(hurried, "from nowhere")
    with pytest.raises(RefusedError, match=r"6\.6\.6 is neither"):
        run("check", "--base", "HEAD^")


def test_the_next_promotion_removes_the_record(hurried: Path) -> None:
    commit(hurried)
    text = (hurried / "environments/environments.yaml").read_text()
    (hurried / "environments/environments.yaml").write_text(text.replace("soakMinutes: 60", ""))
    for environment in ("dev", "staging"):
        (hurried / f"environments/{environment}/iris/version.yaml").write_text(NEWER)
    commit_all(hurried, "1.1.0 before")
    run(*WORDS)
    assert (hurried / TARGET).read_text() == NEWER
    assert not (hurried / RECORD).exists()


def test_status_shows_the_override_until_the_next_version(hurried: Path) -> None:
    commit(hurried)
    assert "override of soak (outage 17)" in run("status", "--no-live")
    (hurried / TARGET).write_text(NEWER)
    assert "override of soak" not in run("status", "--no-live")


def test_running_it_again_changes_nothing(hurried: Path) -> None:
    run(*HOTFIX)
    commit_all(hurried, "hotfix")
    for words in (HOTFIX, WORDS):
        assert run(*words).endswith(f"{TARGET} is already up to date\n")
    assert (hurried / RECORD).exists()


def test_the_approvers_own_the_records_and_nobody_can_remove_them(hurried: Path) -> None:
    lines = (hurried / codeowners.FILE).read_text().splitlines()
    folder = lines.index("/environments/production/ @you/ml")
    record = lines.index("/environments/production/*/override.yaml @you/oncall")
    assert folder < record
    # Who guards the environment decides on the rules, and so on the approvers.
    assert "/environments/environments.yaml @you/ml" in lines
    text = (ENVIRONMENTS + ALLOWED).replace('    approvals: ["@you/ml"]\n', "")
    (hurried / "environments/environments.yaml").write_text(text)
    unguarded = codeowners.text("", Repository.find(hurried).environments)
    assert "/environments/environments.yaml @you/oncall\n" in unguarded


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--override", "soak"), "an override needs a rule and a reason"),
        (("--reason", "because"), "an override needs a rule and a reason"),
        (("--override", "order", "--reason", "because"), "--override order without --from"),
        (("--from", "production"), "takes no version from|is not all that"),
    ],
)
def test_half_an_override_is_refused(hurried: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(ModelctlError, match=message):
        run(*WORDS, *words)
