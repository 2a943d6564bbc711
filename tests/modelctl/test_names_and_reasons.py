"""A name that nobody has and a reason that says nothing are refused by every command alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from modelctl.cli import cli
from modelctl.errors import ModelctlError
from tests.modelctl.conftest import commit_all, run

UNTIL = ("--until", "2999-12-24")
TYPOS = (
    ("auto-promote", "irs"),
    ("bump", "irs", "--env", "dev", "--image", f"r.example/irs:1@sha256:{'a' * 64}"),
    ("diff", "irs", "dev", "staging"),
    ("freeze", "dev/irs", *UNTIL, "--reason", "x"),
    ("history", "irs", "--env", "dev"),
    ("history", "--all", "irs"),
    ("promote", "irs", "--to", "staging"),
    ("retire", "irs", "--env", "dev", "--no-live"),
    ("rollback", "irs", "--env", "dev", "--reason", "x"),
    ("status", "irs"),
    ("unfreeze", "dev/irs"),
    ("wait", "irs", "--env", "dev"),
)


@pytest.mark.parametrize("words", TYPOS, ids=" ".join)
def test_an_unknown_model_is_refused_with_the_near_name(
    released: Path, words: tuple[str, ...]
) -> None:
    with pytest.raises(ModelctlError, match="model 'irs'") as error:
        run(*words)
    assert "did you mean iris?" in error.value.expected


def test_the_beginning_of_a_name_is_near(released: Path) -> None:
    with pytest.raises(ModelctlError) as error:
        run("status", "--env", "prod")
    assert error.value.expected.endswith("did you mean production?")


def test_history_of_an_unknown_environment_is_refused(released: Path) -> None:
    with pytest.raises(ModelctlError, match="unknown environment 'prodution'"):
        run("history", "--all", "--env", "prodution")


REASONS = (
    ("freeze", "dev", *UNTIL),
    ("promote", "iris", "--to", "staging", "--override", "soak"),
    ("rollback", "iris", "--env", "dev"),
)


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
@pytest.mark.parametrize("words", REASONS, ids=" ".join)
def test_a_blank_reason_is_invalid_usage(
    released: Path, words: tuple[str, ...], blank: str
) -> None:
    result = CliRunner().invoke(cli, [*words, "--reason", blank])
    assert result.exit_code == 2
    assert "says nothing" in result.output


def test_a_reason_of_several_lines_becomes_one(released: Path) -> None:
    output = run("freeze", "dev", *UNTIL, "--reason", "first\n second")
    assert "first second" in output
    assert "+        reason: 'first second'" in output


def test_a_scope_without_the_model_behind_its_slash_freezes_nothing(released: Path) -> None:
    """`production/$MODEL` with an empty variable would freeze the whole environment."""
    for words in (("freeze", "dev/", *UNTIL, "--reason", "x"), ("unfreeze", "dev/")):
        with pytest.raises(ModelctlError, match="'dev/' names no model"):
            run(*words)


def test_a_model_of_a_frozen_environment_cannot_be_unfrozen_alone(released: Path) -> None:
    """It said "already up to date", and the model was frozen as before."""
    run("freeze", "dev", *UNTIL, "--reason", "audit")
    commit_all(released, "Freeze")
    with pytest.raises(ModelctlError, match="'dev' is frozen for all models") as error:
        run("unfreeze", "dev/iris")
    assert "modelctl unfreeze dev" in error.value.fix


def test_unfreeze_says_that_nothing_is_frozen(released: Path) -> None:
    assert run("unfreeze", "dev") == "'dev' is not frozen\n"
    assert run("unfreeze", "dev/iris") == "'dev/iris' is not frozen\n"
