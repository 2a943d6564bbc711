"""`modelctl package-chart`: package the chart reproducibly."""

from __future__ import annotations

from pathlib import Path

import click

from modelctl.commands import _result
from modelctl.commands._options import output_option
from modelctl.rendering import chart_package
from modelctl.rendering.render import find_helm
from modelctl.repository.checkout import Repository
from modelctl.repository.environments import CHART


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/charts"),
    show_default=True,
    help="Folder to write",
)
@output_option
def command(out: Path, output: str) -> None:
    """Package charts/ml-model and print the archive's path and digest.

    The same content gives the same bytes: files get the time of the last commit that changed the
    chart, or SOURCE_DATE_EPOCH.

    Example: modelctl package-chart --out build/charts
    """
    root = Repository.find().root
    package = chart_package.package(root / CHART, out, find_helm(root))
    document = {"path": package.path, "digest": package.digest}
    _result.echo(output, f"{package.path}  {package.digest}", document)
