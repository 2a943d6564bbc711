"""The record that captured requests of a release were asked again of another version.

It is about two bundles, which decide every answer: another chart or image asks for no other replay.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from modelctl.errors import ModelctlError
from modelctl.repository import history, records, replay_limits
from modelctl.repository.replay_limits import Limits, Replayed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.versions import Version

PREFIX = "replayed"
AGAIN = "replay again"


@dataclass(frozen=True)
class Comparison:
    """What an environment asks of a bundle beside the one it serves; None without a record."""

    limits: Limits
    baseline: str
    record: Replayed | None


def name(environment: Environment, model: str, baseline: str, candidate: str) -> str:
    """The tag of two bundles, by their digests, in an environment."""
    digest = hashlib.sha256(f"{baseline} {candidate}".encode()).hexdigest()[: records.DIGITS]
    return f"{PREFIX}/{environment.name}/{model}/{digest}"


def baseline(ran: Iterable[Version | None]) -> str:
    """The bundle that captured requests are from: the newest of versions, newest first.

    A retirement between changes nothing. Empty if none ever ran.
    """
    return next((version.model.digest for version in ran if version is not None), "")


def asked(
    root: Path,
    environment: Environment,
    model: str,
    ran: Iterable[Version | None],
    candidate: str,
) -> Comparison | None:
    """What has to be on record before a bundle serves; None if nothing is asked.

    `ran` are the versions of the environment, newest first. Raises ModelctlError for a tag that is
    no record.
    """
    limits = environment.replay_limits(model)
    if limits is None:
        return None
    served = baseline(ran)
    if served in ("", candidate):
        return None
    return Comparison(limits, served, find(root, environment, model, served, candidate))


def in_history(
    repository: Repository,
    environment: Environment,
    model: str,
    candidate: str,
    commit: str = "HEAD",
) -> Comparison | None:
    """What is `asked` of a bundle, as known up to a commit. Raises ModelctlError."""
    if environment.replay_limits(model) is None:
        return None
    ran = (entry.version for entry in history.read(repository, environment, model, commit))
    return asked(repository.root, environment, model, ran, candidate)


def find(
    root: Path, environment: Environment, model: str, baseline: str, candidate: str
) -> Replayed | None:
    """The record, as far as this clone knows. Raises ModelctlError for a tag that is none."""
    tag = name(environment, model, baseline, candidate)
    text = records.read(root, tag)
    if text is None:
        return None
    expected = (f"{environment.name}/{model}", baseline, candidate)
    try:
        found = Replayed.model_validate(json.loads(text))
    except (ValidationError, ValueError, RecursionError):
        found = None
    if found is None or (found.release, found.baseline, found.candidate) != expected:
        raise records.invalid(tag, text, "this replay", AGAIN)
    return found


def record(
    repository: Repository, environment: Environment, model: str, found: Replayed, limits: Limits
) -> str:
    """Tag the commit of what the environment serves, push the tag if there is a remote.

    Returns its name. Idempotent: whoever comes second keeps the first record, unless it exceeds the
    limits of today. Raises ModelctlError.
    """
    root = repository.root
    tag = name(environment, model, found.baseline, found.candidate)
    records.fetch(root, tag)
    known = find(root, environment, model, found.baseline, found.candidate)
    if known is not None and (exceeded := replay_limits.violations(limits, known)):
        raise ModelctlError(
            f"{tag} exists and exceeds the limits",
            found="; ".join(exceeded),
            fix=records.replace_fix(tag, AGAIN),
        )
    if known is None:
        entries = history.read(repository, environment, model)
        commit = next(
            entry.commit.id
            for entry in entries
            if entry.version and entry.version.model.digest == found.baseline
        )
        subject = f"{model} replayed for {environment.name}: {found.summary}"
        records.create(root, tag, commit, subject, found.model_dump())
    records.push(root, tag)
    return tag
