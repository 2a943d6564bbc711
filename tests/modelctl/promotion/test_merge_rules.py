"""`modelctl check --base`: a hand edit of a version file passes the rules, or is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelctl.errors import RefusedError
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, VERSION, commit_all, run

STAGING = "environments/staging/iris/version.yaml"
NEWER = VERSION.replace("1.0.0", "1.1.0")
UNTIL = ("--until", "2999-12-24", "--reason", "inventory")


@pytest.fixture
def promoted(released: Path) -> Path:
    """Iris 1.1.0 in dev and staging, after 1.0.0 in both; the version in staging is committed."""
    (released / STAGING).write_text(VERSION)
    commit_all(released, "1.0.0 in staging")
    for name in ("environments/dev/iris/version.yaml", STAGING):
        (released / name).write_text(NEWER)
    commit_all(released, "1.1.0")
    return released


def test_a_promotion_passes(released: Path) -> None:
    run("promote", "iris", "--to", "staging")
    assert "no problems" in run("check", "--base", "HEAD")


def test_a_rollback_passes(promoted: Path) -> None:
    run("rollback", "iris", "--no-registry", "--env", "staging", "--reason", "broken")
    assert "no problems" in run("check", "--base", "HEAD")


def test_a_version_that_leaves_passes(promoted: Path) -> None:
    (promoted / STAGING).unlink()
    assert "no problems" in run("check", "--base", "HEAD")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("1.1.0", "2.0.0", id="a-version-of-nowhere"),
        pytest.param(DIGEST_B, DIGEST_A, id="another-bundle"),
        pytest.param("registry.example", "elsewhere.example", id="another-registry"),
    ],
)
def test_a_hand_edit_is_refused(promoted: Path, old: str, new: str) -> None:
    path = promoted / STAGING
    path.write_text(path.read_text().replace(old, new))
    message = (
        rf"{STAGING}: \S+ is neither the version of the environment previous to 'staging' nor an "
        "earlier version of 'staging'; use `modelctl promote` or `modelctl rollback`"
    )
    with pytest.raises(RefusedError, match=message):
        run("check", "--base", "HEAD")


def test_a_skipped_environment_is_refused(released: Path) -> None:
    (released / "environments/production/iris/version.yaml").write_text(VERSION)
    message = "neither the version of the environment previous to 'production'"
    with pytest.raises(RefusedError, match=message):
        run("check", "--base", "HEAD")


def test_a_frozen_release_is_refused_until_the_freeze_is_lifted(promoted: Path) -> None:
    run("freeze", "staging", *UNTIL)
    commit_all(promoted, "freeze")
    (promoted / STAGING).write_text(VERSION)
    with pytest.raises(RefusedError, match="is frozen for 'iris'"):
        run("check", "--base", "HEAD")
    (promoted / STAGING).write_text(NEWER)
    run("unfreeze", "staging")
    commit_all(promoted, "unfreeze")
    (promoted / STAGING).write_text(VERSION)
    assert "no problems" in run("check", "--base", "HEAD")
