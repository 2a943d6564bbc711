"""`modelctl predict`: score a file against a running service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelctl.commands import _result
from modelctl.commands._colour import visible
from modelctl.commands._options import output_option

if TYPE_CHECKING:
    from modelctl.service.predict import Job


@click.command()
@click.argument("url")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="CSV or Parquet file to score",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV file to write; default: stdout",
)
@click.option(
    "--batch-rows",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Rows per request",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Parallel connections",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Print what each feature adds to each prediction, instead of CSV",
)
@output_option
def command(
    url: str,
    path: Path,
    out: Path | None,
    batch_rows: int,
    connections: int,
    explain: bool,
    output: str,
) -> None:
    """Score every row of a file with the service at URL and write the predictions as CSV.

    \b
    Examples:
      modelctl predict http://127.0.0.1:8080 --file rows.csv --out predictions.csv
      modelctl predict http://127.0.0.1:8080 --file rows.csv --explain
    """
    from rich.console import Console
    from rich.progress import Progress

    if explain and out is not None:
        raise click.UsageError("--explain prints; for a program: --explain --output json > FILE")
    from modelctl.service.client import Client
    from modelctl.service.predict import prepare, run, write_csv

    # The progress bar goes to stderr: stdout may be the predictions.
    with Client(url) as client, Progress(console=Console(stderr=True), transient=True) as progress:
        job = prepare(client, path, batch_rows, explain=explain)
        task = progress.add_task(f"{job.model}: {job.rows:,} rows", total=job.rows)
        predictions = run(
            client, job, connections=connections, on_batch=lambda n: progress.advance(task, n)
        )
    summary = {"model": job.model, "rows": len(predictions), "retries": client.retries}
    if out is None and output == "json":
        _result.echo(output, "", {**summary, "predictions": predictions})
        return
    if explain:
        _print_explanations(job, predictions)
        return
    if out is None:
        write_csv(predictions, job.output, sys.stdout)
        return
    with out.open("w", newline="", encoding="utf-8") as stream:
        write_csv(predictions, job.output, stream)
    retried = f", {client.retries} retries" if client.retries else ""
    text = f"{job.model}: {len(predictions):,} rows -> {out}{retried}"
    _result.echo(output, text, {**summary, "out": out})


def _print_explanations(job: Job, predictions: list[dict[str, Any]]) -> None:
    from modelctl.service.explanation import lines

    rows = [row for batch in job.batches for row in batch]
    classes = job.output["classes"]
    if targets := job.output.get("targets"):
        classes = {target["name"]: target["classes"] for target in targets}
    for number, (row, answer) in enumerate(zip(rows, predictions, strict=True), 1):
        for line in lines(number, row, answer, classes):
            click.echo(visible(line))
