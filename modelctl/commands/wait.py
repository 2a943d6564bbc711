"""`modelctl wait`: wait until the cluster serves what git says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from modelctl.cluster import wait
from modelctl.commands import _result
from modelctl.commands._options import (
    FiniteRange,
    environment_option,
    models_argument,
    output_option,
)
from modelctl.repository.checkout import Repository
from modelctl.repository.versions import short

if TYPE_CHECKING:
    from modelctl.repository.environments import Environment
    from modelctl.repository.versions import Version


@click.command()
@models_argument
@environment_option("--env", "Environment to wait for")
@click.option(
    "--seconds",
    type=FiniteRange(min=0),
    default=300,
    show_default=True,
    help="Timeout in seconds",
)
@output_option
def command(models: tuple[str, ...], environment: str, seconds: float, output: str) -> None:
    """Wait until pods with the version and settings in git serve MODELS.

    Without MODELS, waits for the whole environment. Argo CD has to be Synced with the newest commit
    that changed a release, and earlier pods have to be replaced. Refuses at once what is not
    pushed. Requests a refresh from Argo CD, so that you do not wait for its next poll. Exit code 1
    on timeout, with what is missing.

    \b
    Examples:
      git push && modelctl wait iris --env dev
      modelctl wait --env production --seconds 900
    """
    repository = Repository.find()
    found = repository.environment(environment)
    released = (m for m in repository.models() if repository.version_file(found, m).is_file())
    names = models or tuple(released)
    started = time.monotonic()
    documents: list[dict[str, object]] = []

    def served(environment: Environment, model: str, version: Version) -> None:
        elapsed = time.monotonic() - started
        name, known = f"{environment.name}-{model}", version.model
        document = {"release": name, "version": known.version, "digest": known.digest}
        documents.append({**document, "seconds": round(elapsed, 1)})
        if output == "table":
            what = f"{known.version} {short(known.digest)}"
            click.echo(f"{name} serves {what} after {elapsed:.0f} s")

    releases = [(found, model) for model in names]
    notes = wait.wait_until_served(repository, releases, seconds, served) if releases else []
    lines = [f"note: {note}" for note in notes]
    text = "\n".join(lines) if releases else f"nothing is released in {environment}"
    if text or output == "json":
        _result.echo(output, text, {"served": documents, "notes": notes})
