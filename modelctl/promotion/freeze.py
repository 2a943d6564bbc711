"""Freezes: dated, reasoned stops on changes to an environment or to one model in it.

Git is authoritative: a freeze refuses promotions, bumps and rollbacks. The argocd/ chart renders it
as a sync window that ends by itself as well. Plans edits of environments.yaml; writes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ruamel.yaml.comments import CommentedMap

from modelctl.errors import ModelctlError
from modelctl.repository import edits, yamlfile
from modelctl.repository.environments import ALL_MODELS, FILE, Environment, Freeze, Repository

if TYPE_CHECKING:
    from collections.abc import Callable

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def parse_until(text: str, now: datetime) -> datetime:
    """The end of a freeze: a time in UTC (`2026-12-24T18:00:00Z`), or a date, whose last second
    is included. Raises ModelctlError for anything else and for what is over already.
    """
    try:
        if len(text) == len("2026-12-24"):
            end = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
        else:
            end = datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise ModelctlError(
            f"'{text}' is not a date",
            expected="a date such as 2026-12-24, or a time in UTC such as 2026-12-24T18:00:00Z",
        ) from error
    if end <= now:
        raise ModelctlError(
            f"'{text}' is over already", found=f"now is {now.strftime(TIME_FORMAT)}"
        )
    return end


def parse_scope(repository: Repository, scope: str) -> tuple[Environment, str]:
    """`production` or `production/iris` as an environment and a model, `*` for all of them."""
    name, _, model = scope.partition("/")
    environment = repository.environment(name)
    if model:
        repository.require_model(environment, model)
    return environment, model or ALL_MODELS


def plan_freeze(
    repository: Repository, environment: Environment, model: str, freeze: Freeze
) -> edits.Edit:
    """Plan to freeze a model, or all with `*`; a freeze that is running keeps its start."""
    running = environment.freezes.get(model)
    if running is not None:
        freeze = freeze.model_copy(update={"start": running.start})

    def change(freezes: CommentedMap) -> None:
        freezes[model] = _entry(freeze)

    return _plan(repository, environment, change)


def plan_unfreeze(repository: Repository, environment: Environment, model: str) -> edits.Edit:
    """Plan to end a freeze; one that is not there is nothing to change."""

    def change(freezes: CommentedMap) -> None:
        freezes.pop(model, None)

    return _plan(repository, environment, change)


def plan_break(repository: Repository, environment: Environment, model: str) -> edits.Edit:
    """Plan to lift the freeze for one model: a freeze of all becomes one of each other model."""

    def change(freezes: CommentedMap) -> None:
        freezes.pop(model, None)
        every = freezes.pop(ALL_MODELS, None)
        if every is not None:
            for other in repository.models():
                if other != model and repository.folder(environment, other).is_dir():
                    freezes.setdefault(other, CommentedMap(every))

    return _plan(repository, environment, change)


def _entry(freeze: Freeze) -> CommentedMap:
    return CommentedMap(
        {
            "from": freeze.start.strftime(TIME_FORMAT),
            "until": freeze.until.strftime(TIME_FORMAT),
            "reason": freeze.reason,
        }
    )


def _plan(
    repository: Repository, environment: Environment, change: Callable[[CommentedMap], None]
) -> edits.Edit:
    path = repository.root / FILE
    before = path.read_text(encoding="utf-8")
    content = yamlfile.parse(before, path)
    index = repository.environments.index(environment)
    entry = content["environments"][index]
    freezes = entry.get("freezes", CommentedMap())
    change(freezes)
    if freezes:
        entry["freezes"] = freezes
    else:
        entry.pop("freezes", None)
    return edits.Edit(path, before, yamlfile.dump(content))
