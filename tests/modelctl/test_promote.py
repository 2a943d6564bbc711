"""`modelctl promote`: what the user sees and what is on disk afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError

from .conftest import DIGEST_A, DIGEST_B, VERSION, commit_all, run


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
    assert "git commit -m 'Promote iris to staging'" in output


def test_promote_twice_changes_nothing_the_second_time(released: Path) -> None:
    run("promote", "iris", "--to", "staging")
    commit_all(released, "promote")
    output = run("promote", "iris", "--to", "staging")
    assert output == "environments/staging/iris/version.yaml says so already: nothing to change\n"


def test_promote_with_dry_run_writes_nothing(released: Path) -> None:
    output = run("promote", "iris", "--to", "staging", "--dry-run")
    assert "dry run: nothing was written" in output
    assert not (released / "environments/staging/iris/version.yaml").exists()


def test_promote_keeps_comments_and_order_of_the_target(released: Path) -> None:
    target = released / "environments/staging/iris/version.yaml"
    older = VERSION.replace("1.0.0", "0.9.0").replace("model:", "# ours\nmodel:")
    target.write_text(older)
    commit_all(released, "older")
    run("promote", "iris", "--to", "staging")
    assert target.read_text() == older.replace("0.9.0", "1.0.0")


def test_promote_refuses_to_skip_an_environment(released: Path) -> None:
    with pytest.raises(RefusedError, match="not released in 'staging' yet"):
        run("promote", "iris", "--to", "production")


def test_promote_refuses_the_first_environment(released: Path) -> None:
    with pytest.raises(RefusedError, match="nothing is promoted into it"):
        run("promote", "iris", "--to", "dev")


def test_promote_refuses_a_target_with_uncommitted_changes(released: Path) -> None:
    target = released / "environments/staging/iris/version.yaml"
    target.write_text("image: {}\n")
    with pytest.raises(ModelctlError, match="changes that are not committed"):
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
    with pytest.raises(ModelctlError, match=r"version\.yaml:4: image\.digest"):
        run("promote", "iris", "--to", "staging")
