"""What was aborted enters no environment as a variant either, nor by way of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelctl.errors import RefusedError
from tests.modelctl.conftest import commit_all, run, variant
from tests.modelctl.promotion.judged import (
    NEW,
    OLD,
    PRODUCTION,
    STAGING,
    commit,
    git,
    judge,
    merge,
)
from tests.modelctl.promotion.test_aborted import OVERRIDES, allow, go_back

ABORTED = r"1\.1\.0 of 'iris' was aborted in 'staging' on "
ENVIRONMENTS = ("staging", "production")


def place(environment: str, name: str = "next") -> str:
    return f"environments/{environment}/iris/variants/{name}.yaml"


def begin(root: Path, files: dict[str, str] | None = None) -> Path:
    """Put files on the target branch, abort 1.1.0 in staging, and begin a branch."""
    git("switch", "--quiet", "main")
    if files:
        commit(root, "variants", **files)
    go_back("staging")
    git("switch", "--quiet", "--force-create", "change")
    return root


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("way", ["--share=10", "--mirror=100", "--match=x-next=1", "--replicas=1"])
def test_it_is_no_new_variant(target: Path, environment: str, way: str) -> None:
    begin(target)
    words = ("--env", environment, "--from", "dev", way)
    with pytest.raises(RefusedError, match=ABORTED):
        run("variant", "add", "iris", "next", *words)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_judge_refuses_it_as_a_variant(target: Path, environment: str) -> None:
    begin(target)
    commit(target, "by hand", **{place(environment): variant("next", 10, NEW)})
    with pytest.raises(RefusedError, match=f"{place(environment)}: {ABORTED}"):
        judge()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_variant_that_was_there_before_gets_no_more_users(target: Path, environment: str) -> None:
    begin(target, {place(environment): variant("next", 10, NEW)})
    words = ("iris", "next", "--env", environment)
    with pytest.raises(RefusedError, match=ABORTED):
        run("variant", "share", *words[:2], "11", *words[2:])
    with pytest.raises(RefusedError, match=ABORTED):
        run("variant", "add", *words, "--from", "dev", "--share", "10", "--match", "x-next=1")
    commit(target, "by hand", **{place(environment): variant("next", 11, NEW)})
    with pytest.raises(RefusedError, match=f"{place(environment)}: {ABORTED}"):
        judge()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_variant_that_was_there_before_may_shrink_and_go(target: Path, environment: str) -> None:
    begin(target, {place(environment): variant("next", 10, NEW)})
    words = ("iris", "next", "--env", environment)
    run("variant", "share", *words[:2], "5", *words[2:])
    commit_all(target, "less")
    assert "no problems" in judge()
    run("variant", "remove", *words)
    commit_all(target, "gone")
    assert "no problems" in judge()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_variant_that_was_there_before_does_not_win(target: Path, environment: str) -> None:
    begin(target, {place(environment): variant("next", 10, NEW)})
    with pytest.raises(RefusedError, match=ABORTED):
        run("variant", "promote", "iris", "next", "--env", environment)
    path = f"environments/{environment}/iris/version.yaml"
    (target / place(environment)).unlink()
    commit(target, "by hand", **{path: NEW})
    with pytest.raises(RefusedError, match=f"{path}: {ABORTED}"):
        judge()


def test_an_override_beside_a_winner_counts_where_it_is_allowed(target: Path) -> None:
    begin(target, {place("production"): variant("next", 10, NEW)})
    version = "".join(f"  {line}\n" for line in NEW.splitlines())
    text = f"rules: [abort]\nreason: metrics were down\nversion:\n{version}"
    record = PRODUCTION.replace("version.yaml", "override.yaml")
    (target / place("production")).unlink()
    commit(target, "by hand", **{PRODUCTION: NEW, record: text})
    with pytest.raises(RefusedError, match="'production' allows no override of abort"):
        judge()
    git("switch", "--quiet", "main")
    allow(target, OVERRIDES)
    git("switch", "--quiet", "--force-create", "change")
    (target / place("production")).unlink()
    commit(target, "by hand", **{PRODUCTION: NEW, record: text})
    assert "no problems" in judge()


def test_the_first_environment_is_where_one_tries(target: Path) -> None:
    begin(target)
    path = place("dev")
    commit(target, "by hand", **{path: variant("next", 10, NEW)})
    assert "no problems" in judge()


def test_once_it_runs_again_it_may_be_a_variant(target: Path) -> None:
    """A decision on record brought it back, with a newer chart than production has."""
    begin(target)
    git("switch", "--quiet", "main")
    commit(target, "again", **{STAGING: NEW.replace("0.1.0", "0.2.0")})
    git("switch", "--quiet", "--force-create", "change")
    run("variant", "add", "iris", "next", "--env", "production", "--share", "10")
    commit_all(target, "variant")
    assert "no problems" in judge()


def test_where_only_the_chart_was_aborted_its_versions_may_be_variants(target: Path) -> None:
    git("switch", "--quiet", "main")
    commit(target, "chart", **{STAGING: NEW.replace("0.1.0", "0.2.0")})
    begin(target)
    run("variant", "add", "iris", "next", "--env", "production", "--share", "10")
    commit_all(target, "variant")
    assert "no problems" in judge()


def test_other_versions_may_be_variants(target: Path) -> None:
    begin(target)
    commit(target, "old", **{place("production"): variant("next", 10, OLD)})
    assert "no problems" in judge()


def test_a_variant_that_a_merge_only_passes_through_is_refused(target: Path) -> None:
    begin(target)
    commit(target, "once", **{place("production"): variant("next", 10, NEW)})
    (target / place("production")).unlink()
    commit_all(target, "gone")
    with pytest.raises(RefusedError, match=ABORTED):
        judge()
    merge("change")
