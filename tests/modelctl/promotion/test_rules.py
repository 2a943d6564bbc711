"""The rules of promotion, each refusal in the words that a user sees. No files, no cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from modelctl.cluster.evidence import Evidence, health_violations
from modelctl.durations import span
from modelctl.promotion import rules
from modelctl.repository.environments import Environment
from modelctl.repository.versions import ChartVersion, ImageVersion, ModelVersion, Version
from tests.modelctl.conftest import DIGEST_A, DIGEST_B

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
STAGING = Environment(
    name="staging", namespace="ml-staging", cluster="in-cluster", promotion="pull-request"
)
PRODUCTION = STAGING.model_copy(update={"name": "production", "soak_minutes": 90})
VERSION = Version(
    image=ImageVersion(repository="registry.example/iris", tag="1.0.0", digest=DIGEST_A),
    model=ModelVersion(version="1.0.0", digest=DIGEST_B),
)


def evidence(
    minutes: float = 0,
    *,
    health: str = "",
    images: tuple[str, ...] = (),
    bundle: str = "",
) -> Evidence:
    since = NOW - timedelta(minutes=minutes)
    return Evidence(since, "since its commit", health=health, images=images, bundle=bundle)


@pytest.mark.parametrize(
    ("found", "refusal"),
    [
        pytest.param(evidence(), "", id="no-cluster-queried"),
        pytest.param(evidence(health="Healthy"), "", id="healthy"),
        pytest.param(
            evidence(health="Healthy", images=("sha256:0", DIGEST_A), bundle=DIGEST_B),
            "",
            id="healthy-with-these-digests",
        ),
        pytest.param(
            evidence(health="Degraded"), "expected health Healthy, found Degraded", id="degraded"
        ),
        pytest.param(
            evidence(health="Missing"), "push the commit that released it", id="no-application"
        ),
        pytest.param(
            evidence(health="Healthy", images=(DIGEST_B,)),
            f"does not run the image in git yet: expected {DIGEST_A}, found {DIGEST_B}",
            id="another-image",
        ),
        pytest.param(
            evidence(health="Healthy", bundle=DIGEST_A),
            f"does not serve the bundle in git yet: expected {DIGEST_B}, found {DIGEST_A}",
            id="another-bundle",
        ),
    ],
)
def test_what_runs_has_to_be_healthy_and_what_git_says(found: Evidence, refusal: str) -> None:
    refusals = health_violations("iris", STAGING, VERSION, found)
    assert ([refusal] if refusal else []) == [
        refusal for text in refusals if refusal and refusal in text
    ]
    assert len(refusals) == bool(refusal)


@pytest.mark.parametrize(
    ("minutes", "refusals"),
    [
        (90, []),
        (
            12,
            [
                "'production' requires a soak time of 90 min in 'staging': 1.0.0 has been there "
                "for 12 min (since its commit); try again in 78 min"
            ],
        ),
    ],
)
def test_a_version_has_to_soak(minutes: int, refusals: list[str]) -> None:
    found = evidence(minutes)
    assert rules.soak_violations(PRODUCTION, STAGING, VERSION, found, NOW) == refusals


def test_a_version_that_is_not_committed_has_not_soaked() -> None:
    found = Evidence(None, "not committed yet")
    (refusal,) = rules.soak_violations(PRODUCTION, STAGING, VERSION, found, NOW)
    assert "for 0 min (not committed yet)" in refusal


def test_a_model_leaves_later_environments_first() -> None:
    (refusal,) = rules.retirement_violations("iris", STAGING, [PRODUCTION])
    assert "'iris' is still released in production" in refusal
    assert "replicaCount: 0" in refusal
    assert rules.retirement_violations("iris", PRODUCTION, []) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 min"), (59, "0 min"), (7199, "119 min"), (7200, "2 h"), (172800, "2 d")],
)
def test_a_span_is_told_in_one_unit(seconds: int, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text


def test_a_version_without_a_chart_stays_in_the_first_environment() -> None:
    (refusal,) = rules.promotion_violations("iris", PRODUCTION, [(STAGING, VERSION)])
    assert "'iris' in 'staging' pins no chart version" in refusal
    pinned = VERSION.model_copy(update={"chart": ChartVersion(version="0.1.0")})
    assert rules.promotion_violations("iris", PRODUCTION, [(STAGING, pinned)]) == []
