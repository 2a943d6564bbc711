"""A unit is in the arm that Envoy sends it to, and stays there while a share grows."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelctl.delivery.assignment import BUCKETS, Assignment, bucket
from modelctl.errors import ModelctlError
from modelctl.repository.experiments import PRIMARY

RECORDED = json.loads(Path(__file__).with_name("envoy_assignments.json").read_text())

units = st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=50)


@pytest.mark.parametrize("run", RECORDED["runs"], ids=lambda run: "+".join(run["shares"]))
def test_every_unit_is_in_the_arm_that_envoy_chose(run: dict[str, Any]) -> None:
    assignment = Assignment.of(run["shares"])
    assert {unit: assignment.arm(unit) for unit in run["arms"]} == run["arms"]


@given(units, st.data())
def test_a_growing_share_moves_units_from_the_primary_alone(
    sample: list[str], data: st.DataObject
) -> None:
    small = [data.draw(st.integers(0, 50)), data.draw(st.integers(0, 50))]
    rest = BUCKETS - sum(small)
    first = data.draw(st.integers(0, rest))
    second = data.draw(st.integers(0, rest - first))
    before = Assignment.of({"a": small[0], "b": small[1]})
    after = Assignment.of({"a": small[0] + first, "b": small[1] + second})
    for unit in sample:
        if before.arm(unit) != PRIMARY:
            assert after.arm(unit) == before.arm(unit)


@given(st.integers(0, 100))
def test_a_share_is_that_part_of_the_buckets(share: int) -> None:
    by_bucket = {bucket(str(number)): str(number) for number in range(3000)}
    assert len(by_bucket) == BUCKETS
    assignment = Assignment.of({"forest": share})
    arms = [assignment.arm(unit) for unit in by_bucket.values()]
    assert arms.count("forest") == share
    assert arms.count(PRIMARY) == BUCKETS - share


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"a": 1, "b": 1, "c": 1}, "at most 2"),
        ({"primary": 10}, "none called primary"),
        ({"a": 60, "b": 41}, "0 to 100 in total"),
        ({"a": -1}, "0 to 100 in total"),
    ],
)
def test_shares_that_no_gateway_could_serve_are_refused(
    shares: dict[str, int], message: str
) -> None:
    with pytest.raises(ModelctlError, match=message):
        Assignment.of(shares)


def test_without_variants_everyone_is_in_the_primary() -> None:
    assert Assignment.of({}).arm("anyone") == PRIMARY
