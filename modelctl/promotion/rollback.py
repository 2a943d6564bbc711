"""Plan a rollback to an earlier version of an environment, from git history.

What was rolled back, and why, is in the trailers of the commit, so that a later promotion of the
same version can warn with the reason given then.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.cluster import registry
from modelctl.cluster.registry import Presence
from modelctl.errors import ModelctlError, RefusedError
from modelctl.promotion import aborted, freeze, retire, rules
from modelctl.rendering import charts, compare
from modelctl.repository import aborts, edits, gitrepo, history
from modelctl.repository.versions import short

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.history import Entry
    from modelctl.repository.versions import Version

FROM_TRAILER = "Rolled-back-from"
HEX = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")
MAX_LISTED = 10


def trailers(
    environment: Environment, model: str, current: Version, reason: str, *, is_aborted: bool = False
) -> list[str]:
    """The trailers of a rollback commit: what was rolled back, why, and whether it was aborted."""
    version = f"{current.model.version} {current.model.digest} {current.image.digest}"
    lines = [f"{FROM_TRAILER}: {version}", f"{aborts.REASON_TRAILER}: {' '.join(reason.split())}"]
    return lines + ([aborts.trailer(environment, model, current)] if is_aborted else [])


def find_target(
    repository: Repository,
    entries: list[Entry],
    current: Version,
    wanted: str | None,
    *,
    model: str,
    environment: str,
) -> Version:
    """The version to roll back to: the one before that was never rolled back itself, or `wanted`.

    `wanted` is a version, a digest of bundle or image, or a commit, digests and commits from four
    digits on; what only the current version has stands for that. Raises RefusedError if
    history has no such version, or more than one.
    """
    earlier = [entry for entry in entries if entry.version not in (None, current)]
    fix = f"list releases: `modelctl history {model} --env {environment}`"
    if wanted is None:
        standing = [version for version in history.standing(entries) if version != current]
        if standing:
            return standing[-1]
        if not earlier:
            raise RefusedError("no earlier version in git", expected="an earlier release", fix=fix)
        raise RefusedError(
            "no earlier version in git that was not rolled back itself",
            found=_listed(earlier),
            fix=f"name one of them: `modelctl rollback {model} --env {environment} --to VERSION "
            "--reason '...'`",
        )
    matching = _matching(repository, entries, earlier, wanted)
    running = [entry for entry in entries if entry.version == current]
    if not matching and _matching(repository, entries, running, wanted):
        return current
    if not matching:
        known = sorted({entry.version.model.version for entry in earlier if entry.version})
        expected = f"one of {', '.join(known[:MAX_LISTED])}" if known else "an earlier release"
        if len(known) > MAX_LISTED:
            expected += f" and {len(known) - MAX_LISTED} more"
        raise RefusedError(f"no earlier version {wanted} in git", expected=expected, fix=fix)
    distinct = [entry.version for entry in matching if entry.version]
    if any(version != distinct[0] for version in distinct):
        raise RefusedError(
            f"{wanted} is ambiguous",
            expected="a digest or a commit that only one of them has",
            found=_listed(matching),
            fix=fix,
        )
    return distinct[0]


def plan_rollback(
    repository: Repository,
    environment: Environment,
    model: str,
    wanted: str | None,
    now: datetime,
    *,
    break_freeze: bool = False,
) -> tuple[list[edits.Edit], Version]:
    """Plan to write an earlier version; return the edits and that version.

    A freeze refuses it (RefusedError), unless `break_freeze` plans to end it for this model too.
    """
    repository.require_model(environment, model)
    current = repository.version(environment, model)
    if current is None:
        raise RefusedError(
            f"'{model}' is not released in '{environment.name}'",
            fix=" && ".join(retire.return_commands(repository, environment, model)),
        )
    entries = history.read(repository, environment, model)
    target = find_target(
        repository, entries, current, wanted, model=model, environment=environment.name
    )
    if target != current:
        aborted.require_not_aborted(repository, environment, model, target)
    planned = [edits.set_version(repository.version_file(environment, model), target)]
    if break_freeze:
        planned.append(freeze.plan_break(repository, environment, model))
    else:
        rules.ensure_allowed(rules.freeze_violations(model, environment, now))
    return planned, target


def withdrawal_notes(
    repository: Repository, environment: Environment, model: str, version: Version
) -> list[str]:
    """A warning if an environment went back from a version, with the reason given then."""
    if gitrepo.is_shallow(repository.root):
        return [f"shallow clone: not known whether it was rolled back before; {gitrepo.UNSHALLOW}"]
    entries = history.read(repository, environment, model)
    if any(history.same_artifacts(version, one) for one in history.standing(entries)):
        return []
    for after, before in pairwise(entries):
        if before.version is None or not history.same_artifacts(before.version, version):
            continue
        if after.version is None or history.same_artifacts(after.version, version):
            continue
        reasons = gitrepo.trailers(repository.root, after.commit.id, aborts.REASON_TRAILER)
        return [
            f"warning: {version.model.version} was rolled back in {environment.name} on "
            f"{after.commit.when[:10]} ({short(after.commit.id)}): "
            f"{next(iter(reasons), after.commit.subject)}"
        ]
    return []


def chart_notes(
    repository: Repository,
    environment: Environment,
    model: str,
    version: Version,
    planned: Sequence[edits.Edit],
) -> list[str]:
    """What could not be checked about the chart that a rollback returns to.

    Raises RefusedError if its registry lacks it, or the current settings do not fit it.
    """
    current = repository.version(environment, model)
    is_pinned = not repository.is_first(environment) and version.chart is not None
    if not is_pinned or version.chart is None or (current and current.chart == version.chart):
        return []
    name = f"chart {charts.NAME} {version.chart.version}"
    location = charts.registry_of(repository)
    notes = []
    if location:
        address = f"{location.removeprefix(charts.HTTP)}/{charts.NAME}"
        presence, reason = registry.check(address, version.chart.version)
        if presence is Presence.GONE:
            raise RefusedError(
                f"{name} is missing from its registry {location}",
                fix=f"push it again (`make push-chart` on its tag), or choose a version with "
                f"another chart: `modelctl history {model} --env {environment.name}`",
            )
        if presence is Presence.UNKNOWN:
            notes.append(f"could not check whether {name} still exists: {reason}")
    try:
        compare.ensure_rendered(repository, environment.name, model, planned)
    except proc.CommandError as error:
        if " template " not in error.what:
            return [*notes, f"could not check the settings against {name}: {error.found}"]
        raise RefusedError(
            f"the current settings of '{model}' in '{environment.name}' do not fit {name}",
            expected="settings that this chart accepts",
            found=error.found,
            fix="change the settings in the same commit, or choose a version with another chart",
        ) from error
    except ModelctlError as error:
        notes.append(f"could not check the settings against {name}: {error.what}")
    return notes


def _matching(
    repository: Repository, entries: list[Entry], earlier: list[Entry], wanted: str
) -> list[Entry]:
    """The earlier entries that a name, a digest or a commit stands for."""
    named = [e for e in earlier if e.version and e.version.model.version == wanted]
    match = HEX.fullmatch(wanted)
    if match:
        digits = match[1]
        for entry in earlier:
            digests = (
                (entry.version.model.digest, entry.version.image.digest) if entry.version else ()
            )
            if any(digest.removeprefix("sha256:").startswith(digits) for digest in digests):
                named.append(entry)
    if not named:
        # A commit of the environment, or any other: what was released there at that time.
        commit = gitrepo.resolve(repository.root, wanted)
        ancestors = gitrepo.ancestors_of(repository.root, commit) if commit else set()
        then = next((entry for entry in entries if entry.commit.id in ancestors), None)
        named = [entry for entry in earlier if then and entry.version == then.version][:1]
    return named


def _listed(entries: list[Entry]) -> str:
    """The distinct versions of some entries, newest first, with what tells them apart."""
    lines: dict[str, str] = {}
    for entry in entries:
        if entry.version is None:
            continue
        version = entry.version
        chart = f", chart {version.chart.version}" if version.chart else ""
        text = (
            f"{version.model.version} (bundle {short(version.model.digest)}, image "
            f"{short(version.image.digest)}{chart}"
        )
        lines.setdefault(text, f"{text}, commit {short(entry.commit.id)})")
    shown = list(lines.values())[:MAX_LISTED]
    more = len(lines) - len(shown)
    return "; ".join([*shown, *([f"and {more} more"] if more else [])])
