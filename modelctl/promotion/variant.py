"""Plan changes of a model's variants: add one, change its share, remove it, or make it the release.

The rules are those of `variant_rules`, which `check --base` applies to edits by hand as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError, RefusedError
from modelctl.promotion import experiment_rules, rules, variant_past, variant_rules
from modelctl.repository import edits, experiments, names, overrides, variants
from modelctl.repository.versions import Version

if TYPE_CHECKING:
    from datetime import datetime

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.variants import Content
    from modelctl.repository.versions import ImageVersion, ModelVersion


def source_of(
    repository: Repository, environment: Environment, model: str, name: str, origin: str
) -> tuple[ImageVersion, ModelVersion]:
    """Image and bundle to take over: of the variant of that name in another environment, else of
    the release there.

    `origin` is that environment, by default the only previous one. Raises ModelctlError.
    """
    previous = repository.previous(environment)
    if not origin and len(previous) != 1:
        names = " or ".join(each.name for each in previous)
        raise ModelctlError(
            f"which version '{name}' is to have",
            expected=f"--from {names}" if names else "--image and --bundle, or --from ENV",
            found="neither",
        )
    source = repository.environment(origin) if origin else previous[0]
    repository.require_model(source, model)
    known = variants.read(repository.folder(source, model))
    if name in known:
        return known[name].content.artifacts
    version = repository.version(source, model)
    if version is None:
        raise RefusedError(
            f"'{model}' is not released in '{source.name}'",
            expected=f"a release there, or a variant '{name}'",
            fix="list releases: `modelctl status`",
        )
    return version.image, version.model


def plan_add(
    repository: Repository,
    environment: Environment,
    model: str,
    name: str,
    content: Content,
    now: datetime,
) -> edits.Edit:
    """Plan to write a variant, new or not. Raises RefusedError where a rule forbids it."""
    repository.require_model(environment, model)
    release = repository.version(environment, model)
    if release is None:
        raise RefusedError(
            f"'{model}' is not released in '{environment.name}', so there is nothing to vary",
            fix=f"modelctl promote {model} --to {environment.name}",
        )
    edit = variants.plan(variants.path(repository, environment, model, name), content)
    known = variants.read(repository.folder(environment, model))
    before = known.get(name)
    if before is None:
        _require_own_names(repository, environment, model, name)
    if edit.has_changes:
        found = rules.freeze_violations(model, environment, now)
        planned = known | {name: variants.Variant(name, content)}
        found += variant_rules.share_violations({key: each.share for key, each in planned.items()})
        found += variant_past.change_violations(
            repository, environment, model, before.content if before else None, content, now
        )
        found += experiment_rules.change_violations(
            repository, environment, model, name, content.artifacts, now
        )
        found += experiment_rules.planned_violations(
            repository, environment, model, now, experiment_rules.Planned(variants=planned)
        )
        rules.ensure_allowed(found)
    return edit


def plan_share(
    repository: Repository,
    environment: Environment,
    model: str,
    name: str,
    share: int,
    now: datetime,
) -> edits.Edit:
    """Plan to change the share of a variant; a shadow gets one instead of copies."""
    before = variants.require(repository, environment, model, name).content
    mirror = None if share else before.mirror
    changed = {"share": share, "mirror": mirror.model_dump() if mirror else None}
    content = variants.content_of({**before.model_dump(by_alias=True), **changed})
    return plan_add(repository, environment, model, name, content, now)


def plan_remove(
    repository: Repository, environment: Environment, model: str, name: str, now: datetime
) -> list[edits.Edit]:
    """Plan to remove a variant, whose share goes back to the release.

    An experiment that has it as an arm ends with it.
    """
    variants.require(repository, environment, model, name)
    rules.ensure_allowed(rules.freeze_violations(model, environment, now))
    return [
        edits.remove(variants.path(repository, environment, model, name)),
        *experiments.plan_stop(repository, environment, model, now, name),
    ]


def plan_promote(
    repository: Repository, environment: Environment, model: str, name: str, now: datetime
) -> tuple[Version, list[edits.Edit]]:
    """Plan to make the version of a variant the release, with the release's chart."""
    content = variants.require(repository, environment, model, name).content
    release = repository.version(environment, model)
    chart = release.chart if release else None
    version = Version(image=content.image, model=content.model, chart=chart)
    stopped = experiments.plan_stop(repository, environment, model, now, name)
    # Of an arm it ends the experiment; of another variant it would change the primary.
    spoiled = (
        []
        if stopped
        else experiment_rules.change_violations(
            repository, environment, model, experiments.PRIMARY, content.artifacts, now
        )
    )
    rules.ensure_allowed(
        [
            *spoiled,
            *rules.freeze_violations(model, environment, now),
            *rules.window_violations(model, environment, now),
            *variant_past.abort_violations(repository, environment, model, content.artifacts),
            *variant_past.replay_violations(repository, environment, model, content.artifacts),
        ]
    )
    planned = [
        edits.set_version(repository.version_file(environment, model), version),
        edits.remove(variants.path(repository, environment, model, name)),
        *stopped,
    ]
    record = overrides.path(repository, environment, model)
    if record.is_file() and planned[0].has_changes:
        planned.append(overrides.plan(record, None))
    return version, planned


def _require_own_names(
    repository: Repository, environment: Environment, model: str, name: str
) -> None:
    """Raise RefusedError for a variant whose objects would have the names of others."""
    place = (environment.name, model)
    others = variants.of_releases(repository)
    # The last one is blamed for a name that two have.
    known = {key: value for key, value in others.items() if key != place}
    known[place] = [*others.get(place, ()), name]
    for release, variant, problem in names.object_violations(known):
        if (release, variant) == (place, name):
            raise RefusedError(f"the variant name '{name}': {problem}", fix="choose another name")
