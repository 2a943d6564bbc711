"""`modelctl package-chart`: the chart as one file, the same bytes from the same content."""

from __future__ import annotations

from pathlib import Path

import click

from modelctl import chartpackage
from modelctl.environments import CHART, Repository
from modelctl.render import find_helm


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
    made = chartpackage.package(root / CHART, out, find_helm(root))
    click.echo(f"{made.path}  {made.digest}")
