"""The rules for `experiment.yaml`: its arms are the variants that really share the traffic, and its
unit is what the gateway hashes to choose between them.

For the rest it is a file like the settings: not promoted, covered by a freeze, reviewed by whoever
owns the environment. What its arms serve stays while it runs; for a branch see `experiment_judge`.
"""

from __future__ import annotations

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
    from modelctl.repository.variants import Artifacts
    from modelctl.repository.versions import Version

# Gateways that the chart has hash the unit, so that it stays in its arm.
STICKY = ("envoyGateway", "istio")


def violations(
    repository: Repository, environment: Environment, path: Path, now: datetime
) -> Iterator[str]:
    """Why an experiment cannot be run as its file says, each with the line."""
    root = repository.root
    name = path.relative_to(root)
    try:
        document = strict_yaml.read(path)
        experiment = yamlfile.validate_strict(Experiment, path, document)
    except ModelctlError as error:
        yield str(error).replace(f"{root}/", "")
        return
    try:
        shares = {each.name: each.share for each in variants.read(path.parent).values()}
    except ModelctlError:  # reported with the file
        return
    # Afterwards the winner may have become the version, and the variants may be gone.
    if experiment.state(now) == "ended":
        return
    settings = path.with_name("settings.yaml").relative_to(root)
    try:
        values = release_values.read(repository, environment, path.parent.name)
    except ModelctlError:  # reported with the file
        values = None
    if values is not None and (problem := _unit_problem(experiment, values)):
        yield f"{name}:{document.line_of(('unit',))}: unit: {problem} in {settings}"
    is_running = experiment.state(now) == "running"
    for arm, share in experiment.variants.items():
        where = f"{name}:{document.line_of(('arms', arm))}: arms.{arm}"
        if arm not in shares:
            known = ", ".join((PRIMARY, *sorted(shares)))
            yield f"{where}: unknown arm: expected one of {known}, as in {variants.FOLDER}/"
        elif is_running and shares[arm] != share:
            yield (
                f"{where}: the share is {shares[arm]} in {variants.FOLDER}/{arm}.yaml: expected "
                f"{share} from `start` to `end`; other shares compare other units"
            )
    others = sorted(arm for arm in shares.keys() - experiment.variants.keys() if shares[arm])
    if is_running and others:
        line = document.line_of(("arms",))
        yield (
            f"{name}:{line}: arms: {', '.join(others)} has a share of the traffic too; end the "
            f"experiment first, or set `share: 0` in {variants.FOLDER}/"
        )


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
