"""`modelctl drift`: how far live rows have moved from what a bundle was packaged with."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelctl.commands import _table
from modelctl.commands._options import model_argument, output_option
from modelctl.repository import yamlfile

if TYPE_CHECKING:
    from modelctl.drift.findings import Finding, Report

DRIFTED = 4
STYLES = {"warning": "yellow", "critical": "red", "few": "dim", "chance": "dim"}


@click.group()
def command() -> None:
    """Compare what a model is asked, and what it answers, with the sample of its bundle.

    \b
    Example:
      modelctl drift report --help
    """


@command.command()
@model_argument
@click.option(
    "--bundle",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="The bundle that serves: its reference is what rows are compared with.",
)
@click.option("--prometheus", "url", help="URL of the Prometheus that scrapes the release.")
@click.option("--namespace", help="Namespace of the release.")
@click.option("--release", default="", help="Its name, if the namespace has several of MODEL.")
@click.option("--window", default="1h", show_default=True, help="How far back: 6h, 1d, ...")
@click.option("--at", type=click.DateTime(), help="End of the window, in UTC; without it, now.")
@click.option(
    "--rows",
    "paths",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Captured rows: a file, or a folder of them; may be repeated.",
)
@click.option(
    "--reference",
    "sample",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The sample that the bundle was packaged with (CSV or Parquet), for outliers.",
)
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with request_id, label and, for requests of several rows, row.",
)
@click.option("--warning", type=click.FloatRange(0), default=0.1, show_default=True)
@click.option("--critical", type=click.FloatRange(0), default=0.25, show_default=True)
@click.option(
    "--min-rows",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="With fewer rows nothing is said.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write one self-contained page too.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["never", "warning", "critical"]),
    default="never",
    show_default=True,
    help=f"End with exit code {DRIFTED} when it is that bad.",
)
@output_option
def report(
    model: str,
    bundle: Path,
    url: str | None,
    namespace: str | None,
    release: str,
    window: str,
    at: datetime | None,
    paths: tuple[Path, ...],
    sample: Path | None,
    labels: Path | None,
    warning: float,
    critical: float,
    min_rows: int,
    page: Path | None,
    fail_on: str,
    output: str,
) -> None:
    """Compare live rows of MODEL with its bundle: from Prometheus, or from captured rows.

    Prometheus gives the stability index (PSI) and a chi-square test of every feature and of the
    predictions, by the same bins and formula as the alert rules. Captured rows also give
    Kolmogorov-Smirnov distances; with --reference the share of outliers; with --labels how good
    the predictions were.

    \b
    Examples:
      modelctl drift report iris --bundle build/bundles/iris --prometheus http://127.0.0.1:9090 --namespace ml-dev
      modelctl drift report iris --bundle build/bundles/iris --rows captured/ --html drift.html --fail-on critical
    """  # noqa: E501 - as they are typed
    from modelctl.drift import findings
    from modelctl.drift import page as html
    from modelctl.drift import report as reports
    from modelctl.drift.prometheus import Prometheus
    from modelctl.packaging.bundles import verified

    if bool(url) == bool(paths):
        raise click.UsageError("give either --prometheus or --rows")
    thresholds = findings.Thresholds(warning, critical, min_rows)
    subject = reports.Subject.of(verified(bundle, None), model)
    if url:
        if not namespace or labels or sample:
            raise click.UsageError("--prometheus needs --namespace; --labels, --reference --rows")
        moment = at.replace(tzinfo=UTC) if at else None
        found = reports.from_prometheus(
            subject,
            Prometheus(url, moment),
            thresholds,
            namespace=namespace,
            release=release,
            window=window,
        )
    else:
        found = reports.from_rows(subject, paths, thresholds, sample=sample, labels=labels)
    if page:
        yamlfile.write(page, html.render(found, datetime.now(UTC)))
    if output == "json":
        click.echo(json.dumps(found.as_dict(), indent=2))
    else:
        _print(found)
        if page:
            click.echo(f"wrote {page}")
    wanted = findings.LEVELS.index(fail_on) if fail_on != "never" else len(findings.LEVELS)
    if findings.LEVELS.index(found.level) >= wanted:
        sys.exit(DRIFTED)


def _print(found: Report) -> None:
    console = _table.console()
    console.print(f"{found.model} {found.version}: {found.source}, {found.rows:,.0f} rows")
    table = _table.table("", "PSI", "by chance", "chi-square p", "KS", last="level")
    shown = sorted(found.features, key=lambda one: -one.psi)
    for one in [*([found.predictions] if found.predictions else []), *shown]:
        table.add_row(*_cells(one), style=STYLES.get(one.level, ""))
    console.print(table)
    if found.outliers:
        console.print(
            f"outliers: {found.outliers.share:.1%}, of the sample {found.outliers.expected:.1%}"
        )
    for metric in found.performance:
        console.print(
            f"{metric.name}: {metric.live:.4g} ({metric.low:.4g} to {metric.high:.4g}), "
            f"as packaged {metric.before:.4g}"
        )
    for note in found.notes:
        console.print(note, style="dim", soft_wrap=True)


def _cells(one: Finding) -> list[str]:
    from modelctl.drift.page import WORDS

    name = one.reference.name
    return [
        f"predictions: {name}" if one.reference.is_prediction else name,
        f"{one.psi:.3f}",
        f"{one.chance:.3f}",
        f"{one.chi_square.p:.2g}" if one.chi_square else "",
        f"{one.ks.statistic:.3f}" if one.ks else "",
        WORDS[one.level][0],
    ]
