"""What may enter environments with `promotion: automatic` now, without a person's decision.

Only plans. Planning is without effect and two runs plan the same, so that a schedule may run it as
often as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError, RefusedError
from modelctl.promotion.batch import Batch
from modelctl.promotion.promote import Options, plan_promotion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelctl.promotion.promote import Promotion
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment

AUTOMATIC = "automatic"


@dataclass(frozen=True)
class Candidate:
    """A model with another version in the previous environments: ready, or why it is not.

    `is_error` tells a file that cannot be read from a rule that says no.
    """

    model: str
    environment: Environment
    promotion: Promotion | None
    refused: str = ""
    is_error: bool = False

    @property
    def batch(self) -> Batch | None:
        """Its pull request, on the branch that `modelctl promote` would use."""
        if self.promotion is None:
            return None
        return Batch(self.environment, (self.promotion,), {}, f"-{self.model}")


def plan(
    repository: Repository, models: Sequence[str], environment_name: str, *, live: bool
) -> list[Candidate]:
    """Every model (default: all) in every automatic environment (default: all), in order.

    Raises ModelctlError for an environment or a model that is not meant for it.
    """
    for model in models:
        repository.require_known(model)
    candidates = []
    options = Options(live=live, automatic=True)
    for environment in _environments(repository, environment_name):
        for model in models or repository.models():
            if models:
                repository.require_model(environment, model)
            elif not (repository.folder(environment, model) / "settings.yaml").is_file():
                continue
            candidates += _candidate(repository, environment, model, options)
    return candidates


def _environments(repository: Repository, name: str) -> list[Environment]:
    if not name:
        return [each for each in repository.environments if each.promotion == AUTOMATIC]
    environment = repository.environment(name)
    if environment.promotion != AUTOMATIC:
        raise RefusedError(
            f"'{name}' is not promoted to automatically",
            expected=f"promotion: {AUTOMATIC}",
            found=f"promotion: {environment.promotion}",
            fix=f"change it in environments.yaml, or use `modelctl promote --to {name}`",
        )
    return [environment]


def _candidate(
    repository: Repository, environment: Environment, model: str, options: Options
) -> list[Candidate]:
    try:
        promotion = plan_promotion(repository, model, environment.name, options)
    except RefusedError as error:
        return [Candidate(model, environment, None, error.what)]
    except ModelctlError as error:
        # One unreadable file must not stop the others.
        return [Candidate(model, environment, None, error.what, is_error=True)]
    return [Candidate(model, environment, promotion)] if promotion.has_changes else []
