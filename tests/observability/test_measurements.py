"""What the controller makes of each measurement: by its own provider and evaluator, not by ours.

Prometheus may find nothing, one of two bounds, numbers that are none, or the numbers of the streams
of known truth. Without data nothing is ever successful.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests import rendering
from tests.observability.streams import STREAMS
from tests.observability.verdict import TOLERATED, expected, measures

VERDICT, WATCH = measures(), measures("iris-watch")
ODD = ("NaN", "+Inf", "-Inf")
BOUNDS = sorted({*TOLERATED, "orders", "basket"})
SUCCESSFUL, FAILED, UNDECIDED = "Successful", "Failed", "Inconclusive"


def phases(asked: Sequence[tuple[dict[str, Any], tuple[str, ...]]]) -> list[str]:
    """The phase of each measurement, as the controller decides it."""
    lines = [json.dumps({"metric": metric, "values": values}) for metric, values in asked]
    tool = rendering.tool("rollout-validator")
    result = rendering.run(tool, "measure", stdin="\n".join(lines))
    assert result.code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_nothing_found_is_never_success_and_never_failure() -> None:
    assert set(phases([(metric, ()) for metric in VERDICT.values()])) == {UNDECIDED}
    # What only watches ends by a failure alone.
    assert FAILED not in phases([(metric, ()) for metric in WATCH.values()])


PAIRS = [*itertools.product(("NaN", "0", "-0.5", "9"), repeat=2)]


@pytest.mark.parametrize("values", PAIRS, ids=str)
def test_what_is_no_number_is_never_success(values: tuple[str, ...]) -> None:
    found = phases([(VERDICT[check], values) for check in BOUNDS])
    if "NaN" in values:
        assert set(found) == {UNDECIDED}
    else:
        wanted = {0: SUCCESSFUL, 1: UNDECIDED, 2: FAILED}
        assert set(found) == {wanted[values.count("9")]}


@pytest.mark.parametrize("value", [*ODD, "0", "-0.5"])
def test_one_bound_alone_is_never_success(value: str) -> None:
    """The rules of a group are written one after another, and a look may fall between two."""
    assert SUCCESSFUL not in phases([(VERDICT[check], (value,)) for check in BOUNDS])


@pytest.mark.parametrize("values", [("-Inf", "+Inf"), ("NaN", "NaN"), ("-Inf", "NaN")], ids=str)
def test_bounds_without_information_are_undecided(values: tuple[str, ...]) -> None:
    assert set(phases([(VERDICT[check], values) for check in BOUNDS])) == {UNDECIDED}


@pytest.mark.parametrize("check", ["restarts", "digest"])
def test_what_needs_no_statistics_is_decided_by_a_number_and_by_nothing_else(check: str) -> None:
    asked = [(VERDICT[check], (value,)) for value in ("0", "1", "+Inf", "NaN")]
    assert phases(asked) == [SUCCESSFUL, FAILED, FAILED, UNDECIDED]


@pytest.mark.parametrize("name", STREAMS)
def test_streams_of_known_truth_get_the_phase_that_they_should(name: str) -> None:
    pods, asked, minutes = STREAMS[name]
    of = {"worse": FAILED, "fine": SUCCESSFUL, "open": UNDECIDED, "none": UNDECIDED}
    wanted, measured = [], []
    for check, verdict in asked.items():
        if check not in TOLERATED:
            continue
        found = None
        if any(pod.start for pod in pods):
            found = expected(pods, check, minutes * 2)
        values = () if found is None else (repr(found.lower), repr(found.upper))
        measured.append((VERDICT[check], values))
        wanted.append(of[verdict])
    assert phases(measured) == wanted
