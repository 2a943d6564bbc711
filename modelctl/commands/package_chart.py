"""`modelctl package-chart`: the chart as one file, the same bytes from the same content."""

from __future__ import annotations

from pathlib import Path

import click

from modelctl.rendering import chart_package
from modelctl.rendering.render import find_helm
from modelctl.repository.environments import CHART, Repository


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/charts"),
    show_default=True,
)
def command(out: Path) -> None:
    """Package charts/ml-model into OUT and print the file and its digest.

    Its files are as old as the last commit that changed the chart, or as SOURCE_DATE_EPOCH says.

    Example: modelctl package-chart --out build/charts
    """
    root = Repository.find().root
    made = chart_package.package(root / CHART, out, find_helm(root))
    click.echo(f"{made.path}  {made.digest}")
