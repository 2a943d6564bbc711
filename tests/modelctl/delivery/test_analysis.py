"""What an analysis decides, on experiments whose truth is known."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from modelctl.delivery import analysis, wording
from modelctl.delivery.outcomes import Outcomes, read
from modelctl.errors import ModelctlError, RefusedError
from tests.modelctl.delivery import simulated
from tests.modelctl.delivery.experiment_files import experiment, mean, metric
from tests.modelctl.delivery.simulated import outcomes

DURING = datetime(2026, 11, 10, tzinfo=UTC)
AFTER = datetime(2026, 11, 15, tzinfo=UTC)
GUARDRAIL = {"name": "seconds", "kind": "mean", "direction": "decrease", "margin": 0.02}


def judged(found: Outcomes, now: datetime = AFTER, **parts: Any) -> analysis.Analysis:
    return analysis.analyse("iris", "production", experiment(**parts), found, now)


def test_a_better_variant_is_promoted_and_the_sentence_says_so(tmp_path: Path) -> None:
    parts: dict[str, Any] = {"guardrails": [GUARDRAIL]}
    found = outcomes(tmp_path / "o.csv", experiment(**parts), effect=0.03)
    result = judged(found, **parts)
    assert result.decision("forest") == "promote"
    text = wording.sentence(result)
    assert text.startswith("Forest is better than primary in accepted by +")
    assert text.endswith("; all guardrails hold: promote it.")
    assert {each.effect.method for each in result.findings} == {"two proportions", "Welch"}


def test_before_the_planned_end_the_sequence_is_used(tmp_path: Path) -> None:
    found = outcomes(tmp_path / "o.csv", experiment(), count=2000)
    result = judged(found, DURING)
    assert {each.effect.method for each in result.findings} == {"sequence"}
    assert wording.sentence(result) == (
        "Forest is not decided at 2,000 of 8,000 planned units: keep it running until "
        "2026-11-15 00:00 UTC."
    )


def test_a_worse_variant_is_stopped_whatever_else_is_better(tmp_path: Path) -> None:
    parts: dict[str, Any] = {"metrics": [metric(), mean(direction="decrease")]}
    found = outcomes(tmp_path / "o.csv", experiment(**parts), effect=0.3)
    result = judged(found, DURING, **parts)
    assert [each.level for each in result.findings] == ["better", "worse"]
    assert result.decision("forest") == "stop"
    assert wording.sentence(result).startswith("Stop forest: it is worse than primary in revenue")


@pytest.mark.parametrize("now", [DURING, AFTER], ids=["during", "after"])
@pytest.mark.parametrize(
    ("seconds", "level", "decision"),
    [(0.0, "holds", "promote"), (0.05, "broken", "stop")],
)
def test_a_guardrail_is_decided_by_its_margin(
    tmp_path: Path, now: datetime, seconds: float, level: str, decision: str
) -> None:
    parts: dict[str, Any] = {"guardrails": [GUARDRAIL]}
    found = outcomes(tmp_path / "o.csv", experiment(**parts), effect=0.05, seconds=seconds)
    result = judged(found, now, **parts)
    assert result.findings[1].level == level
    assert result.decision("forest") == decision


def test_a_guardrail_that_is_not_shown_to_hold_stops_the_promotion(tmp_path: Path) -> None:
    parts: dict[str, Any] = {"guardrails": [{**GUARDRAIL, "margin": 0.001}]}
    found = outcomes(tmp_path / "o.csv", experiment(**parts), effect=0.05)
    result = judged(found, **parts)
    assert result.decision("forest") == "inconclusive"
    assert "guardrail seconds is not shown to hold: do not promote it" in wording.sentence(result)


def test_no_difference_is_not_called_equality(tmp_path: Path) -> None:
    found = outcomes(tmp_path / "o.csv", experiment(), count=3000)
    result = judged(found)
    assert wording.sentence(result).startswith("No difference shown between forest and primary")
    assert result.notes[0].startswith("3,000 of 8,000 planned units")


def test_several_metrics_and_variants_are_adjusted_together(tmp_path: Path) -> None:
    parts: dict[str, Any] = {
        "arms": {"primary": 50, "forest": 25, "linear": 25},
        "metrics": [metric(), mean()],
    }
    found = outcomes(tmp_path / "o.csv", experiment(**parts))
    result = judged(found, **parts)
    assert len(result.findings) == 4
    smallest = min(result.findings, key=lambda each: each.effect.p)
    assert smallest.adjusted_p == pytest.approx(min(1, 4 * smallest.effect.p))


def test_false_alarms_stay_below_alpha_over_all_metrics(tmp_path: Path) -> None:
    parts: dict[str, Any] = {"metrics": [metric(), mean()]}
    alarms = 0
    for seed in range(150):
        found = outcomes(tmp_path / "o.csv", experiment(**parts), count=600, seed=seed + 100)
        alarms += judged(found, **parts).decision("forest") != "inconclusive"
    # 7.5 expected; 18 is exceeded once in 10,000.
    assert alarms <= 18


def test_cuped_finds_what_the_raw_values_hide(tmp_path: Path) -> None:
    with_before: dict[str, Any] = {"metrics": [mean(prePeriod="revenue_before")]}
    found = outcomes(tmp_path / "o.csv", experiment(**with_before), count=2000, effect=0.15, seed=3)
    assert judged(found, metrics=[mean()]).decision("forest") == "inconclusive"
    result = judged(found, **with_before)
    assert result.decision("forest") == "promote"
    assert result.findings[0].removed == pytest.approx(8 / 9, abs=0.03)


def test_lost_units_refuse_the_analysis_and_say_what_to_look_for(tmp_path: Path) -> None:
    plan = experiment()
    units = [f"u{number}" for number in range(8000)]
    kept = [
        unit
        for at, (unit, arm) in enumerate(zip(units, simulated.arms(plan, units), strict=True))
        if arm == "primary" or at % 8
    ]
    path = simulated.write(tmp_path / "o.csv", {"unit": list(kept), "accepted": [0] * len(kept)})
    with pytest.raises(RefusedError, match="sample ratio mismatch: the units") as caught:
        judged(read(path, plan))
    assert caught.value.expected == "primary 50%, forest 50%"
    assert "outcomes lost in one arm" in caught.value.fix


def test_values_lost_in_one_arm_refuse_it_as_well(tmp_path: Path) -> None:
    plan = experiment()
    units = [f"u{number}" for number in range(8000)]
    values = [
        "" if arm == "forest" and at % 8 == 0 else 1
        for at, arm in enumerate(simulated.arms(plan, units))
    ]
    path = simulated.write(tmp_path / "o.csv", {"unit": list(units), "accepted": list(values)})
    with pytest.raises(RefusedError, match="the units with accepted are not"):
        judged(read(path, plan))


def test_another_arm_in_the_log_refuses_it(tmp_path: Path) -> None:
    plan = experiment()
    units = [f"u{number}" for number in range(1000)]
    logged: list[object] = list(simulated.arms(plan, units))
    columns: dict[str, list[Any]] = {"unit": list(units), "accepted": [0, 1] * 500, "arm": logged}
    result = judged(read(simulated.write(tmp_path / "o.csv", columns), plan))
    assert not any("logged" in note for note in result.notes)
    logged[:5] = ["forest" if arm == "primary" else "primary" for arm in logged[:5]]
    result = judged(read(simulated.write(tmp_path / "o.csv", columns), plan))
    assert any(note.startswith("5 units were logged in another arm") for note in result.notes)
    logged[:20] = ["elsewhere"] * 20
    with pytest.raises(RefusedError, match="20 of 1,000 units were logged in another arm"):
        judged(read(simulated.write(tmp_path / "o.csv", columns), plan))


def test_too_few_units_decide_nothing_before_the_end(tmp_path: Path) -> None:
    plan = experiment()
    units = [f"u{number}" for number in range(150)]
    values = [int(arm == "forest") for arm in simulated.arms(plan, units)]
    path = simulated.write(tmp_path / "o.csv", {"unit": list(units), "accepted": list(values)})
    (finding,) = judged(read(path, plan), DURING).findings
    assert finding.level == "few"


def test_an_empty_arm_and_one_unit_are_named(tmp_path: Path) -> None:
    plan = experiment()
    path = simulated.write(tmp_path / "o.csv", {"unit": ["u1"], "accepted": [1]})
    with pytest.raises(ModelctlError, match=r"arm (primary|forest) has 0 units with accepted"):
        judged(read(path, plan))


def test_a_column_without_variance_decides_nothing(tmp_path: Path) -> None:
    plan = experiment(metrics=[mean()])
    units = [f"u{number}" for number in range(1000)]
    path = simulated.write(tmp_path / "o.csv", {"unit": list(units), "revenue": [0.1] * 1000})
    for now in (DURING, AFTER):
        (finding,) = judged(read(path, plan), now, metrics=[mean()]).findings
        assert finding.level == "few"
        assert finding.as_dict()["low"] is None


def test_before_its_start_there_is_nothing_to_analyse(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="has not started"):
        judged(outcomes(tmp_path / "o.csv", experiment()), datetime(2026, 10, 1, tzinfo=UTC))
