"""What each rule of promotion allows and refuses, by value; its words are in test_rules."""

from __future__ import annotations

import pytest

from modelctl.errors import RefusedError
from modelctl.promotion import rules
from modelctl.repository.environments import Environment
from modelctl.repository.versions import ChartVersion, ImageVersion, ModelVersion, Version
from tests.modelctl.conftest import DIGEST_A, DIGEST_B


def environment(name: str, promotion: str = "pull-request") -> Environment:
    return Environment.model_validate(
        {"name": name, "namespace": name, "cluster": "here", "promotion": promotion}
    )


DEV, STAGING, PRODUCTION = (
    environment("dev", "auto"),
    environment("staging"),
    environment("production"),
)


def version(number: str, *, chart: str | None = "0.1.0") -> Version:
    return Version(
        image=ImageVersion(repository="registry.example/iris", tag=number, digest=DIGEST_A),
        model=ModelVersion(version=number, digest=DIGEST_B),
        chart=ChartVersion(version=chart) if chart else None,
    )


OLD, PRESENT, OTHER = version("1.0.0"), version("1.1.0"), version("2.0.0")


def test_builds_enter_the_first_environment_only() -> None:
    assert rules.bump_violations(DEV) == []
    for later in (STAGING, PRODUCTION):
        (refusal,) = rules.bump_violations(later)
        assert f"'{later.name}'" in refusal
        assert f"--to {later.name}" in refusal


def test_a_version_is_promoted_from_the_environment_before() -> None:
    assert rules.promotion_violations("iris", STAGING, [(DEV, PRESENT)]) == []
    (first,) = rules.promotion_violations("iris", DEV, [])
    assert "modelctl bump iris --env dev" in first
    (missing,) = rules.promotion_violations("iris", STAGING, [(DEV, None)])
    assert all(f"'{name}'" in missing for name in ("iris", "dev", "staging"))
    unpinned_version = version("1.1.0", chart=None)
    (unpinned,) = rules.promotion_violations("iris", STAGING, [(DEV, unpinned_version)])
    assert "modelctl bump iris --env dev" in unpinned


def test_a_version_has_to_be_in_all_previous_environments() -> None:
    both = [(DEV, PRESENT), (STAGING, PRESENT)]
    assert rules.promotion_violations("iris", PRODUCTION, both) == []
    (missing,) = rules.promotion_violations("iris", PRODUCTION, [(DEV, PRESENT), (STAGING, None)])
    assert "not released in 'staging'" in missing
    newer_chart = version("1.1.0", chart="0.2.0")
    for other, shown in ((OLD, "1.0.0"), (newer_chart, "chart 0.2.0")):
        (differs,) = rules.promotion_violations(
            "iris", PRODUCTION, [(DEV, PRESENT), (STAGING, other)]
        )
        assert "differs between the previous environments of 'production'" in differs
        assert shown in differs


def test_what_previous_environments_have_in_common() -> None:
    assert rules.common_version([]) is None
    assert rules.common_version([PRESENT]) == PRESENT
    assert rules.common_version([PRESENT, PRESENT]) == PRESENT
    assert rules.common_version([PRESENT, OLD]) is None
    assert rules.common_version([PRESENT, None]) is None
    assert rules.common_version([None, PRESENT]) is None


@pytest.mark.parametrize(
    ("changed", "source", "earlier", "allowed"),
    [
        pytest.param(PRESENT, PRESENT, [], True, id="what-the-one-before-runs"),
        pytest.param(OLD, PRESENT, [OLD], True, id="its-own-past"),
        pytest.param(OLD, None, [OTHER, OLD], True, id="its-past-without-one-before"),
        pytest.param(PRESENT, PRESENT, [PRESENT], True, id="both"),
        pytest.param(OTHER, PRESENT, [OLD], False, id="neither"),
        pytest.param(OTHER, None, [], False, id="nothing-known"),
        pytest.param(version("1.1.0", chart="0.2.0"), PRESENT, [OLD], False, id="another-chart"),
    ],
)
def test_a_file_may_become_what_ran_before(
    changed: Version, source: Version | None, earlier: list[Version], *, allowed: bool
) -> None:
    refusals = rules.change_violations(STAGING, changed, source, earlier)
    assert (refusals == []) is allowed
    assert all("'staging'" in text and changed.model.version in text for text in refusals)
    # The first environment takes any build.
    assert rules.change_violations(DEV, changed, source, earlier) == []


@pytest.mark.parametrize("place", [DEV, STAGING])
def test_retiring_is_no_change_of_version(place: Environment) -> None:
    assert rules.change_violations(place, None, PRESENT, []) == []


def test_a_model_leaves_from_the_last_environment_to_the_first() -> None:
    assert rules.retirement_violations("iris", PRODUCTION, []) == []
    (refusal,) = rules.retirement_violations("iris", DEV, [STAGING, PRODUCTION])
    assert "staging, production" in refusal
    assert "environments/dev/iris/capacity.yaml" in refusal


def test_all_reasons_are_raised_together_and_none_is_not() -> None:
    rules.ensure_allowed([])
    with pytest.raises(RefusedError) as refused:
        rules.ensure_allowed(["first", "second"])
    assert refused.value.what == "first\nsecond"
