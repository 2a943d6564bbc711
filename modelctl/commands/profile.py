"""`modelctl profile`: measure what a bundle costs, and what its capacity file should say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelctl.commands import _result
from modelctl.commands._options import FiniteRange, output_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelctl.load.profile import Profile

# A pod of more finds room on few nodes.
MAX_WORKERS = 8


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--rate",
    type=FiniteRange(1, 100_000),
    default=100,
    show_default=True,
    help="Requests per second of one pod at its peak",
)
@click.option(
    "--seconds",
    type=FiniteRange(0.5, 3600),
    default=5,
    show_default=True,
    help="Seconds of each of the three measurements",
)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV or Parquet file of rows to send; default: the model's example",
)
@click.option(
    "--batch-rows", type=click.IntRange(1), default=1, show_default=True, help="Rows per request"
)
@click.option("--no-memory", is_flag=True, help="Leave out the memory, which needs Linux")
@output_option
def command(
    bundle: Path,
    rate: float,
    seconds: float,
    file: Path | None,
    batch_rows: int,
    no_memory: bool,
    output: str,
) -> None:
    """Serve BUNDLE on this machine, and measure where a request's time goes, and its memory.

    Prints what the capacity file of a pod for --rate should say. Measure on a quiet machine with
    processors like those of the cluster.

    \b
    Example:
      modelctl profile build/bundles/iris --rate 200 --file rows.csv
    """
    from modelctl.load import profile

    found = profile.measure(
        bundle,
        file=file,
        batch_rows=batch_rows,
        rate=rate,
        seconds=seconds,
        with_memory=not no_memory,
        on_step=lambda text: click.echo(f"measuring: {text} ...", err=True),
    )
    _result.echo(output, "\n".join(_lines(found)), _document(found))


def _lines(found: Profile) -> Iterator[str]:
    import yaml

    answers = found.answers
    yield f"{found.model}, {found.engine} engine, ready in {found.ready:.1f} s"
    rows = "1 row" if found.rows == 1 else f"{found.rows} rows"
    yield (
        f"{answers.sent:,} requests of {rows} at {found.rate:g}/s, {answers.ok:,} predicted: "
        f"p50 {answers.percentile(50) * 1e3:.1f} ms, p99 {answers.percentile(99) * 1e3:.1f} ms"
    )
    yield ""
    yield f"{'A REQUEST':28}{'US':>8}{'SHARE':>8}"
    rest = max(0.0, found.cpu - sum(found.phases.values()))
    for name, seconds in {**found.phases, "HTTP, log and metrics": rest}.items():
        yield f"{name:28}{seconds * 1e6:8.1f}{seconds / found.cpu:8.0%}"
    yield f"{'CPU time':28}{found.cpu * 1e6:8.1f}   one CPU: {1 / found.cpu:,.0f}/s at most"
    if found.memory is not None:
        yield ""
        base, per_worker = found.memory
        yield f"memory: {base} MiB, and {per_worker} MiB for each worker"
    yield ""
    yield f"# capacity.yaml, one pod for {found.rate:g} requests/s of {rows}"
    capacity = found.capacity()
    if int(str(capacity["workers"])) > MAX_WORKERS:
        yield f"# More than {MAX_WORKERS} CPUs: give each pod fewer requests, and take more pods."
    yield yaml.safe_dump(capacity, sort_keys=False).rstrip()


def _document(found: Profile) -> dict[str, Any]:
    return {
        "model": found.model,
        "engine": found.engine,
        "rows": found.rows,
        "ready_seconds": round(found.ready, 3),
        "load": found.answers.document(),
        "cpu_us": round(found.cpu * 1e6, 2),
        "phases_us": {name: round(each * 1e6, 2) for name, each in found.phases.items()},
        "memory_mib": found.memory._asdict() if found.memory is not None else None,
        "capacity": found.capacity(),
    }
