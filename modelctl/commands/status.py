"""`modelctl status`: the table of what runs where."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from modelctl.cluster import status, status_page
from modelctl.commands import _table
from modelctl.commands._options import live_option, output_option
from modelctl.repository import yamlfile
from modelctl.repository.environments import Repository, short


@click.command()
@live_option
@click.option(
    "--registry", is_flag=True, help="Ask the registries whether rollback targets are there."
)
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write one self-contained page instead.",
)
@output_option
def command(live: bool, registry: bool, page: Path | None, output: str) -> None:
    """Show each model in each environment: git beside Argo CD and what really serves.

    The cluster is the current context of your kubeconfig; without one, git alone is shown. The
    remarks name what differs from the environment before, freezes, and what serves another bundle.

    \b
    Examples:
      modelctl status --output json
      modelctl status --registry --html status.html
    """
    now = datetime.now(UTC)
    found = status.read(Repository.find(), now, live=live, ask_registry=registry)
    if page:
        yamlfile.write(page, status_page.render(found, now))
        click.echo(f"wrote {page}" + (f" ({found.note})" if found.note else ""))
    elif output == "json":
        releases = [
            {**asdict(release), "name": release.name, "agrees": release.agrees}
            for release in found.releases
        ]
        click.echo(json.dumps({"releases": releases, "note": found.note}, indent=2))
    else:
        _print_table(found, now)


def _print_table(found: status.Status, now: datetime) -> None:
    columns = ("environment", "model", "git", "sync", "health", "live", "age", "chart")
    table = _table.table(*columns, last="remarks")
    for release in found.releases:
        live = release.live or status.Live()
        table.add_row(
            release.environment,
            release.model,
            _version(release.version, release.digest) or "not released",
            live.sync,
            live.health,
            _version(live.version, live.digest),
            status_page.age(release, now),
            release.chart,
            "; ".join(release.remarks),
            style="" if release.live is None or release.agrees else "yellow",
        )
    console = _table.console()
    console.print(table)
    for release in found.releases:
        for refusal in release.live.refusals if release.live else ():
            console.print(f"{release.name} refuses: {refusal}", style="red", soft_wrap=True)
    if found.note:
        console.print(found.note, style="dim")


def _version(version: str, digest: str) -> str:
    return f"{version} {short(digest)}".strip()
