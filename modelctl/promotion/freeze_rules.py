"""What a freeze covers: every file that changes what runs in a frozen environment.

The freezes are those of the target branch. One way out is allowed in the same change: a rollback
that ends the freeze of its own model, in exactly the form that `rollback --break-freeze` writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError
from modelctl.promotion import reach, rules
from modelctl.rendering import charts
from modelctl.repository import aborts, trees, yamlfile
from modelctl.repository.branch import RULES, VERSION_FILE
from modelctl.repository.checkout import COMMON, Repository
from modelctl.repository.environments import ALL_MODELS, Environments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from modelctl.repository.branch import Branch
    from modelctl.repository.environments import Environment, Freeze

MODEL_FILE_PARTS = 4
BASELINE = "kustomize/environments"
APPLICATIONS = "argocd/"
NOT_APPLIED = "argocd/install/"  # a person installs it
# Git reads these before it hands out files to Argo CD.
HANDED_OUT = (".gitattributes", ".gitmodules")


@dataclass(frozen=True)
class BrokenFreeze:
    """A rollback that ends the freeze of its model, and why; the reason may be missing."""

    environment: Environment
    model: str
    reason: str


def violations(branch: Branch, now: datetime, broken: BrokenFreeze | None) -> Iterator[str]:
    """Why files may not change, because of a freeze in the target branch."""
    models = _released(branch)
    for environment in branch.judge.environments:
        frozen = {
            model: freeze
            for model in sorted({*models.get(environment.name, ()), ALL_MODELS})
            if (freeze := environment.active_freeze(model, now))
        }
        if not frozen:
            continue
        for path in sorted(branch.changed):
            model = _model(path, environment)
            if broken and path == RULES and broken.environment == environment:
                continue
            if broken and (environment, model) == (broken.environment, broken.model):
                continue
            if model in frozen:
                reasons = rules.freeze_violations(model, environment, now)
            elif _is_shared(branch, path, environment):
                reasons = [_shared(environment, *next(iter(frozen.items())))]
            else:
                continue
            yield from (f"{path}: {reason}" for reason in reasons)
        yield from _reach_violations(branch, environment, frozen)


def _reach_violations(
    branch: Branch, environment: Environment, frozen: dict[str, Freeze]
) -> Iterator[str]:
    """Why models that are not frozen may not change what can reach those that are."""
    folder = f"environments/{environment.name}"
    others = {model: freeze for model, freeze in frozen.items() if model != ALL_MODELS}
    owned = {
        model: of_model
        for model in others
        if (of_model := reach.of_release(branch.text_before, f"{folder}/{model}")) is not None
    }
    if not owned:
        return
    for model in sorted({_model(path, environment) for path in branch.changed} - {"", *frozen}):
        here = f"{folder}/{model}"
        before, after = (
            reach.of_release(text_of, here) for text_of in (branch.text_before, branch.text_after)
        )
        for reason in reach.violations(model, before, after, owned):
            name, freeze = next((name, others[name]) for name in owned)
            yield f"{here}: {reason}: {_frozen(environment, name, freeze)}"


def broken_freeze(branch: Branch) -> BrokenFreeze | None:
    """The rollback that this change is, if it ends a freeze as `rollback --break-freeze` does.

    That is one version file and the list of environments, where nothing differs but the freeze of
    that model: a freeze of all models has become one of each other model.
    """
    (version, *others) = [path for path in branch.changed if VERSION_FILE.fullmatch(path)] or [""]
    match = VERSION_FILE.fullmatch(version)
    if match is None or others or branch.after(version) is None:
        return None
    if branch.changed.keys() != {RULES, version}:
        return None
    for environment in branch.judge.environments:
        if environment.name == match[1] and environment.freezes:
            freezes = _without(environment.freezes, match[2], _folders(branch, environment))
            changed = environment.model_copy(update={"freezes": freezes})
            expected = [changed if e == environment else e for e in branch.rules.environments]
            if _after(branch) == branch.rules.model_copy(update={"environments": expected}):
                return BrokenFreeze(environment, match[2], _reason(branch, environment, match[2]))
    return None


def _reason(branch: Branch, environment: Environment, model: str) -> str:
    """The reason in the message of the commit, as `modelctl rollback` words it."""
    messages = trees.messages_between(branch.root, branch.target, branch.head, RULES)
    reasons = (aborts.reason_in(message, environment.name, model) for message in messages)
    return next(filter(None, reasons), "")


def _without(freezes: dict[str, Freeze], model: str, models: set[str]) -> dict[str, Freeze]:
    others = {name: freeze for name, freeze in freezes.items() if name not in (model, ALL_MODELS)}
    if ALL_MODELS in freezes:
        for name in models - {model}:
            others.setdefault(name, freezes[ALL_MODELS])
    return others


def _folders(branch: Branch, environment: Environment) -> set[str]:
    """The models that are set up in an environment of the target branch."""
    parts = (path.split("/") for path in branch.before)
    return {
        part[2]
        for part in parts
        if len(part) == MODEL_FILE_PARTS and part[:2] == ["environments", environment.name]
    }


def _released(branch: Branch) -> dict[str, set[str]]:
    """The models that have a version before or after the change, by environment."""
    found: dict[str, set[str]] = {}
    for path in (*branch.before, *branch.changed):
        match = VERSION_FILE.fullmatch(path)
        if match:
            found.setdefault(match[1], set()).add(match[2])
    return found


def _model(path: str, environment: Environment) -> str:
    """The model in this environment that a file belongs to; empty for another file."""
    parts = path.split("/")
    is_of_model = len(parts) >= MODEL_FILE_PARTS and parts[:2] == ["environments", environment.name]
    return parts[2] if is_of_model else ""


def _shared(environment: Environment, model: str, freeze: Freeze) -> str:
    return f"changes what runs in '{environment.name}': {_frozen(environment, model, freeze)}"


def _frozen(environment: Environment, model: str, freeze: Freeze) -> str:
    scope, name = ("", "") if model == ALL_MODELS else (f" for '{model}'", f"/{model}")
    return (
        f"it is frozen{scope} until {freeze.until.isoformat()}: {freeze.reason}; wait until then, "
        f"or end it with `modelctl unfreeze {environment.name}{name}`"
    )


def _is_shared(branch: Branch, path: str, environment: Environment) -> bool:
    """Whether a file changes every release of an environment."""
    if path == f"environments/{environment.name}/{COMMON}":
        return True
    if path.rpartition("/")[2] in HANDED_OUT:
        return True
    if path.startswith(f"{BASELINE}/"):
        others = (each.name for each in branch.judge.environments if each != environment)
        return not path.startswith(tuple(f"{BASELINE}/overlays/{name}/" for name in others))
    if path.startswith(APPLICATIONS):
        return not path.startswith(NOT_APPLIED)
    if path == RULES:
        before, after = branch.rules, _after(branch)
        return _target(branch, before, environment.name) != _target(branch, after, environment.name)
    return charts.is_packaged(path) and branch.judge.is_first(environment)


def _after(branch: Branch) -> Environments | None:
    text = branch.text_after(RULES)
    path = branch.root / RULES
    try:
        return yamlfile.validate_strict(Environments, path, text or "")
    except ModelctlError:  # reported by the structural checks
        return None


def _target(branch: Branch, environments: Environments | None, name: str) -> object:
    """Where an environment runs, and which chart renders it; None if it is gone."""
    repository = Repository(branch.root, tuple(environments.environments if environments else ()))
    for environment in repository.environments:
        if environment.name == name and environments:
            is_first = repository.is_first(environment)
            registry = "" if is_first else environments.chart_registry
            return environment.cluster, environment.namespace, is_first, registry
    return None
