"""`modelctl status`: show what runs where."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from modelctl.cluster import status, status_page
from modelctl.cluster.live import Live
from modelctl.commands import _notes, _result, _table
from modelctl.commands._options import (
    environment_filter_option,
    html_option,
    live_option,
    models_argument,
    output_option,
)
from modelctl.repository import gitrepo, origin, yamlfile
from modelctl.repository.checkout import Repository
from modelctl.repository.versions import short

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

# Below this width one line per release does not fit.
WIDE_COLUMNS = 140
NARROW_MODEL = 26
NARROW_DIGITS = 7
INDENT, GIT_WIDTH, AGE_WIDTH = 2, 21, 6
INTERVAL_SECONDS = 5.0


@click.command()
@models_argument
@environment_filter_option
@live_option
@click.option(
    "--registry", is_flag=True, help="Availability of rollback targets in their registries"
)
@click.option("--watch", is_flag=True, help="Print releases again whenever they change")
@html_option("Self-contained HTML page to write instead")
@output_option
def command(
    models: tuple[str, ...],
    environment: str,
    live: bool,
    registry: bool,
    watch: bool,
    page: Path | None,
    output: str,
) -> None:
    """Show MODELS (default: all) in each environment: git compared with Argo CD and the pods.

    The cluster is the current context of your kubeconfig; without one, only git is shown. Argo CD's
    report counts only while it is current and about the newest commit that changed a release.
    Remarks name what differs from git, from previous environments, and freezes.

    \b
    Examples:
      modelctl status iris --watch
      modelctl status --env production --output json
      modelctl status --registry --html status.html
    """
    if watch and (page or output == "json"):
        raise click.UsageError("--watch prints text: expected no --html and no --output json")
    repository = Repository.find()
    notes = origin.staleness_notes(repository.root)
    if gitrepo.is_shallow(repository.root):
        notes.append(f"shallow clone: ages and rollback targets are unknown; {gitrepo.UNSHALLOW}")
    _notes.echo(notes, output)

    def read() -> status.Status:
        return status.read(
            Repository.find(),
            datetime.now(UTC),
            live=live,
            ask_registry=registry,
            models=models,
            environment=environment,
        )

    current = read()
    if page:
        yamlfile.write(page, status_page.render(current))
        note = f" ({'; '.join(current.notes)})" if current.notes else ""
        click.echo(f"wrote {page}{note}", err=output == "json")
    if output == "json":
        _result.echo_json(_document(current))
    elif not page:
        _print_table(current)
        if watch:
            _watch(current, read)


def _document(current: status.Status) -> dict[str, object]:
    releases = [
        {
            **asdict(release),
            "name": release.name,
            "agrees": release.agrees,
            "current": release.is_current,
            "remarks": release.remarks,
        }
        for release in current.releases
    ]
    return {
        "as_of": current.now.isoformat(),
        "branch": current.branch,
        "releases": releases,
        "note": "; ".join(current.notes),
    }


def _watch(before: status.Status, read: Callable[[], status.Status]) -> None:
    """Print what changes, until Ctrl-C."""
    try:
        while True:
            time.sleep(INTERVAL_SECONDS)
            current = read()
            old = {release.name: _watched(release) for release in before.releases}
            for release in current.releases:
                cells = _watched(release)
                if cells != old.pop(release.name, None):
                    line = " ".join(cell for cell in cells if cell)
                    click.echo(f"{current.now:%H:%M:%S} {line}")
            for name in old:
                click.echo(f"{current.now:%H:%M:%S} {name} is gone from git")
            for note in current.notes:
                if note not in before.notes:
                    click.echo(f"{current.now:%H:%M:%S} {note}")
            before = current
    except KeyboardInterrupt:
        click.echo()


def _cells(release: status.Release) -> tuple[str, ...]:
    """What is shown of a release besides remarks, and ages, which change all the time."""
    live = release.live or Live()
    return (
        release.environment,
        release.model,
        _version(release.version, release.digest) or "not released",
        live.sync,
        live.health,
        _version(live.version, live.digest),
        release.chart,
    )


def _watched(release: status.Release) -> tuple[str, ...]:
    """What `--watch` compares and prints."""
    live = release.live or Live()
    # Values change with every look.
    checks = (f"{check.name} {check.phase}" for check in live.checks)
    return (*_cells(release), "; ".join([*release.remarks, *checks, *live.refusals]))


def _print_table(current: status.Status) -> None:
    console = _table.console()
    if console.width >= WIDE_COLUMNS:
        _print_wide(current)
    else:
        _print_narrow(console, current)
    for release in current.releases:
        for check in release.live.checks if release.live else ():
            style = "red" if check.phase in ("Failed", "Error") else ""
            line = f"{release.name} check {check}"
            console.print(line, style=style, soft_wrap=True)
        for refusal in release.live.refusals if release.live else ():
            console.print(f"{release.name} refused: {refusal}", style="red", soft_wrap=True)
    for note in (*current.notes, current.looked):
        if note:
            console.print(note, style="dim", soft_wrap=True)


def _print_wide(current: status.Status) -> None:
    """One line per release. Not a table of rich, which takes seconds for thousands of them."""
    heads = ("environment", "model", "git", "sync", "health", "live", "age", "chart", "remarks")
    rows = []
    for release in current.releases:
        *first, chart = _cells(release)
        age, remarks = status_page.age(release, current.now), "; ".join(release.remarks)
        rows.append(((*first, age, chart, remarks), _style(release)))
    widths = [
        max(map(len, column)) for column in zip(heads, *(row for row, _ in rows), strict=True)
    ]
    for cells, style in ((heads, "bold"), *rows):
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        line = "  ".join(padded).rstrip()
        click.secho(line, bold=style == "bold", fg=style if style == "yellow" else None)


def _print_narrow(console: Console, current: status.Status) -> None:
    """One block per environment; the state and all remarks share the last column."""
    width = min(NARROW_MODEL, max((len(r.model) for r in current.releases), default=0))
    for environment in dict.fromkeys(release.environment for release in current.releases):
        table = _table.block(width + INDENT, GIT_WIDTH, AGE_WIDTH)
        for release in current.releases:
            if release.environment == environment:
                live = release.live or Live()
                words = " ".join(dict.fromkeys(filter(None, (live.sync, live.health))))
                table.add_row(
                    f"  {release.model}",
                    f"{release.version} {short(release.digest)[:NARROW_DIGITS]}".strip()
                    or "not released",
                    status_page.age(release, current.now),
                    "; ".join(filter(None, (words, *release.remarks))),
                    style=_style(release),
                )
        console.print(environment, style="bold")
        _table.show(table)


def _style(release: status.Release) -> str:
    return "" if release.live is None or release.is_current else "yellow"


def _version(version: str, digest: str) -> str:
    return f"{version} {short(digest)}".strip()
