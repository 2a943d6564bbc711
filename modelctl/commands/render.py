"""`modelctl render`: the manifests of a release, as Argo CD applies them."""

from __future__ import annotations

import click

from modelctl import render
from modelctl.environments import Repository


@click.command()
@click.argument("model")
@click.option("--env", "environment", required=True)
def command(model: str, environment: str) -> None:
    """Print the manifests of MODEL in an environment, rendered with its four value files.

    Example: modelctl render iris --env dev | kubectl diff -f -
    """
    repository = Repository.find()
    text = render.release_text(repository, repository.environment(environment), model)
    click.echo(text, nl=False)
