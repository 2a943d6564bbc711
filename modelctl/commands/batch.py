"""`modelctl batch`: predict files on this machine, part by part."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from app.batch import CHUNK_ROWS, SHARD_ROWS
from modelctl.commands import _result
from modelctl.commands._colour import visible
from modelctl.commands._options import FiniteRange, bundle_option, output_option
from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from pathlib import Path

    from app.batch.parts import Facts
    from app.batch.plan import Plan
    from modelctl.batch.running import Run

plan_argument = click.argument("plan")


@click.group()
def command() -> None:
    """Predict files of rows on this machine, by the bundle and the rules of the service.

    Parquet, CSV and JSON Lines, on disk or in a bucket (s3://, gs://, az://). Each row ends in a
    part or, with the reason, among the rejected.

    \b
    Example:
      modelctl batch plan --bundle build/bundles/iris --input rows.parquet --out scored
      modelctl batch run scored
    """


@command.command(name="plan")
@bundle_option("bundle", "Bundle that predicts")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    required=True,
    help="File, folder or pattern (.parquet, .csv, .jsonl, .ndjson), or their URL in a bucket, or "
    "the https URL of a file; repeatable",
)
@click.option(
    "--out",
    required=True,
    help="Folder or URL (s3://, gs://, az://) for plan.json and the parts",
)
@click.option(
    "--passthrough",
    multiple=True,
    help="Column to write beside the predictions; repeatable",
)
@click.option("--ignore", multiple=True, help="Column that is no feature; repeatable")
@click.option("--probabilities", is_flag=True, help="Write probabilities or scores too")
@click.option("--explain", is_flag=True, help="Write what each feature adds to the answer, too")
@click.option(
    "--shard-rows",
    type=click.IntRange(1),
    default=SHARD_ROWS,
    show_default=True,
    help="Rows per part; of Parquet, whole row groups",
)
@click.option(
    "--chunk-rows",
    type=click.IntRange(1),
    default=CHUNK_ROWS,
    show_default=True,
    help="Rows that are read and predicted at a time",
)
@output_option
def plan_command(
    bundle: Path,
    inputs: tuple[str, ...],
    out: str,
    passthrough: tuple[str, ...],
    ignore: tuple[str, ...],
    probabilities: bool,
    explain: bool,
    shard_rows: int,
    chunk_rows: int,
    output: str,
) -> None:
    """Read every input once and write plan.json: the parts, and the SHA-256 of what they read.

    Of Parquet in a bucket only the footers are read: ETags pin the rest. The same input, bundle and
    options give the same plan; its SHA-256 is the run's id.

    \b
    Example:
      modelctl batch plan --bundle build/bundles/iris --input 'rows/*.csv' --out scored
    """
    from app.batch import planning
    from app.batch.plan import PLAN
    from modelctl.batch import places
    from modelctl.batch.refusals import translated
    from modelctl.packaging.bundles import verify_bundle

    folder = places.folder(out)
    request = planning.Request(
        bundle=verify_bundle(bundle),
        path=places.bundle_path(bundle, folder),
        inputs=inputs,
        shard_rows=shard_rows,
        chunk_rows=chunk_rows,
        passthrough=passthrough,
        ignore=ignore,
        probabilities=probabilities,
        explain=explain,
    )
    with translated():
        plan = planning.make(request, folder)
        planning.write(plan, folder)
    path = folder.where(PLAN)
    text = (
        f"{plan.bundle.name} {plan.bundle.version}: {_counted(len(plan.files), 'file')}, "
        f"{_counted(plan.rows, 'row')}, {_counted(len(plan.shards), 'part')}\n"
        f"run {plan.run}\n{path}"
    )
    document = {"run": plan.run, "plan": path, "files": len(plan.files), "rows": plan.rows}
    _result.echo(output, text, {**document, "parts": len(plan.shards)})


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


@command.command()
@plan_argument
@click.option(
    "--processes", type=click.IntRange(1), default=None, help="Processes; default: one per CPU"
)
@click.option(
    "--max-rejected",
    type=FiniteRange(0, 1),
    help="Share of the rows that may be rejected; without it the run fails only if all are",
)
@bundle_option("bundle", "Bundle, if the plan does not say where it is", required=False)
@output_option
def run(
    plan: str, processes: int | None, max_rejected: float | None, bundle: Path | None, output: str
) -> None:
    """Write the missing parts of PLAN (plan.json, its folder or URL), then _SUCCESS.json.

    Interrupted at any moment, it goes on where it was when it is run again. Exit code 1 if a part
    failed or too many rows are rejected, 3 if the input or the bundle is not what was planned.

    \b
    Example:
      modelctl batch run scored --processes 2
    """
    from modelctl.batch import places, running

    planned, out = places.read(plan)
    count = processes or len(os.sched_getaffinity(0))
    request = running.Request(
        planned, out, places.bundle_of(planned, out, bundle), count, max_rejected
    )
    started = time.perf_counter()
    progress = _Progress(planned)
    with progress:
        done = running.run(request, progress.rows, progress.part)
    speed = progress.counted / (time.perf_counter() - started)
    _report(planned, out.where(), done, speed, output)


def _report(plan: Plan, out: str, done: Run, speed: float, output: str) -> None:
    if done.failures:
        listed = "; ".join(f"part {one.part}: {one.fields['what']}" for one in done.failures[:10])
        raise ModelctlError(
            f"{len(done.failures)} of {len(plan.shards)} parts failed; the others are written",
            expected=f"{len(plan.shards)} parts",
            found=visible(listed),
            fix=done.failures[0].fields["fix"],
        )
    totals = done.totals
    if totals is None:
        return
    resumed = f", {_counted(done.skipped, 'part')} kept" if done.skipped else ""
    retried = f", {done.retries} retries" if done.retries else ""
    text = (
        f"{totals.rows:,} rows: {totals.predicted:,} predicted, {totals.rejected:,} rejected, "
        f"{speed:,.0f} rows/s{resumed}{retried} -> {out}"
    )
    document = {"run": plan.run, **asdict(totals), "rows_per_second": round(speed)}
    _result.echo(output, text, {**document, "parts_skipped": done.skipped, "retries": done.retries})


class _Progress:
    """A bar on a terminal; elsewhere a line for each part. On stderr: stdout is the result."""

    def __init__(self, plan: Plan) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._is_terminal = sys.stderr.isatty()
        self._task = self._bar.add_task(f"{plan.bundle.name}: {plan.rows:,} rows", total=plan.rows)
        self.counted = 0

    def __enter__(self) -> None:
        if self._is_terminal:
            self._bar.start()

    def __exit__(self, *_: object) -> None:
        if self._is_terminal:
            self._bar.stop()

    def rows(self, _: int, count: int) -> None:
        """Some rows of a part are predicted."""
        self.counted += count
        self._bar.advance(self._task, count)

    def part(self, facts: Facts) -> None:
        """A part is written."""
        if not self._is_terminal:
            text = f"part {facts.part}: {facts.predicted:,} predicted, {facts.rejected:,} rejected"
            click.echo(text, err=True)


@command.command()
@plan_argument
@output_option
def status(plan: str, output: str) -> None:
    """List the parts of PLAN (plan.json, its folder or URL): rows, rejected rows, state.

    \b
    Example:
      modelctl batch status scored
    """
    from modelctl.batch import places, reporting
    from modelctl.commands import _table

    planned, out = places.read(plan)
    listed = reporting.status(planned, out)
    if output == "json":
        _result.echo_json({"run": planned.run, "parts": [asdict(one) for one in listed]})
        return
    table = _table.table("PART", "FILE", "ROWS", "PREDICTED", "REJECTED", "STATE", last="REASON")
    for one in listed:
        numbers = ["" if n is None else f"{n:,}" for n in (one.rows, one.predicted, one.rejected)]
        table.add_row(str(one.part), visible(one.file), *numbers, one.state, visible(one.reason))
    _table.show(table)


@command.command()
@plan_argument
@output_option
def verify(plan: str, output: str) -> None:
    """Recount a finished run: hashes of all parts, and each row of the input in exactly one file.

    \b
    Example:
      modelctl batch verify scored
    """
    from modelctl.batch import places, reporting

    planned, out = places.read(plan)
    totals = reporting.verify(planned, out)
    text = (
        f"{_counted(len(planned.shards), 'part')}, {totals.rows:,} rows in = "
        f"{totals.predicted:,} predicted + {totals.rejected:,} rejected"
    )
    document = {"run": planned.run, "parts": len(planned.shards), **asdict(totals)}
    _result.echo(output, text, document)
