"""`modelctl status`: show what runs where."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from modelctl.cluster import status, status_page
from modelctl.commands import _notes, _table
from modelctl.commands._options import html_option, live_option, output_option
from modelctl.repository import gitrepo, origin, yamlfile
from modelctl.repository.environments import Repository, short

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@live_option
@click.option(
    "--registry", is_flag=True, help="Availability of rollback targets in their registries"
)
@html_option("Self-contained HTML page to write instead")
@output_option
def command(live: bool, registry: bool, page: Path | None, output: str) -> None:
    """Show each model in each environment: git compared with Argo CD and the running service.

    The cluster is the current context of your kubeconfig; without one, only git is shown. Remarks
    name differences from the previous environment, freezes and services with another bundle.

    \b
    Examples:
      modelctl status --output json
      modelctl status --registry --html status.html
    """
    now = datetime.now(UTC)
    repository = Repository.find()
    notes = origin.staleness_notes(repository.root)
    if gitrepo.is_shallow(repository.root):
        notes.append(f"shallow clone: ages and rollback targets are unknown; {gitrepo.UNSHALLOW}")
    _notes.echo(notes, output)
    current = status.read(repository, now, live=live, ask_registry=registry)
    if page:
        yamlfile.write(page, status_page.render(current, now))
        click.echo(f"wrote {page}" + (f" ({current.note})" if current.note else ""))
    elif output == "json":
        releases = [
            {**asdict(release), "name": release.name, "agrees": release.agrees}
            for release in current.releases
        ]
        click.echo(json.dumps({"releases": releases, "note": current.note}, indent=2))
    else:
        _print_table(current, now)


def _print_table(current: status.Status, now: datetime) -> None:
    columns = ("environment", "model", "git", "sync", "health", "live", "age", "chart")
    table = _table.table(*columns, last="remarks")
    for release in current.releases:
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
    for release in current.releases:
        for refusal in release.live.refusals if release.live else ():
            console.print(f"{release.name} refused: {refusal}", style="red", soft_wrap=True)
    if current.note:
        console.print(current.note, style="dim")


def _version(version: str, digest: str) -> str:
    return f"{version} {short(digest)}".strip()
