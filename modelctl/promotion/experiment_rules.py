"""The rules for `experiment.yaml`: its arms are the variants that really share the traffic, and its
unit is what the gateway hashes to choose between them.

For the rest it is a file like the settings: not promoted, covered by a freeze, reviewed by whoever
owns the environment. What its arms serve stays while it runs; for a branch see `experiment_judge`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError
from modelctl.repository import experiments, release_values, strict_yaml, variants, yamlfile
from modelctl.repository.experiments import PRIMARY, Experiment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path
    from typing import Any

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.variants import Artifacts, Variant
    from modelctl.repository.versions import Version

# Gateways that the chart has hash the unit, so that it stays in its arm.
STICKY = ("envoyGateway", "istio")


@dataclass(frozen=True)
class Planned:
    """What a command is about to write beside an experiment; None for what stays as it is."""

    variants: Mapping[str, Variant] | None = None
    settings: Mapping[str, Any] | None = None


def violations(
    repository: Repository,
    environment: Environment,
    path: Path,
    now: datetime,
    planned: Planned | None = None,
) -> Iterator[str]:
    """Why an experiment cannot be run as its file says, each with the line.

    The files beside it count, or what is `planned` for them.
    """
    root, planned = repository.root, planned or Planned()
    name, model = path.relative_to(root), path.parent.name
    try:
        document = strict_yaml.read(path)
        experiment = yamlfile.validate_strict(Experiment, path, document)
    except ModelctlError as error:
        yield str(error).replace(f"{root}/", "")
        return
    try:
        known = planned.variants if planned.variants is not None else variants.read(path.parent)
        shares = {each.name: each.share for each in known.values()}
    except ModelctlError:  # reported with the file
        return
    # Afterwards the winner may have become the version, and the variants may be gone.
    if experiment.state(now) == "ended":
        return
    settings = path.with_name("settings.yaml").relative_to(root)
    try:
        values = release_values.read(repository, environment, model, settings=planned.settings)
    except ModelctlError:  # reported with the file
        values = None
    if values is not None and (problem := _unit_problem(experiment, values)):
        yield f"{name}:{document.line_of(('unit',))}: unit: {problem} in {settings}"
    is_running = experiment.state(now) == "running"
    stop = f"stop it first: `modelctl experiment stop {model} --env {environment.name}`"
    for arm, share in experiment.variants.items():
        where = f"{name}:{document.line_of(('arms', arm))}: arms.{arm}"
        if arm not in shares:
            known_arms = ", ".join((PRIMARY, *sorted(shares)))
            yield f"{where}: unknown arm: expected one of {known_arms}, as in {variants.FOLDER}/"
        elif is_running and shares[arm] != share:
            yield (
                f"{where}: the share is {shares[arm]} in {variants.FOLDER}/{arm}.yaml: expected "
                f"{share} from `start` to `end`; other shares compare other units; wait until "
                f"{experiment.end.isoformat()}, or {stop}"
            )
    others = sorted(arm for arm in shares.keys() - experiment.variants.keys() if shares[arm])
    if is_running and others:
        line = document.line_of(("arms",))
        yield (
            f"{name}:{line}: arms: {', '.join(others)} has a share of the traffic too; set "
            f"`share: 0` in {variants.FOLDER}/, or {stop}"
        )


def planned_violations(
    repository: Repository, environment: Environment, model: str, now: datetime, planned: Planned
) -> list[str]:
    """Why the files beside an experiment may not become what is planned for them.

    What is wrong with it already is for `check` to report: it may not hold up a repair.
    """
    path = experiments.path(repository, environment, model)
    if not path.is_file():
        return []
    before = set(violations(repository, environment, path, now))
    after = violations(repository, environment, path, now, planned)
    return [violation for violation in after if violation not in before]


def version_violations(
    model: str,
    environment: Environment,
    experiment: Experiment | None,
    versions: Mapping[str, tuple[Artifacts | None, Artifacts | None]],
    now: datetime,
) -> list[str]:
    """Why arms may not serve other images and bundles, each with those before and after.

    An arm that had none, or gets none, is another question: see `violations`.
    """
    if experiment is None or experiment.state(now) != "running":
        return []
    return [
        f"the version of {arm} would change while an experiment of '{model}' runs in "
        f"'{environment.name}' until {experiment.end.isoformat()}: its units would meet two "
        f"models; wait, or end it first or in the same change: `modelctl experiment stop {model} "
        f"--env {environment.name}`"
        for arm, (before, after) in versions.items()
        if arm in experiment.arms and before and after and before != after
    ]


def change_violations(
    repository: Repository,
    environment: Environment,
    model: str,
    arm: str,
    after: Artifacts,
    now: datetime,
) -> list[str]:
    """Why an arm may not serve this instead of what the checkout has.

    A file that cannot be read is for `check` to report: it may not hold up a rollback.
    """
    before: Artifacts | None = None
    try:
        experiment = experiments.read(repository, environment, model)
        if arm == PRIMARY:
            release = repository.version(environment, model)
            before = (release.image, release.model) if release else None
        elif variant := variants.read(repository.folder(environment, model)).get(arm):
            before = variant.content.artifacts
    except ModelctlError:
        return []
    return version_violations(model, environment, experiment, {arm: (before, after)}, now)


def entry_violations(
    repository: Repository,
    environment: Environment,
    model: str,
    version: Version,
    settings: Mapping[str, Any] | None,
    now: datetime,
) -> list[str]:
    """Why a version may not enter beside an experiment, with these settings if there are some."""
    artifacts = version.image, version.model
    found = change_violations(repository, environment, model, PRIMARY, artifacts, now)
    planned = Planned(settings=settings)
    return found + planned_violations(repository, environment, model, now, planned)


def return_notes(
    repository: Repository, environment: Environment, model: str, version: Version, now: datetime
) -> list[str]:
    """A warning that a rollback, which nothing may hold up, spoils an experiment."""
    after = (version.image, version.model)
    if not change_violations(repository, environment, model, PRIMARY, after, now):
        return []
    return [
        f"warning: the experiment of '{model}' in '{environment.name}' becomes void, its primary "
        "arm meets two models; once this is merged: `modelctl experiment stop "
        f"{model} --env {environment.name}`"
    ]


def _unit_problem(experiment: Experiment, values: dict[str, Any]) -> str:
    """Why the gateway does not keep a unit in the arm that the analysis computes for it; empty if
    it does. Ends with the value to set."""
    enabled = release_values.get(values, "httpRoute.enabled")
    if enabled is not True and release_values.get(values, "grpcRoute.enabled") is not True:
        return (
            "units are assigned by the route, and there is no route: expected true, found "
            f"{str(enabled).lower()}; set httpRoute.enabled"
        )
    implementation = release_values.text(values, "httpRoute.implementation")
    if implementation not in STICKY:
        return (
            "the gateway does not keep a unit in its arm, so each one meets all versions: expected "
            f"{' or '.join(STICKY)}, found {implementation or 'none'}; set httpRoute.implementation"
        )
    hashed = {
        key: release_values.text(values, f"httpRoute.unit.{key}") for key in ("header", "cookie")
    }
    header = (experiment.unit.header or "").lower()
    if (hashed["header"].lower(), hashed["cookie"]) == (header, experiment.unit.cookie or ""):
        return ""
    found = " and ".join(f"{key} {name}" for key, name in hashed.items() if name)
    return (
        f"the gateway assigns other units than the analysis: expected {experiment.unit}, found "
        f"{found or 'none'}; set httpRoute.unit"
    )
