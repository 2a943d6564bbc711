"""Freezes: periods without changes to an environment or to one model in it, with a reason.

Git is authoritative: a freeze refuses bumps, promotions, rollbacks and retirements. The argocd/
chart also renders it as a sync window. Plans edits of environments.yaml; writes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository import edits, strict_yaml
from modelctl.repository.environments import ALL_MODELS, FILE, TIME_FORMAT, Environment, Freeze

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelctl.repository.checkout import Repository


def parse_until(text: str, now: datetime) -> datetime:
    """The end of a freeze: a time in UTC (`2026-12-24T18:00:00Z`), or a date (inclusive).

    Raises ModelctlError for anything else and for a time in the past.
    """
    try:
        if len(text) == len("2026-12-24"):
            end = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
        else:
            end = datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise ModelctlError(
            f"--until '{text}' is not a date",
            expected="a date such as 2026-12-24, or a time in UTC such as 2026-12-24T18:00:00Z",
        ) from error
    if end <= now:
        raise ModelctlError(
            f"--until '{text}' is in the past",
            expected=f"a time after {now.strftime(TIME_FORMAT)}",
        )
    return end


def parse_scope(repository: Repository, scope: str) -> tuple[Environment, str]:
    """Parse `production` or `production/iris` as an environment and a model, `*` for all."""
    name, slash, model = scope.partition("/")
    environment = repository.environment(name)
    if slash and not model:
        raise ModelctlError(
            f"'{scope}' names no model",
            expected=f"{name} for all its models, or {name}/MODEL",
        )
    if model:
        repository.require_model(environment, model)
    return environment, model or ALL_MODELS


def plan_freeze(
    repository: Repository, environment: Environment, model: str, freeze: Freeze
) -> edits.Edit:
    """Plan to freeze a model, or all with `*`; an existing freeze keeps its start."""
    existing = environment.freezes.get(model)
    if existing is not None:
        freeze = freeze.model_copy(update={"start": existing.start})

    def change(freezes: dict[str, Any]) -> None:
        freezes[model] = _entry(freeze)

    return _plan(repository, environment, change)


def plan_unfreeze(repository: Repository, environment: Environment, model: str) -> edits.Edit:
    """Plan to end a freeze; without one, an edit without changes.

    Raises RefusedError for one model while all are frozen: it would stay frozen.
    """
    if model not in environment.freezes and ALL_MODELS in environment.freezes:
        raise RefusedError(
            f"'{environment.name}' is frozen for all models, not for '{model}' alone",
            fix=f"`modelctl unfreeze {environment.name}` ends it for all; a rollback of one model "
            f"ends it for that one: `modelctl rollback {model} --env {environment.name} "
            "--break-freeze --reason '...'`",
        )

    def change(freezes: dict[str, Any]) -> None:
        freezes.pop(model, None)

    return _plan(repository, environment, change)


def plan_break(repository: Repository, environment: Environment, model: str) -> edits.Edit:
    """Plan to end the freeze of one model: a freeze of all becomes one of each other model."""

    def change(freezes: dict[str, Any]) -> None:
        freezes.pop(model, None)
        of_all = freezes.pop(ALL_MODELS, None)
        if of_all is not None:
            for other in repository.models():
                if other != model and repository.folder(environment, other).is_dir():
                    freezes.setdefault(other, dict(of_all))

    return _plan(repository, environment, change)


def _entry(freeze: Freeze) -> dict[str, str]:
    return {
        "from": freeze.start.strftime(TIME_FORMAT),
        "until": freeze.until.strftime(TIME_FORMAT),
        "reason": freeze.reason,
    }


def _plan(
    repository: Repository, environment: Environment, change: Callable[[dict[str, Any]], None]
) -> edits.Edit:
    path = repository.root / FILE
    content = strict_yaml.read(path).content
    index = repository.environments.index(environment)
    entry = content["environments"][index]
    freezes = entry.get("freezes", {})
    change(freezes)
    if freezes:
        entry["freezes"] = freezes
    else:
        entry.pop("freezes", None)
    return edits.set_content(path, content)
