"""`modelctl status`: the table of what runs where."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from modelctl import status
from modelctl.environments import Repository, short

PIPED_WIDTH = 160  # columns when nobody says how wide the output is


@click.command()
@click.option("--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--live/--no-live", default=True, help="Ask the cluster, or only git.")
def command(output: str, live: bool) -> None:
    """Show each model in each environment: git beside Argo CD and what really serves.

    The cluster is the current context of your kubeconfig; without one, git alone is shown.

    Example: modelctl status --output json
    """
    found = status.read(Repository.find(), live=live)
    if output == "json":
        releases = [
            {**asdict(release), "name": release.name, "agrees": release.agrees}
            for release in found.releases
        ]
        click.echo(json.dumps({"releases": releases, "note": found.note}, indent=2))
    else:
        _print_table(found)


def _print_table(found: status.Status) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("environment", "model", "git", "sync", "health", "live"):
        table.add_column(name, no_wrap=True)
    for release in found.releases:
        live = release.live or status.Live()
        table.add_row(
            release.environment,
            release.model,
            _version(release.version, release.digest) or "not released",
            live.sync,
            live.health,
            _version(live.version, live.digest),
            style="" if release.live is None or release.agrees else "yellow",
        )
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    console.print(table)
    for release in found.releases:
        for refusal in release.live.refusals if release.live else ():
            console.print(
                f"{release.name} refuses: {refusal}", style="red", highlight=False, soft_wrap=True
            )
    if found.note:
        console.print(found.note, style="dim", highlight=False)


def _version(version: str, digest: str) -> str:
    return f"{version} {short(digest)}".strip()
