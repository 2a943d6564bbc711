"""`modelctl drift`: measure how far live rows have moved from a bundle's sample."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelctl.commands import _result, _table
from modelctl.commands._options import (
    FiniteRange,
    bundle_option,
    html_option,
    model_argument,
    output_option,
)
from modelctl.repository import yamlfile

if TYPE_CHECKING:
    from modelctl.drift.findings import DriftFinding, Report

DRIFTED = 4
STYLES = {"warning": "yellow", "critical": "red", "few": "dim", "chance": "dim"}


@click.group()
def command() -> None:
    """Measure the drift of live inputs and predictions from a bundle's sample.

    \b
    Example:
      modelctl drift report --help
    """


@command.command()
@model_argument
@bundle_option("bundle", "Served bundle, whose reference distributions live rows are compared with")
@click.option("--prometheus", "url", help="URL of the Prometheus that scrapes the release")
@click.option("--namespace", help="Namespace of the release")
@click.option("--release", default="", help="Release name, if the namespace has several of MODEL")
@click.option("--window", default="1h", show_default=True, help="Time range, such as 6h or 1d")
@click.option("--at", type=click.DateTime(), help="End of the time range, in UTC; default: now")
@click.option(
    "--rows",
    "paths",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="File or folder of captured rows; may be repeated",
)
@click.option(
    "--reference",
    "sample",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Sample that the bundle was packaged with (CSV or Parquet), to detect outliers",
)
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with the columns request_id, label and, for requests of several rows, row",
)
@click.option(
    "--warning",
    type=FiniteRange(0),
    default=0.1,
    show_default=True,
    help="PSI above which drift is a warning",
)
@click.option(
    "--critical",
    type=FiniteRange(0),
    default=0.25,
    show_default=True,
    help="PSI above which drift is critical",
)
@click.option(
    "--min-rows",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Minimum number of live rows for a verdict",
)
@html_option("Self-contained HTML page to write as well")
@click.option(
    "--fail-on",
    type=click.Choice(["never", "warning", "critical"]),
    default="never",
    show_default=True,
    help=f"Exit code {DRIFTED} at this severity or above",
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
    """Compare live rows of MODEL with its bundle, from Prometheus or from captured rows.

    From Prometheus: the population stability index (PSI) and a chi-square test of every feature
    and of the predictions, with the bins and formula of the alert rules. From captured rows also
    Kolmogorov-Smirnov distances; with --reference the share of outliers; with --labels the
    performance on labelled rows.

    \b
    Examples:
      modelctl drift report iris --bundle build/bundles/iris --prometheus http://127.0.0.1:9090 --namespace ml-dev
      modelctl drift report iris --bundle build/bundles/iris --rows captured/ --html drift.html --fail-on critical
    """  # noqa: E501 - as they are typed
    from modelctl.drift import findings
    from modelctl.drift import page as html
    from modelctl.drift import report as reports
    from modelctl.drift.prometheus import Prometheus
    from modelctl.packaging.bundles import verify_bundle

    if bool(url) == bool(paths):
        raise click.UsageError("pass either --prometheus or --rows")
    thresholds = findings.Thresholds(warning, critical, min_rows)
    subject = reports.Subject.of(verify_bundle(bundle, None), model)
    if url:
        if not namespace or labels or sample:
            raise click.UsageError(
                "--prometheus requires --namespace; --labels and --reference require --rows"
            )
        moment = at.replace(tzinfo=UTC) if at else None
        result = reports.from_prometheus(
            subject,
            Prometheus(url, moment),
            thresholds,
            namespace=namespace,
            release=release,
            window=window,
        )
    else:
        result = reports.from_rows(subject, paths, thresholds, sample=sample, labels=labels)
    if page:
        yamlfile.write(page, html.render(result, datetime.now(UTC)))
    if output == "json":
        _result.echo_json(result.as_dict())
    else:
        _print(result)
        if page:
            click.echo(f"wrote {page}")
    threshold = findings.LEVELS.index(fail_on) if fail_on != "never" else len(findings.LEVELS)
    if findings.LEVELS.index(result.level) >= threshold:
        sys.exit(DRIFTED)


def _print(result: Report) -> None:
    console = _table.console()
    console.print(f"{result.model} {result.version}: {result.source}, {result.rows:,.0f} rows")
    table = _table.table("", "PSI", "by chance", "chi-square p", "KS", last="level")
    features = sorted(result.features, key=lambda one: -one.psi)
    for one in [*result.predictions, *features]:
        table.add_row(*_cells(one), style=STYLES.get(one.level, ""))
    _table.show(table)
    if result.outliers:
        console.print(
            f"outliers: {result.outliers.share:.1%} of live rows, "
            f"{result.outliers.expected:.1%} of the sample"
        )
    for metric in result.performance:
        console.print(
            f"{metric.name}: {metric.live:.4g} ({metric.low:.4g} to {metric.high:.4g}), "
            f"{metric.before:.4g} as packaged"
        )
    for note in result.notes:
        console.print(note, style="dim", soft_wrap=True)


def _cells(one: DriftFinding) -> list[str]:
    from modelctl.drift.page import LABELS

    name = one.reference.name
    return [
        f"predictions: {name}" if one.reference.is_prediction else name,
        f"{one.psi:.3f}",
        f"{one.chance:.3f}",
        f"{one.chi_square.p:.2g}" if one.chi_square else "",
        f"{one.ks.statistic:.3f}" if one.ks else "",
        LABELS[one.level][0],
    ]
