"""What freezing changes in environments.yaml: one entry, by the words of the user."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError
from modelctl.promotion import freeze
from modelctl.repository import yamlfile
from modelctl.repository.checkout import Repository
from modelctl.repository.environments import Freeze
from tests.modelctl.conftest import ENVIRONMENTS, commit_all

FILE = "environments/environments.yaml"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=3)
AUDIT = Freeze(start=NOW, until=LATER, reason="Prüfung: »Inventur«")


def apply(root: Path, change: str, model: str, given: Freeze | None = None) -> dict[str, Freeze]:
    """Plan a change of staging, write it, and read what is there then."""
    repository = Repository.find(root)
    staging = repository.environment("staging")
    if given is not None:
        edit = freeze.plan_freeze(repository, staging, model, given)
    else:
        edit = getattr(freeze, change)(repository, staging, model)
    assert edit.path == root / FILE
    assert edit.before == edit.path.read_text(encoding="utf-8")
    assert edit.after is not None
    edit.path.write_text(edit.after, encoding="utf-8")
    commit_all(root, "change")
    found = Repository.find(root)
    assert found.environment("dev").freezes == found.environment("production").freezes == {}
    return found.environment("staging").freezes


def settings(root: Path, *models: str) -> None:
    for model in models:
        folder = root / "environments/staging" / model
        folder.mkdir(exist_ok=True)
        (folder / "settings.yaml").write_text("{}\n")
    commit_all(root, "models")


def test_a_freeze_is_written_as_it_was_meant(repo: Path) -> None:
    assert apply(repo, "", "iris", AUDIT) == {"iris": AUDIT}
    text = (repo / FILE).read_text(encoding="utf-8")
    assert "reason: 'Prüfung: »Inventur«'" in text
    assert "from: '2026-12-01T12:00:00Z'" in text
    # Comments stay, and so does what others wrote.
    assert text.startswith(ENVIRONMENTS.split("environments:", 1)[0])


def test_a_freeze_that_runs_keeps_its_start(repo: Path) -> None:
    apply(repo, "", "iris", AUDIT)
    longer = Freeze(start=NOW + timedelta(hours=5), until=LATER + timedelta(days=9), reason="more")
    found = apply(repo, "", "iris", longer)
    assert found == {"iris": longer.model_copy(update={"start": NOW})}
    # Another model's freeze begins when it is made.
    assert apply(repo, "", "*", longer) == {**found, "*": longer}


def test_ending_a_freeze_ends_that_one_only(repo: Path) -> None:
    apply(repo, "", "iris", AUDIT)
    apply(repo, "", "*", AUDIT)
    assert apply(repo, "plan_unfreeze", "iris") == {"*": AUDIT}
    assert apply(repo, "plan_unfreeze", "*") == {}
    assert (repo / FILE).read_text(encoding="utf-8") == ENVIRONMENTS


def test_ending_a_freeze_that_is_not_there_changes_nothing(repo: Path) -> None:
    repository = Repository.find(repo)
    edit = freeze.plan_unfreeze(repository, repository.environment("staging"), "iris")
    assert not edit.has_changes
    edit = freeze.plan_break(repository, repository.environment("staging"), "iris")
    assert not edit.has_changes


def test_breaking_a_freeze_of_all_leaves_one_of_each_other(repo: Path) -> None:
    settings(repo, "penguins", "wine")
    own = AUDIT.model_copy(update={"reason": "own"})
    apply(repo, "", "wine", own)
    apply(repo, "", "iris", own)
    apply(repo, "", "*", AUDIT)
    # A freeze of its own stays as it is; churn has no folder here.
    (repo / "environments/dev/churn").mkdir()
    assert apply(repo, "plan_break", "iris") == {"penguins": AUDIT, "wine": own}


def test_breaking_a_freeze_of_one_model_ends_it(repo: Path) -> None:
    settings(repo, "penguins")
    apply(repo, "", "iris", AUDIT)
    apply(repo, "", "penguins", AUDIT)
    assert apply(repo, "plan_break", "iris") == {"penguins": AUDIT}


def test_a_scope_is_an_environment_or_a_model_in_it(repo: Path) -> None:
    repository = Repository.find(repo)
    staging = repository.environment("staging")
    assert freeze.parse_scope(repository, "staging") == (staging, "*")
    assert freeze.parse_scope(repository, "staging/iris") == (staging, "iris")
    for wrong in ("nowhere", "staging/rose", "nowhere/iris"):
        with pytest.raises(ModelctlError):
            freeze.parse_scope(repository, wrong)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-12-24", datetime(2026, 12, 25, tzinfo=UTC)),
        ("2026-12-31", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 12, 2, tzinfo=UTC)),
        ("2026-12-24T18:30:05Z", datetime(2026, 12, 24, 18, 30, 5, tzinfo=UTC)),
    ],
)
def test_an_end_is_a_day_or_a_second(text: str, end: datetime) -> None:
    assert freeze.parse_until(text, NOW) == end


@pytest.mark.parametrize("text", ["", "24.12.2026", "2026-12-24T18:00:00", "2026-02-30", "1 week"])
def test_what_is_no_end_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(ModelctlError, match="date") as refused:
        freeze.parse_until(text, NOW)
    assert refused.value.expected is not None
    # The examples that it gives are some.
    words = refused.value.expected.replace(",", " ").split()
    examples = [word for word in words if word.startswith("2026-")]
    assert [freeze.parse_until(word, NOW) > NOW for word in examples] == [True, True]


def test_an_end_that_has_passed_says_what_time_it_is() -> None:
    with pytest.raises(ModelctlError) as refused:
        freeze.parse_until("2026-11-30", NOW)
    assert "2026-12-01T12:00:00Z" in str(refused.value)


def test_the_file_that_is_written_is_read_again(repo: Path) -> None:
    apply(repo, "", "iris", AUDIT)
    content = yamlfile.parse((repo / FILE).read_text(encoding="utf-8"), repo / FILE)
    assert list(content["environments"][1]["freezes"]) == ["iris"]
