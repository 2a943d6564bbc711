"""A replay as evidence for a promotion: captured requests of a release, asked of its successor.

What is compared is in `modelctl/delivery/`, the tag in `modelctl/repository/replays.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository import history, replay_limits, replays
from modelctl.repository.checkout import Repository
from modelctl.repository.replay_limits import Limits, Replayed

if TYPE_CHECKING:
    from modelctl.delivery.agreement import Agreement
    from modelctl.delivery.replay import Pairs
    from modelctl.repository.environments import Environment


@dataclass(frozen=True)
class Release:
    """A release that captured requests are from, and the limits for its successor."""

    repository: Repository
    environment: Environment
    model: str
    baseline: str
    limits: Limits

    def violations(self, pairs: Pairs, found: Agreement, tolerance: float) -> list[str]:
        """What exceeds the limits. Raises RefusedError for a candidate that serves already."""
        return replay_limits.violations(self.limits, self._replayed(pairs, found, tolerance))

    def record(self, pairs: Pairs, found: Agreement, tolerance: float) -> str:
        """Record the replay; returns the name of the tag. Raises ModelctlError."""
        replayed = self._replayed(pairs, found, tolerance)
        return replays.record(self.repository, self.environment, self.model, replayed, self.limits)

    def _replayed(self, pairs: Pairs, found: Agreement, tolerance: float) -> Replayed:
        if len(pairs.candidates) != 1:
            raise ModelctlError(
                "the candidate is not one bundle",
                expected="rows that one version captured",
                found=", ".join(sorted(pairs.candidates)),
            )
        (candidate,) = pairs.candidates
        if candidate == self.baseline:
            raise RefusedError(
                f"the candidate is what '{self.environment.name}' serves already",
                found=candidate,
                fix="pass the version to promote with --candidate",
            )
        return Replayed(
            release=f"{self.environment.name}/{self.model}",
            baseline=self.baseline,
            candidate=candidate,
            rows=found.rows,
            refused=found.refused,
            changed=found.changed,
            left_out=found.left_out,
            psi=max(0.0, found.max_psi),  # sums of floats may end just below 0
            tolerance=tolerance,
        )


def release(model: str, environment_name: str) -> Release:
    """The release of a model in the checkout. Raises ModelctlError if there is none, or no limits.

    Of a retired model it is the last one.
    """
    repository = Repository.find()
    environment = repository.environment(environment_name)
    repository.require_model(environment, model)
    limits = environment.replay_limits(model)
    if limits is None:
        raise ModelctlError(
            f"'{environment.name}' has no limits for a replay of '{model}'",
            expected="`replay` of the environment in environments.yaml",
            fix="add it, or leave out MODEL and --env",
        )
    entries = history.read(repository, environment, model)
    baseline = replays.baseline(entry.version for entry in entries)
    if not baseline:
        raise RefusedError(
            f"'{model}' was never released in '{environment.name}', so there is nothing to compare",
            fix=f"modelctl promote {model} --to {environment.name}",
        )
    return Release(repository, environment, model, baseline, limits)
