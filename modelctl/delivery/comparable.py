"""Whether the arms of an experiment may be compared at all, before any metric is looked at.

If units arrived in other shares than planned, or were logged in other arms than their own, whatever
lost or moved them may have done so to the ones that mattered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelctl.delivery import statistics
from modelctl.errors import ModelctlError, RefusedError

if TYPE_CHECKING:
    from modelctl.delivery.outcomes import Outcomes
    from modelctl.repository.experiments import Experiment

# Fabijan and others, "Diagnosing sample ratio mismatch in online controlled experiments" (KDD
# 2019): so small that a sound experiment almost never fails.
MAX_SAMPLE_RATIO_P = 0.001
# Units that change devices or cookies; more of them is another way of assigning.
MAX_DISAGREEING = 0.01


def require_comparable(experiment: Experiment, outcomes: Outcomes, counts: dict[str, int]) -> float:
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
