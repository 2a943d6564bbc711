"""`modelctl wait`: wait until the cluster serves the version in git."""

from __future__ import annotations

import time

import click

from modelctl.cluster import wait
from modelctl.commands import _result
from modelctl.commands._options import environment_option, model_argument, output_option
from modelctl.repository.environments import Repository, short


@click.command()
@model_argument
@environment_option("--env", "Environment to wait for")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=300,
    show_default=True,
    help="Timeout in seconds",
)
@output_option
def command(model: str, environment: str, seconds: float, output: str) -> None:
    """Wait until MODEL's version in git is Synced, Healthy and served.

    Requests a refresh from Argo CD, so that you do not wait for its next poll. Exit code 1 on
    timeout, with what is missing.

    Example: git push && modelctl wait iris --env dev
    """
    repository = Repository.find()
    started = time.monotonic()
    version = wait.wait_until_served(
        repository, repository.environment(environment), model, seconds
    )
    elapsed = time.monotonic() - started
    name = f"{environment}-{model}"
    digest = short(version.model.digest)
    text = f"{name} serves {version.model.version} {digest} after {elapsed:.0f} s"
    served = {"release": name, "version": version.model.version, "digest": version.model.digest}
    _result.echo(output, text, {**served, "seconds": round(elapsed, 1)})
