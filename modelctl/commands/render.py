"""`modelctl render`: the manifests of a release, as Argo CD applies them."""

from __future__ import annotations

from pathlib import Path

import click

from modelctl.errors import RefusedError
from modelctl.rendering import manifests, render
from modelctl.repository.environments import Repository


@click.command()
@click.argument("model", required=False, default="")
@click.option("--env", "environment", default="", help="The environment; all with --output.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write DIRECTORY/ENVIRONMENT-MODEL/KIND-NAME.yaml for each release instead.",
)
def command(model: str, environment: str, output: Path | None) -> None:
    """Print the manifests of MODEL in an environment, rendered with its four value files.

    With --output every release gets a folder, or those of MODEL and --env alone.

    \b
    Examples:
      modelctl render iris --env dev | kubectl diff -f -
      modelctl render --output build/manifests
    """
    repository = Repository.find()
    found = repository.environment(environment) if environment else None
    if output is None:
        if not (model and found):
            raise click.UsageError("give MODEL and --env, or --output")
        click.echo(render.release_text(repository, found, model), nl=False)
        return
    places = manifests.releases(repository, found, model)
    if not places:
        raise RefusedError("no such release", expected="a version file", fix="`modelctl status`")
    helm = render.find_helm(repository.root)
    for place, name in places:
        folder = output / f"{place.name}-{name}"
        count = len(manifests.write(render.release_text(repository, place, name, helm), folder))
        click.echo(f"{folder}: {count} objects")
