"""`modelctl wait`: until the cluster serves what git says."""

from __future__ import annotations

import time

import click

from modelctl.cluster import wait
from modelctl.commands._options import environment_option, model_argument
from modelctl.repository.environments import Repository, short


@click.command()
@model_argument
@environment_option("--env", "The environment to look at.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=300,
    show_default=True,
    help="How long; then exit code 1, with what is missing.",
)
def command(model: str, environment: str, seconds: float) -> None:
    """Wait until the version of MODEL that git says is Synced, Healthy and what the service serves.

    Asks Argo CD to look at git now, so that nobody waits for its next turn.

    Example: git push && modelctl wait iris --env dev
    """
    repository = Repository.find()
    started = time.monotonic()
    version = wait.until_served(repository, repository.environment(environment), model, seconds)
    took = time.monotonic() - started
    name = f"{environment}-{model}"
    digest = short(version.model.digest)
    click.echo(f"{name} serves {version.model.version} {digest}, after {took:.0f} s")
