"""Checks of a release that its version has to pass before it is promoted further.

They ask the service itself. The record of them is a tag: `modelctl/repository/verifications.py`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from modelctl.cluster import evidence, kube
from modelctl.drift import captured
from modelctl.errors import ModelctlError, RefusedError
from modelctl.quality import smoke

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.model.bundle import Bundle
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.versions import Version
    from modelctl.service.client import Client

MAX_CAPTURED = 1000  # rows; one request each
SHOWN_ROWS = 3


def require_released(
    repository: Repository, environment: Environment, model: str, bundle: Bundle
) -> Version:
    """The version in git. Raises RefusedError if there is none, or the bundle is another one."""
    version = repository.version(environment, model)
    if version is None:
        raise RefusedError(f"'{model}' is not released in '{environment.name}'")
    if version.model.digest != bundle.digest:
        raise RefusedError(
            f"the bundle is not the one of '{model}' in '{environment.name}'",
            expected=version.model.digest,
            found=bundle.digest,
            fix="pass the bundle of that version with --bundle",
        )
    return version


def require_running(
    repository: Repository, environment: Environment, model: str, version: Version
) -> None:
    """Raise RefusedError unless the cluster runs exactly that version, UnreachableError without."""
    known = evidence.from_cluster(repository, environment, model, version)
    if not known.health:
        raise kube.UnreachableError(
            f"'{model}' in '{environment.name}' cannot be asked: {known.note}",
            fix="set KUBECONFIG, or pass --url",
        )
    violations = evidence.health_violations(model, environment, version, known)
    if violations:
        fix = f"modelctl wait {model} --env {environment.name}"
        raise RefusedError("\n".join(violations), fix=fix)


def check(client: Client, bundle: Bundle, paths: Sequence[Path]) -> dict[str, int]:
    """The rows of each check that the service passed. Raises RefusedError with what differs."""
    mismatches = smoke.mismatches(client, bundle)
    checks = {"sample": len(smoke.sample_rows(bundle)[0])}
    if not mismatches and paths:
        checks["captured"], mismatches = _replay(client, bundle, paths)
    if mismatches:
        raise RefusedError(
            f"the service does not answer as {bundle.manifest['version']} was packaged",
            found="; ".join(mismatches),
            fix="check the service's log; the version is not recorded as verified",
        )
    return checks


def _replay(client: Client, bundle: Bundle, paths: Sequence[Path]) -> tuple[int, list[str]]:
    """Ask captured rows again: how many, and what was refused or differs.

    Rows of other versions have to be answered, rows of this one with the same prediction.
    """
    names = {entry["name"] for entry in bundle.manifest["inputs"]}
    # An excluded feature cannot be asked for.
    whole = (row for row in captured.rows(paths) if row["features"].keys() >= names)
    rows = list(islice(whole, MAX_CAPTURED))
    if not rows:
        raise ModelctlError(
            "no captured row has all features",
            expected=", ".join(sorted(names)),
            fix="pass other files, or leave out --captured",
        )
    mismatches = []
    for row in rows:
        problem = _ask(client, row, is_own=row.get("digest") == bundle.digest)
        if problem:
            mismatches.append(f"row {row['row']} of request {row['request_id']}: {problem}")
    rest = len(mismatches) - SHOWN_ROWS
    return len(rows), mismatches[:SHOWN_ROWS] + ([f"and {rest} more rows"] if rest > 0 else [])


def _ask(client: Client, row: dict[str, Any], *, is_own: bool) -> str:
    try:
        served = client.post("/predict", {"features": row["features"]})["prediction"]
    except ModelctlError as error:
        return f"{error.what}: {error.found}"
    recorded = row["prediction"]
    if is_own and recorded is not None and not smoke.is_same(recorded, served):
        return f"expected {recorded!r}, found {served!r}"
    return ""
