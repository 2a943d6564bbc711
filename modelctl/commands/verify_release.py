"""`modelctl verify-release`: verify what a release answers, and record it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from modelctl.commands import _result
from modelctl.commands._options import (
    bundle_option,
    environment_option,
    model_argument,
    output_option,
)


@click.command()
@model_argument
@environment_option("--env", "Environment of the release")
@bundle_option("folder", "Bundle of the release; default: build/bundles/MODEL", required=False)
@click.option("--url", default="", help="Base URL of the service; default: through the cluster")
@click.option(
    "--captured",
    "paths",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Captured rows to ask again, a file or folder; repeatable",
)
@click.option("--record", is_flag=True, help="Record as a tag, pushed to `origin` if there is one")
@output_option
def command(
    model: str,
    environment: str,
    folder: Path | None,
    url: str,
    paths: tuple[Path, ...],
    record: bool,
    output: str,
) -> None:
    """Verify that MODEL in an environment serves git's version and predicts as it was packaged.

    Asks every row of the bundle's sample, and up to 1,000 captured rows: those of other versions
    have to be answered, those of this one with the same prediction. With --record the result is the
    tag verified/ENVIRONMENT/MODEL/..., which promotions to the next environments require where the
    environment has `verification`.

    \b
    Examples:
      modelctl verify-release iris --env staging --record
      modelctl verify-release iris --env staging --captured rows.jsonl --record
    """
    from modelctl.cluster import tunnel
    from modelctl.errors import ModelctlError
    from modelctl.packaging.bundles import verify_bundle
    from modelctl.promotion import verification
    from modelctl.repository import verifications
    from modelctl.repository.checkout import Repository
    from modelctl.service.client import Client

    repository = Repository.find()
    target = repository.environment(environment)
    repository.require_model(target, model)
    bundle = verify_bundle(folder or repository.root / "build" / "bundles" / model)
    version = verification.require_released(repository, target, model, bundle)
    if not url:
        verification.require_running(repository, target, model, version)
    service = nullcontext(url) if url else tunnel.service_url(target.namespace, model)
    with service as base, Client(base) as client:
        checks = verification.check(client, bundle, paths)
    rows = ", ".join(f"{count} rows of {name}" for name, count in checks.items())
    text = f"{environment}-{model}: {version.model.version} answers as packaged: {rows}"
    tag = ""
    if record:
        missing = [check for check in target.verification if check not in checks]
        if missing:
            raise ModelctlError(
                f"'{environment}' asks for more checks",
                expected=", ".join(target.verification),
                found=", ".join(checks),
                fix=" ".join(f"--{check} PATH" for check in missing),
            )
        tag = verifications.record(repository, target, model, version, checks)
        text += f"\nrecorded as tag {tag}"
    _result.echo(output, text, {"version": version.model.version, "checks": checks, "tag": tag})
