"""The promotion rules as pure functions: each returns its violations; no files, no cluster."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from modelctl.durations import span
from modelctl.errors import RefusedError
from modelctl.repository import replay_limits, windows
from modelctl.repository.environments import ALL_MODELS
from modelctl.repository.versions import short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from modelctl.cluster.evidence import Evidence
    from modelctl.repository.aborts import Abort
    from modelctl.repository.environments import Environment
    from modelctl.repository.replays import Comparison
    from modelctl.repository.versions import Version


def bump_violations(environment: Environment) -> list[str]:
    """Why a new build may not be written into an environment."""
    if environment.promotion == "auto":
        return []
    return [
        f"'{environment.name}' accepts promoted versions only, not new builds; "
        f"use `modelctl promote MODEL --to {environment.name}`"
    ]


def promotion_violations(
    model: str, environment: Environment, sources: Sequence[tuple[Environment, Version | None]]
) -> list[str]:
    """Why what the previous environments have may not be promoted to `environment`.

    All of them must have the same version.
    """
    if not sources:
        return [
            f"'{environment.name}' is the first environment, which has nothing to promote from; "
            f"use `modelctl bump {model} --env {environment.name}`"
        ]
    missing = [source.name for source, version in sources if version is None]
    if missing:
        return [
            f"'{model}' is not released in '{name}', the previous environment of "
            f"'{environment.name}'; release it there first"
            for name in missing
        ]
    if common_version([version for _, version in sources]) is None:
        versions = ", ".join(f"{_name(version)} in '{source.name}'" for source, version in sources)
        return [
            f"'{model}' differs between the previous environments of '{environment.name}': "
            f"{versions}; promote the same version to all of them first"
        ]
    source, version = sources[0]
    if version is not None and version.chart is None:
        return [
            f"'{model}' in '{source.name}' pins no chart version, which '{environment.name}' "
            f"requires; use `modelctl bump {model} --env {source.name}`"
        ]
    return []


def common_version(versions: Sequence[Version | None]) -> Version | None:
    """The version that all previous environments have; None if one lacks it, or there are none."""
    first, *others = versions or (None,)
    return first if all(other == first for other in others) else None


def _name(version: Version | None) -> str:
    """All that tells a version from another with the same number."""
    if version is None:
        return "none"
    chart = version.chart.version if version.chart else "not pinned"
    return (
        f"{version.model.version} (bundle {short(version.model.digest)}, image "
        f"{short(version.image.digest)}, chart {chart})"
    )


def soak_violations(
    environment: Environment,
    source: Environment,
    version: Version,
    evidence: Evidence,
    now: datetime,
) -> list[str]:
    """Why a version has not soaked long enough in `source` for `environment`."""
    soak = timedelta(minutes=environment.soak_minutes)
    age = now - evidence.since if evidence.since else timedelta()
    if age >= soak:
        return []
    return [
        f"'{environment.name}' requires a soak time of {span(soak)} in '{source.name}': "
        f"{version.model.version} has been there for {span(age)} ({evidence.record}); "
        f"try again in {span(soak - age + timedelta(seconds=59))}"
    ]


def retirement_violations(
    model: str, environment: Environment, later: Sequence[Environment]
) -> list[str]:
    """Why a model may not be retired: `later` environments still have a version of it."""
    if not later:
        return []
    names = ", ".join(other.name for other in later)
    return [
        f"'{model}' is still released in {names}, after '{environment.name}' in promotion order; "
        f"retire it there first. To stop its pods in '{environment.name}' meanwhile, set "
        f"`replicaCount: 0` in environments/{environment.name}/{model}/capacity.yaml"
    ]


def set_up_violations(
    model: str, environment: Environment, following: Sequence[Environment]
) -> list[str]:
    """Why the files of a model may not go: environments that come next have a folder of it."""
    if not following:
        return []
    names = ", ".join(other.name for other in following)
    commands = " && ".join(f"modelctl retire {model} --env {o.name} --files" for o in following)
    return [
        f"'{model}' is still set up in {names}, which takes its versions from "
        f"'{environment.name}'; remove its files there first: `{commands}`, or leave out --files"
    ]


def verification_violations(
    model: str, source: Environment, version: Version, passed: Sequence[str]
) -> list[str]:
    """Why a version is not verified in `source`; `passed` are the checks on record."""
    missing = [check for check in source.verification if check not in passed]
    if not missing:
        return []
    return [
        f"{version.model.version} of '{model}' is not verified in '{source.name}': no record of "
        f"{' and '.join(missing)}; run `modelctl verify-release {model} --env {source.name} "
        "--record`, or `git fetch --tags`"
    ]


def replay_violations(
    model: str, environment: Environment, version: str, comparison: Comparison | None
) -> list[str]:
    """Why a version may not enter beside what serves: no record of a replay, or its figures.

    `comparison` is None if the environment asks for none.
    """
    if comparison is None:
        return []
    if comparison.record is None:
        return [
            f"{version} of '{model}' is not replayed for '{environment.name}': no record of "
            f"requests that {short(comparison.baseline)} answered there; run `modelctl replay "
            f"{model} --env {environment.name} --capture DIR --candidate BUNDLE --record`, or `git "
            "fetch --tags`"
        ]
    return [
        f"the replay of {version} of '{model}' for '{environment.name}' exceeds a limit: {exceeded}"
        for exceeded in replay_limits.violations(comparison.limits, comparison.record)
    ]


def automatic_violations(
    environment: Environment,
    version: Version,
    current: Version | None,
    earlier: Sequence[Version],
) -> list[str]:
    """Why a version may enter by a person's decision only: it ran there before.

    Somebody took it back, for whatever reason. Image and bundle count, so that a new chart does not
    bring back what was rolled back.
    """
    ran = [(each.image.digest, each.model.digest) for each in earlier if not _same(each, current)]
    if version not in earlier and (version.image.digest, version.model.digest) not in ran:
        return []
    return [
        f"{version.model.version} ran in '{environment.name}' before; only a person promotes it "
        "again"
    ]


def record_violations(
    model: str, source: Environment, version: Version, health: str, passed: Sequence[str]
) -> list[str]:
    """Why nobody knows that a version works in `source`: that decides if no person does.

    A cluster, or the record of a verification, has to say so.
    """
    is_verified = bool(source.verification) and set(source.verification) <= set(passed)
    if health == "Healthy" or is_verified:
        return []
    return [
        f"no record that {version.model.version} of '{model}' works in '{source.name}': expected a "
        f"cluster that says Healthy, or `verification` of '{source.name}'; found "
        f"{health or 'no cluster that answers'}"
    ]


def abort_violations(model: str, version: Version, aborts: Sequence[Abort]) -> list[str]:
    """Why a version may not enter: a Rollout gave it up on the way, and nobody tried it again."""
    return [
        f"{version.model.version} of '{model}' was aborted in '{each.environment}' "
        f"{f'on {each.when[:10]} ({short(each.commit)})' if each.commit else f'at {each.when}'}: "
        f"{each.why}; promote a version without that fault"
        for each in aborts
    ]


def override_violations(environment: Environment, overridden: Sequence[str]) -> list[str]:
    """Why rules may not be left out in an environment."""
    allowed = environment.overrides.rules if environment.overrides else []
    refused = [rule for rule in overridden if rule not in allowed]
    if not refused:
        return []
    expected = f"one of {', '.join(allowed)}" if allowed else "no override"
    return [
        f"'{environment.name}' allows no override of {' and '.join(refused)}: expected {expected}, "
        "as `overrides` in environments.yaml says"
    ]


def remaining(violations: Mapping[str, Sequence[str]], overridden: Sequence[str]) -> list[str]:
    """The violations of all rules but the overridden ones."""
    return [text for rule, texts in violations.items() if rule not in overridden for text in texts]


def _same(one: Version, other: Version | None) -> bool:
    """Whether two versions are the same build, whatever their charts."""
    return (
        other is not None
        and one.image.digest == other.image.digest
        and one.model.digest == other.model.digest
    )


def change_violations(
    environment: Environment,
    version: Version | None,
    source_version: Version | None,
    earlier: Sequence[Version],
) -> list[str]:
    """Why a version file may not change to `version` (None: retired), however it was edited.

    Later environments accept the previous environments' version, or an earlier one of their own.
    """
    if version is None or environment.promotion == "auto":
        return []
    if version == source_version or version in earlier:
        return []
    return [
        f"{version.model.version} is neither the version of the environment previous to "
        f"'{environment.name}' nor an earlier version of '{environment.name}'; use `modelctl "
        "promote` or `modelctl rollback`"
    ]


def freeze_violations(model: str, environment: Environment, now: datetime) -> list[str]:
    """Why a model may not change in an environment at `now`."""
    freeze = environment.active_freeze(model, now)
    if freeze is None:
        return []
    is_of_all = freeze == environment.freezes.get(ALL_MODELS)
    scope = environment.name if is_of_all else f"{environment.name}/{model}"
    return [
        f"'{environment.name}' is frozen for '{model}' until {freeze.until.isoformat()}: "
        f"{freeze.reason}; wait until then, or end it with `modelctl unfreeze {scope}`, for a "
        "rollback with --break-freeze"
    ]


def window_violations(model: str, environment: Environment, now: datetime) -> list[str]:
    """Why a new version may not enter an environment at `now`; a rollback may at any time."""
    return [
        f"'{environment.name}' is closed for '{model}' in the window {window}, which "
        f"{window.change(now)}"
        if window.kind == "deny"
        else f"'{environment.name}' is closed for '{model}' now: it is open in the window {window} "
        f"only, which {window.change(now)}"
        for window in windows.closing(environment.windows, model, now)
    ]


def ensure_allowed(violations: list[str]) -> None:
    """Raise RefusedError with all violations, if there are any."""
    if violations:
        raise RefusedError("\n".join(violations))
