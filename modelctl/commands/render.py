"""`modelctl render`: print the manifests of a release as Argo CD applies them."""

from __future__ import annotations

from pathlib import Path

import click

from modelctl.commands import _result
from modelctl.commands._options import complete_environments, complete_models
from modelctl.errors import RefusedError
from modelctl.rendering import manifests, render
from modelctl.repository.checkout import Repository


@click.command()
@click.argument("model", required=False, default="", shell_complete=complete_models)
@click.option(
    "--env",
    "environment",
    default="",
    shell_complete=complete_environments,
    help="Environment to render; default with a folder: all",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="[json|FOLDER]",
    help="JSON list of the objects, or a folder to write, as ENVIRONMENT-MODEL/KIND-NAME.yaml",
)
def command(model: str, environment: str, output: Path | None) -> None:
    """Print the manifests of MODEL in an environment, rendered with its four value files.

    With --output FOLDER, write one folder per release; MODEL and --env limit which.

    \b
    Examples:
      modelctl render iris --env dev | kubectl diff -f -
      modelctl render --output build/manifests
    """
    repository = Repository.find()
    target = repository.environment(environment) if environment else None
    is_json = output == Path("json")
    if output is None or is_json:
        if not (model and target):
            raise click.UsageError("pass MODEL and --env, or --output FOLDER")
        text = render.release_text(repository, target, model)
        if is_json:
            _result.echo("json", "", render.parse(text))
        else:
            click.echo(text, nl=False)
        return
    releases = manifests.releases(repository, target, model)
    if not releases:
        raise RefusedError(
            "no such release", expected="a version file", fix="list releases: `modelctl status`"
        )
    helm = render.find_helm(repository.root)
    for where, name in releases:
        folder = output / f"{where.name}-{name}"
        count = len(manifests.write(render.release_text(repository, where, name, helm), folder))
        click.echo(f"{folder}: {count} objects")
