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
from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository.experiments import PRIMARY, Guardrail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from modelctl.delivery.outcomes import Outcomes
    from modelctl.delivery.statistics import Effect, Numbers
    from modelctl.repository.experiments import Experiment, Measure

Level = Literal["better", "worse", "open", "few", "holds", "broken"]
Decision = Literal["promote", "stop", "continue", "inconclusive"]

# Fabijan and others, "Diagnosing sample ratio mismatch in online controlled experiments" (KDD
# 2019): so small that a sound experiment almost never fails.
MAX_SAMPLE_RATIO_P = 0.001
# Sequential intervals are those of large samples: fewer units in an arm decide nothing.
MIN_UNITS = 100
# Intervals and tests of means take the variance as known. Simulated: with 20 units that carry it
# (see `statistics.carriers`) rare and skewed values keep alpha, also in arms of 10% and less.
MIN_CARRIERS = 20
# Units that change devices or cookies; more of them is another way of assigning.
MAX_DISAGREEING = 0.01


@dataclass(frozen=True)
class Finding:
    """One metric of one variant beside the control.

    `adjusted_p` is Holm's, over all primary metrics and variants; None of a guardrail. `removed` is
    the share of variance that the pre-period explained. `missing`: units without a value.
    `carriers`, of a mean: the units of each arm that its variance rests on.
    """

    metric: Measure
    variant: str
    units: tuple[int, int]
    missing: tuple[int, int]
    values: tuple[float, float]
    effect: Effect
    level: Level
    adjusted_p: float | None = None
    removed: float | None = None
    carriers: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON; an infinite bound is null."""
        bounds = (self.effect.low, self.effect.high)
        low, high = (bound if np.isfinite(bound) else None for bound in bounds)
        return {
            "metric": self.metric.name,
            "role": "guardrail" if isinstance(self.metric, Guardrail) else "primary",
            "variant": self.variant,
            "units": {PRIMARY: self.units[0], self.variant: self.units[1]},
            "missing": {PRIMARY: self.missing[0], self.variant: self.missing[1]},
            "values": {PRIMARY: self.values[0], self.variant: self.values[1]},
            "difference": self.effect.difference,
            "low": low,
            "high": high,
            "p": self.effect.p,
            "adjusted_p": self.adjusted_p,
            "method": self.effect.method,
            "variance_removed": self.removed,
            "level": self.level,
        }


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
    p = _require_comparable(experiment, outcomes, counts)
    is_final = state == "ended"
    primary = [
        _compare(experiment, outcomes, metric, variant, is_final=is_final)
        for variant in experiment.variants
        for metric in experiment.metrics
    ]
    adjusted = statistics.holm(
        [1.0 if finding.level == "few" else finding.effect.p for finding in primary]
    )
    findings = [
        _judged(finding, value, experiment)
        for finding, value in zip(primary, adjusted, strict=True)
    ]
    findings += [
        _compare(experiment, outcomes, metric, variant, is_final=is_final)
        for variant in experiment.variants
        for metric in experiment.guardrails
    ]
    notes = [*_notes(experiment, outcomes, counts, is_final=is_final), *_rare(findings)]
    return Analysis(model, environment, experiment, now, counts, p, findings, notes)


def _require_comparable(
    experiment: Experiment, outcomes: Outcomes, counts: dict[str, int]
) -> float:
    """The p-value of the sample-ratio check of all units. Raises RefusedError."""
    shares = [float(experiment.arms[arm]) for arm in counts]
    disagreeing = outcomes.disagreeing or 0
    if disagreeing > MAX_DISAGREEING * len(outcomes.units):
        raise RefusedError(
            f"{disagreeing:,} of {len(outcomes.units):,} units were logged in another arm than "
            "the one that their id is assigned to",
            expected=f"at most {MAX_DISAGREEING:.0%}",
            fix="look for: shares that changed after `start`; a unit column that is not the value "
            f"of {experiment.unit}, byte for byte; requests without it, which go to any arm; a "
            "gateway that does not hash",
        )
    p = statistics.sample_ratio(list(counts.values()), shares)
    if p < MAX_SAMPLE_RATIO_P:
        raise _mismatch("units", experiment, counts, p)
    for metric in experiment.measures:
        known = {
            arm: int((~np.isnan(outcomes.of(outcomes.values[metric.name], arm))).sum())
            for arm in counts
        }
        few = min(known, key=known.__getitem__)
        if known[few] < 2:
            raise ModelctlError(
                f"arm {few} has {known[few]} units with {metric.name}",
                expected="at least two in every arm",
                fix="wait for more outcomes",
            )
        of_metric = statistics.sample_ratio(list(known.values()), shares)
        if of_metric < MAX_SAMPLE_RATIO_P:
            raise _mismatch(f"units with {metric.name}", experiment, known, of_metric)
    return p


def _mismatch(what: str, experiment: Experiment, counts: dict[str, int], p: float) -> RefusedError:
    total = sum(counts.values())
    found = ", ".join(f"{arm} {count:,} ({count / total:.2%})" for arm, count in counts.items())
    planned = ", ".join(f"{arm} {experiment.arms[arm]}%" for arm in counts)
    return RefusedError(
        f"sample ratio mismatch: the {what} are not in the planned shares (chi-square p {p:.1e})",
        expected=planned,
        found=found,
        fix="do not read the metrics. Look for: outcomes lost in one arm (errors, timeouts, "
        "restarts, a join that drops them); a filter that depends on the arm; shares that changed "
        "after `start`; units from before it; bots that only one arm meets",
    )


def _compare(
    experiment: Experiment, outcomes: Outcomes, metric: Measure, variant: str, *, is_final: bool
) -> Finding:
    """One metric of one variant; the level of a primary metric is decided once all are known."""
    arms = (PRIMARY, variant)
    columns = [outcomes.of(outcomes.values[metric.name], arm) for arm in arms]
    known = [~np.isnan(column) for column in columns]
    values = [column[is_known] for column, is_known in zip(columns, known, strict=True)]
    removed, compared = None, values
    if metric.pre_period:
        before = [
            outcomes.of(outcomes.before[metric.name], arm)[is_known]
            for arm, is_known in zip(arms, known, strict=True)
        ]
        adjusted = statistics.cuped(values, before)
        removed, compared = adjusted.removed, adjusted.values
    effect = _effect(experiment, metric, compared, is_final=is_final, is_raw=removed is None)
    units = len(values[0]), len(values[1])
    level: Level = "open"
    carriers = None
    if metric.kind == "mean" or removed is not None:
        carriers = statistics.carriers(compared[0]), statistics.carriers(compared[1])
    has_enough = carriers is None or min(carriers) >= MIN_CARRIERS
    if not has_enough or (not is_final and min(units) < MIN_UNITS):
        level = "few"
    elif isinstance(metric, Guardrail):
        level = _guarded(metric, effect)
    return Finding(
        metric,
        variant,
        units,
        (int((~known[0]).sum()), int((~known[1]).sum())),
        (float(values[0].mean()), float(values[1].mean())),
        effect,
        level,
        removed=removed,
        carriers=carriers,
    )


def _effect(
    experiment: Experiment,
    metric: Measure,
    arms: list[Numbers],
    *,
    is_final: bool,
    is_raw: bool,
) -> Effect:
    """The difference; of a guardrail with one bound that counts, at `alpha`."""
    control, variant = arms
    is_binary = metric.kind == "proportion" and is_raw
    alpha = experiment.alpha
    if not is_final:
        return statistics.sequential(control, variant, alpha, scale=metric.scale, binary=is_binary)
    if isinstance(metric, Guardrail):
        alpha *= 2
    test = statistics.two_proportions if is_binary else statistics.welch
    return test(control, variant, alpha)


def _guarded(metric: Guardrail, effect: Effect) -> Level:
    """Non-inferiority: whether the loss is surely below, or surely above, the margin."""
    is_up = metric.direction == "increase"
    least, most = (-effect.high, -effect.low) if is_up else (effect.low, effect.high)
    if most < metric.margin:
        return "holds"
    return "broken" if least > metric.margin else "open"


def _judged(finding: Finding, adjusted: float, experiment: Experiment) -> Finding:
    level = finding.level
    if level != "few" and adjusted < experiment.alpha:
        is_up = finding.effect.difference > 0
        level = "better" if is_up == (finding.metric.direction == "increase") else "worse"
    parts = {**vars(finding), "level": level, "adjusted_p": adjusted}
    return Finding(**parts)


def _rare(findings: list[Finding]) -> Iterator[str]:
    """A note on each mean that is not judged because its variance rests on a few units."""
    for each in findings:
        if each.carriers is None or min(each.carriers) >= MIN_CARRIERS:
            continue
        fewest = min(each.carriers)
        arm = (PRIMARY, each.variant)[each.carriers.index(fewest)]
        yield (
            f"{each.metric.name} is not judged: its variance in {arm} rests on {fewest:.0f} units, "
            f"expected {MIN_CARRIERS}. Wait for more, or cap extreme values"
        )


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
