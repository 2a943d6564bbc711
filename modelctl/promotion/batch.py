"""Promotions of several models to one environment as one commit, all or none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError, RefusedError
from modelctl.promotion.promote import Promotion, plan_promotion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelctl.promotion.promote import Options
    from modelctl.repository import edits
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment

MAX_SUBJECT_MODELS = 3
MAX_BRANCH = 100  # characters of a branch's name that lists models


@dataclass(frozen=True)
class Batch:
    """Promotions of several models to one environment: one commit, one branch.

    `refused` says of other models why they are not among them. `name` is that of the branch.
    """

    environment: Environment
    promotions: tuple[Promotion, ...]
    refused: dict[str, str]
    name: str

    @property
    def changing(self) -> list[Promotion]:
        """The promotions that change something."""
        return [each for each in self.promotions if each.has_changes]

    @property
    def edits(self) -> list[edits.Edit]:
        """The edits of all of them."""
        return [edit for promotion in self.promotions for edit in promotion.edits]

    @property
    def subject(self) -> str:
        """The subject of the commit and the title of the pull request."""
        if len(self.promotions) == 1:
            return self.promotions[0].message
        names = [f"{each.model} {each.version.model.version}" for each in self.changing]
        if len(names) > MAX_SUBJECT_MODELS:
            return f"Promote {len(names)} models to {self.environment.name}"
        return f"Promote {' and '.join(names)} to {self.environment.name}"

    @property
    def details(self) -> str:
        """The models, for the commit message, if the subject cannot name them."""
        lines = [f"- {each.model} {each.version.model.version}" for each in self.changing]
        return "\n".join(lines) if len(lines) > MAX_SUBJECT_MODELS else ""

    @property
    def trailers(self) -> list[str]:
        """The lines of the commit message that a machine reads."""
        return [line for each in self.changing for line in each.trailers]

    @property
    def branch(self) -> str:
        """One branch for the same models: a newer proposal replaces an older one.

        `+` is in no name of an environment or model.
        """
        return f"promote/{self.environment.name}{self.name}"


def plan_all(
    repository: Repository, models: Sequence[str], environment_name: str, options: Options
) -> Batch:
    """Plan to promote these models, all or none. Raises RefusedError with every reason."""
    environment = repository.environment(environment_name)
    distinct = sorted(set(models))
    planned, refused = _plan_each(repository, distinct, environment_name, options)
    if refused:
        several = len(distinct) > 1
        reasons = [named(m, str(e)) if several else str(e) for m, e in refused.items()]
        raise _error(list(refused.values()), reasons)
    if len(distinct) == 1:
        return Batch(environment, tuple(planned), {}, f"-{distinct[0]}")
    name = f"+{'+'.join(distinct)}"
    if len(name) > MAX_BRANCH:
        name = f"+{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return Batch(environment, tuple(planned), {}, name)


def plan_ready(repository: Repository, environment_name: str, options: Options) -> Batch:
    """Plan to promote every model that has another version and may be promoted."""
    environment = repository.environment(environment_name)
    models = [
        model
        for model in repository.models()
        if (repository.folder(environment, model) / "settings.yaml").is_file()
    ]
    planned, refused = _plan_each(repository, models, environment_name, options)
    ready = tuple(each for each in planned if each.has_changes)
    reasons = {model: error.what for model, error in refused.items()}
    return Batch(environment, ready, reasons, "+all")


def named(model: str, reason: str) -> str:
    """A reason that says which model it is about, once."""
    return reason if f"'{model}'" in reason.partition("\n")[0] else f"{model}: {reason}"


def _plan_each(
    repository: Repository, models: Sequence[str], environment_name: str, options: Options
) -> tuple[list[Promotion], dict[str, ModelctlError]]:
    planned, refused = [], {}
    for model in models:
        try:
            planned.append(plan_promotion(repository, model, environment_name, options))
        except ModelctlError as error:
            refused[model] = error
    return planned, refused


def _error(errors: Sequence[ModelctlError], reasons: Sequence[str]) -> ModelctlError:
    """One error for several: a refusal if all are refusals."""
    if len(errors) == 1 and len(reasons) == 1 and reasons[0] == str(errors[0]):
        return errors[0]
    kind = RefusedError if all(isinstance(e, RefusedError) for e in errors) else ModelctlError
    return kind("\n".join(reasons), fix="no model was promoted; leave these out, or correct them")
