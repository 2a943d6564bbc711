"""Ways around the promotion rules by what the target did: merges, side branches, moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelctl.errors import RefusedError
from tests.modelctl.conftest import commit_all, run
from tests.modelctl.promotion.attacks import FROZEN, KUSTOMIZE, NEITHER, SETTINGS, Attack, move
from tests.modelctl.promotion.judged import (
    DEV,
    EVIL,
    NEW,
    OLD,
    PRODUCTION,
    STAGING,
    commit,
    freeze,
    git,
    judge,
    merge,
    soaking,
    write,
)


def test_rules_come_from_the_newest_commit_of_the_target(target: Path) -> None:
    """A branch that started before the freeze is frozen all the same."""
    commit(target, "promote", **{PRODUCTION: NEW})
    git("switch", "--quiet", "main")
    run("freeze", "production", "--until", "2999-12-24", "--reason", "audit")
    commit_all(target, "freeze")
    with pytest.raises(RefusedError, match=FROZEN):
        judge()


def test_soak_time_is_the_targets(target: Path) -> None:
    soaking(target)
    commit(target, "promote", **{PRODUCTION: NEW})
    with pytest.raises(RefusedError, match="requires a soak time of 60 min in 'staging'"):
        judge()


def test_a_retirement_sees_what_the_target_released_meanwhile(target: Path) -> None:
    git("switch", "--quiet", "main")
    for name in (STAGING, PRODUCTION):
        (target / name).unlink()
    commit_all(target, "retire")
    git("switch", "--quiet", "--force-create", "change")
    (target / DEV).unlink()
    commit_all(target, "retire")
    assert "no problems" in judge()
    git("switch", "--quiet", "main")
    commit(target, "promote", **{STAGING: NEW})
    with pytest.raises(RefusedError, match="still released in staging"):
        judge()


def test_what_both_sides_changed_is_checked_after_a_merge_only(target: Path) -> None:
    commit(target, "ours", **{SETTINGS: "config:\n  logLevel: info\n# ours\n"})
    git("switch", "--quiet", "main")
    commit(target, "theirs", **{SETTINGS: "# theirs\nconfig:\n  logLevel: info\n"})
    with pytest.raises(RefusedError, match="the target branch has changed it too"):
        judge()


def test_a_version_that_only_a_side_branch_had_never_ran(target: Path) -> None:
    commit(target, "for a while", **{PRODUCTION: EVIL})
    commit(target, "back", **{PRODUCTION: OLD, "docs/page.md": "text\n"})
    with pytest.raises(RefusedError, match="has a version that the promotion rules refuse"):
        judge()
    merge("change")
    git("switch", "--quiet", "--force-create", "change")
    commit(target, "roll back", **{PRODUCTION: EVIL})
    with pytest.raises(RefusedError, match=NEITHER):
        judge()


@pytest.mark.parametrize(
    ("rule", "message"),
    [(soaking, "requires a soak time"), (freeze, FROZEN)],
    ids=["soak", "freeze"],
)
def test_a_version_may_not_enter_for_a_while_either(
    target: Path, rule: Attack, message: str
) -> None:
    """A fast-forward keeps the commit, and the version would count as one that ran."""
    rule(target)
    commit(target, "for a while", **{PRODUCTION: NEW})
    commit(target, "back", **{PRODUCTION: OLD, "docs/page.md": "text\n"})
    with pytest.raises(RefusedError, match=f"commit .* has a version .* refuse.*{message}"):
        judge()


@pytest.mark.parametrize("mover", ["main", "change"])
def test_a_change_that_git_carries_along_with_a_moved_file_is_refused(
    target: Path, mover: str
) -> None:
    """A merge applies what one side changed to the place where the other side moved the file."""
    text = "".join(f"# line {number}\n" for number in range(9)) + "config:\n  logLevel: info\n"
    place = f"{KUSTOMIZE}/base/draft.yaml"
    git("switch", "--quiet", "main")
    commit(target, "draft", **{"docs/draft.yaml": text})
    git("switch", "--quiet", "--force-create", "change")
    for side in ("main", "change"):
        git("switch", "--quiet", side)
        if side == mover:
            move("docs/draft.yaml", place)(target)
        else:
            write(target, {"docs/draft.yaml": text.replace("info", "debug")})
        commit_all(target, "change")
    tree = git("merge-tree", "--write-tree", "main", "change").splitlines()[0]
    assert "debug" in git("show", f"{tree}:{place}")
    with pytest.raises(RefusedError, match=r"docs/draft.yaml: .* merge the target branch"):
        judge()


def test_a_branch_that_holds_a_merge_of_the_target_passes(target: Path) -> None:
    commit(target, "ours", **{"docs/page.md": "text\n"})
    git("switch", "--quiet", "main")
    commit(target, "theirs", **{PRODUCTION: NEW})
    commit(target, "theirs", **{PRODUCTION: OLD})
    git("switch", "--quiet", "change")
    git("merge", "--quiet", "--no-ff", "--message", "up to date", "main")
    assert "0 changed files: no problems" in judge()


def test_a_rollback_to_what_ran_passes(target: Path) -> None:
    commit(target, "promote", **{PRODUCTION: NEW})
    merge("change")
    git("switch", "--quiet", "change")
    commit(target, "roll back", **{PRODUCTION: f"# broken\n{OLD}"})
    assert "1 changed file: no problems" in judge()
