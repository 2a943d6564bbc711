"""Analyse an experiment: are the arms comparable, and what do their outcomes prove?

The file in git says what is compared and how; the outcomes only fill it in. Refuses before any
metric is looked at if units arrived in other shares than planned: whatever lost them may have lost
the ones that mattered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from modelctl.delivery import statistics
from modelctl.delivery.comparable import require_comparable
from modelctl.delivery.findings import Finding, compare, judged, rare_notes
from modelctl.errors import RefusedError
from modelctl.repository.experiments import Guardrail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from modelctl.delivery.outcomes import Outcomes
    from modelctl.repository.experiments import Experiment

Decision = Literal["promote", "stop", "continue", "inconclusive"]


@dataclass(frozen=True)
class Analysis:
    """What the outcomes of an experiment prove at a moment."""

    model: str
    environment: str
    experiment: Experiment
    now: datetime
    counts: dict[str, int]
    sample_ratio_p: float
    findings: list[Finding]
    notes: list[str] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        """Whether the planned end has come."""
        return self.experiment.state(self.now) == "ended"

    @property
    def units(self) -> int:
        """The units in all arms."""
        return sum(self.counts.values())

    def as_dict(self) -> dict[str, Any]:
        """The analysis as JSON."""
        return {
            "model": self.model,
            "environment": self.environment,
            "at": self.now.isoformat(),
            "final": self.is_final,
            "units": self.counts,
            "planned_units": self.experiment.planned_units,
            "sample_ratio_p": self.sample_ratio_p,
            "decisions": {each: self.decision(each) for each in self.experiment.variants},
            "findings": [finding.as_dict() for finding in self.findings],
            "notes": self.notes,
        }

    def of(self, variant: str) -> list[Finding]:
        """The findings of one variant, primary metrics first."""
        return [finding for finding in self.findings if finding.variant == variant]

    def decision(self, variant: str) -> Decision:
        """What to do with a variant."""
        levels = {finding.level for finding in self.of(variant)}
        if levels & {"worse", "broken"}:
            return "stop"
        guardrails = [each for each in self.of(variant) if isinstance(each.metric, Guardrail)]
        if "better" in levels and all(each.level == "holds" for each in guardrails):
            return "promote"
        return "inconclusive" if self.is_final else "continue"


def analyse(
    model: str, environment: str, experiment: Experiment, outcomes: Outcomes, now: datetime
) -> Analysis:
    """Analyse outcomes at a moment. Raises RefusedError if the arms are not comparable."""
    state = experiment.state(now)
    if state == "planned":
        raise RefusedError(
            "the experiment has not started",
            expected=f"outcomes from {experiment.start:%Y-%m-%d %H:%M} UTC on",
            fix="correct `start` in experiment.yaml, or wait",
        )
    counts = {arm: outcomes.count(arm) for arm in experiment.arms}
    p = require_comparable(experiment, outcomes, counts)
    is_final = state == "ended"
    primary = [
        compare(experiment, outcomes, metric, variant, is_final=is_final)
        for variant in experiment.variants
        for metric in experiment.metrics
    ]
    adjusted = statistics.holm(
        [1.0 if finding.level == "few" else finding.effect.p for finding in primary]
    )
    findings = [
        judged(finding, value, experiment) for finding, value in zip(primary, adjusted, strict=True)
    ]
    findings += [
        compare(experiment, outcomes, metric, variant, is_final=is_final)
        for variant in experiment.variants
        for metric in experiment.guardrails
    ]
    notes = [*_notes(experiment, outcomes, counts, is_final=is_final), *rare_notes(findings)]
    return Analysis(model, environment, experiment, now, counts, p, findings, notes)


def _notes(
    experiment: Experiment, outcomes: Outcomes, counts: dict[str, int], *, is_final: bool
) -> Iterator[str]:
    total = sum(counts.values())
    if is_final and total < experiment.planned_units:
        yield (
            f"{total:,} of {experiment.planned_units:,} planned units: a real effect of the "
            "minimum size may go unseen"
        )
    if outcomes.repeated:
        rules = ", ".join(f"{each.name}: {each.aggregate}" for each in experiment.measures)
        yield f"{outcomes.repeated:,} units have several rows, aggregated by {rules}"
    if outcomes.anonymous:
        yield f"left out {outcomes.anonymous:,} rows without a unit, which go to any arm"
    if outcomes.disagreeing:
        yield (
            f"{outcomes.disagreeing:,} units were logged in another arm; counted in the one that "
            "their id is assigned to"
        )
    for metric in experiment.measures:
        missing = int(np.isnan(outcomes.values[metric.name]).sum())
        if missing:
            yield f"{missing:,} units have no {metric.name} and are left out of it"
        if metric.pre_period:
            unknown = int(np.isnan(outcomes.before[metric.name]).sum())
            if unknown:
                yield f"{unknown:,} units have no {metric.pre_period}; CUPED takes its mean"
