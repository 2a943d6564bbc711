"""The moments at which a promise of time begins and ends: freezes, and how long a version soaks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from modelctl.cluster.evidence import Evidence
from modelctl.promotion import freeze, rules
from modelctl.repository.environments import Environment, Freeze
from modelctl.repository.versions import ImageVersion, ModelVersion, Version
from tests.modelctl.conftest import DIGEST_A, DIGEST_B

START = datetime(2026, 12, 20, 8, tzinfo=UTC)
UNTIL = datetime(2026, 12, 27, 18, tzinfo=UTC)
TICK = timedelta(microseconds=1)
FREEZE = Freeze(start=START, until=UNTIL, reason="inventory")
OTHER = Freeze(start=UNTIL, until=UNTIL + timedelta(days=1), reason="audit")


def environment(**freezes: Freeze) -> Environment:
    named = {"*" if name == "every" else name: value for name, value in freezes.items()}
    return Environment(
        name="production",
        namespace="ml-production",
        cluster="in-cluster",
        promotion="pull-request",
        freezes=named,
    )


MOMENTS = [
    pytest.param(START - TICK, False, id="just-before-it-begins"),
    pytest.param(START, True, id="as-it-begins"),
    pytest.param(START + timedelta(days=3), True, id="in-the-middle"),
    pytest.param(UNTIL - TICK, True, id="just-before-its-end"),
    pytest.param(UNTIL, False, id="at-its-end"),
    pytest.param(UNTIL + timedelta(days=365), False, id="a-year-later"),
]


@pytest.mark.parametrize("scope", ["iris", "every"])
@pytest.mark.parametrize(("now", "stops"), MOMENTS)
def test_a_freeze_stops_from_its_start_up_to_its_end(
    scope: str, now: datetime, *, stops: bool
) -> None:
    frozen = environment(**{scope: FREEZE})
    assert frozen.active_freeze("iris", now) == (FREEZE if stops else None)
    refusals = rules.freeze_violations("iris", frozen, now)
    assert len(refusals) == stops
    assert all("inventory" in refusal for refusal in refusals)


@pytest.mark.parametrize(("now", "stops"), MOMENTS)
def test_a_freeze_stops_at_the_same_moments_in_every_time_zone(
    now: datetime, *, stops: bool
) -> None:
    frozen = environment(iris=FREEZE)
    for hours in (-11, 5, 14):
        local = now.astimezone(timezone(timedelta(hours=hours)))
        assert (frozen.active_freeze("iris", local) is not None) is stops


def test_a_freeze_of_a_model_leaves_others_alone() -> None:
    frozen = environment(iris=FREEZE)
    assert frozen.active_freeze("penguins", START) is None
    assert environment().active_freeze("iris", START) is None


def test_of_two_freezes_each_stops_in_its_own_time() -> None:
    frozen = environment(every=OTHER, iris=FREEZE)
    assert frozen.active_freeze("iris", START) == FREEZE
    assert frozen.active_freeze("penguins", START) is None
    assert frozen.active_freeze("iris", UNTIL) == OTHER
    both = environment(every=FREEZE, iris=FREEZE.model_copy(update={"reason": "own"}))
    # What stops everybody is what a refusal names.
    assert both.active_freeze("iris", START) == FREEZE


def test_an_end_is_refused_as_soon_as_it_is_reached() -> None:
    text = "2026-12-27T18:00:00Z"
    assert freeze.parse_until(text, UNTIL - TICK) == UNTIL
    with pytest.raises(Exception, match=text):
        freeze.parse_until(text, UNTIL)


@pytest.mark.parametrize("until", [START, START - TICK])
def test_a_freeze_ends_after_it_begins(until: datetime) -> None:
    with pytest.raises(ValueError, match="until"):
        Freeze(start=START, until=until, reason="x")
    assert Freeze(start=START, until=START + TICK, reason="x").until == START + TICK


VERSION = Version(
    image=ImageVersion(repository="registry.example/iris", tag="1.0.0", digest=DIGEST_A),
    model=ModelVersion(version="1.0.0", digest=DIGEST_B),
)


@pytest.mark.parametrize(
    ("soaked", "enters"),
    [
        pytest.param(timedelta(minutes=90) - TICK, False, id="just-before"),
        pytest.param(timedelta(minutes=90), True, id="exactly"),
        pytest.param(timedelta(days=9), True, id="long-after"),
        pytest.param(timedelta(), False, id="just-arrived"),
        pytest.param(-timedelta(hours=5), False, id="by-a-clock-that-is-ahead"),
    ],
)
def test_a_version_enters_once_it_has_soaked(soaked: timedelta, *, enters: bool) -> None:
    target = environment().model_copy(update={"soak_minutes": 90})
    evidence = Evidence(START - soaked, "since its commit")
    refusals = rules.soak_violations(target, environment(), VERSION, evidence, START)
    assert (refusals == []) is enters
    without = environment()
    if soaked >= timedelta():
        assert rules.soak_violations(without, without, VERSION, evidence, START) == []


def test_the_wait_that_is_named_is_enough() -> None:
    target = environment().model_copy(update={"soak_minutes": 90})
    for seconds in (1, 59, 60, 61, 89 * 60 + 59):
        evidence = Evidence(START - timedelta(seconds=seconds), "since its commit")
        (refusal,) = rules.soak_violations(target, environment(), VERSION, evidence, START)
        minutes = int(refusal.rpartition(" min")[0].rpartition(" ")[2])
        later = START + timedelta(minutes=minutes)
        assert rules.soak_violations(target, environment(), VERSION, evidence, later) == []
        # And no more than a minute longer than it has to be.
        earlier = later - timedelta(minutes=1, seconds=1)
        assert rules.soak_violations(target, environment(), VERSION, evidence, earlier)
