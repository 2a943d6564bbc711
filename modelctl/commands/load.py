"""`modelctl load`: send a service requests at fixed rates, and measure its answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelctl.commands import _result
from modelctl.commands._options import FiniteRange, output_option

if TYPE_CHECKING:
    from modelctl.load.answers import Answers
    from modelctl.load.run import Plan
    from modelctl.load.slo import Objective

# A rate beyond this is not one machine's, and its times would take all memory.
MAX_REQUESTS = 10_000_000


class Rates(click.ParamType[tuple[float, ...]]):
    """Requests per second of each step: `100,200,400`."""

    name = "rates"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """The numbers, in the given order."""
        if isinstance(value, tuple):
            return value
        one = FiniteRange(0, min_open=True)
        return tuple(one.convert(part.strip(), param, ctx) for part in str(value).split(","))


@click.command()
@click.argument("url")
@click.option(
    "--rate",
    "rates",
    type=Rates(),
    default="10,50,100",
    show_default=True,
    metavar="R[,R...]",
    help="Requests per second, a step for each",
)
@click.option(
    "--seconds",
    type=FiniteRange(0.1, 86_400),
    default=10,
    show_default=True,
    help="Seconds of each step",
)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV or Parquet file of rows to send; default: the service's example",
)
@click.option(
    "--capture",
    "captures",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="File or folder of captured rows to send; may be repeated",
)
@click.option("--batch-rows", type=click.IntRange(1), default=1, help="Rows per request")
@click.option("--protocol", type=click.Choice(["http", "grpc"]), default="http", show_default=True)
@click.option(
    "--connections",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="Requests under way at most; later ones wait, and their latency counts the wait",
)
@click.option(
    "--timeout",
    type=FiniteRange(0.001, 3600),
    default=10,
    show_default=True,
    help="Seconds until a request counts as failed",
)
@click.option(
    "--arrivals",
    type=click.Choice(["even", "poisson"]),
    default="even",
    show_default=True,
    help="Spread requests evenly, or at random as independent users do",
)
@click.option(
    "--slo",
    "texts",
    multiple=True,
    metavar="OBJECTIVE",
    help="p99<50ms, max<1s or errors<0.1%; exit code 1 if a step misses it; may be repeated",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="PNG or SVG file to draw",
)
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing")
@output_option
def command(
    url: str,
    rates: tuple[float, ...],
    seconds: float,
    file: Path | None,
    captures: tuple[Path, ...],
    batch_rows: int,
    protocol: str,
    connections: int,
    timeout: float,
    arrivals: str,
    texts: tuple[str, ...],
    plot: Path | None,
    dry_run: bool,
    output: str,
) -> None:
    """Load the service at URL at fixed rates (an open loop), and print latencies and errors.

    Requests start when they are due, whether or not earlier ones are answered, and latencies count
    from then: a service that stalls is seen as its users see it.

    \b
    Examples:
      modelctl load http://127.0.0.1:8080 --rate 100,500 --slo 'p99<20ms' --slo 'errors<0.1%'
      modelctl load http://127.0.0.1:8080 --file rows.csv --batch-rows 100 --plot load.png
    """
    from modelctl.delivery.plot import require_format
    from modelctl.load import run, slo

    if file is not None and captures:
        raise click.UsageError("pass either --file or --capture")
    objectives = [slo.parse(text) for text in texts]
    if plot is not None:
        require_format(plot)
    how = {"protocol": protocol, "rates": rates, "seconds": seconds, "connections": connections}
    how |= {"timeout": timeout, "poisson": arrivals == "poisson"}
    title, plan = _plan(url, file, captures, batch_rows, run.Plan, is_tried=not dry_run, **how)
    if plan.total > MAX_REQUESTS:
        raise click.UsageError(f"{plan.total:,} requests are too many: {MAX_REQUESTS:,} at most")
    click.echo(f"{title}, {plan.total:,} requests to {plan.url}", err=output == "json")
    if dry_run:
        _describe(plan, output)
        return
    steps = _measure(plan, output)
    if plot is not None:
        from modelctl.load import plot as picture

        picture.write(f"{title} at {plan.url}", steps, plot)
    _conclude(title, plan, steps, objectives, output)


def _plan(
    url: str,
    file: Path | None,
    captures: tuple[Path, ...],
    batch_rows: int,
    plan: type[Plan],
    *,
    is_tried: bool,
    **how: Any,
) -> tuple[str, Plan]:
    """Ask the service what it takes, and prepare the requests.

    `is_tried`: send the first rows once, so that what the service refuses is said with its reason.
    """
    from modelctl.load import requests
    from modelctl.service.client import Client

    with Client(url) as client:
        model = requests.model_of(client)
        rows = requests.rows_of(client, model, file, captures)
        groups = requests.chunks(rows, batch_rows)
        if is_tried:
            client.post("/predict/batch", {"instances": groups[0]})
        if how["protocol"] == "grpc":
            return model.title, plan(
                url=client.url, requests=requests.messages(client, model, groups), **how
            )
        address = client.url + requests.path_of(groups)
        return model.title, plan(url=address, requests=requests.bodies(groups), **how)


def _describe(plan: Plan, output: str) -> None:
    first = plan.requests[0]
    shown = first[:300].decode() if plan.protocol == "http" else f"{len(first)} bytes"
    steps = [f"{rate:g} requests/s for {plan.seconds:g} s" for rate in plan.rates]
    document = {"url": plan.url, "requests": plan.total, "steps": steps, "first": shown}
    _result.echo(output, "\n".join([*steps, f"first: {shown}", "nothing was sent"]), document)


def _measure(plan: Plan, output: str) -> list[Answers]:
    """Run the steps; a line for each on its end, a counter on a terminal meanwhile."""
    from modelctl.load import report, run

    steps: list[Answers] = []
    is_terminal = sys.stderr.isatty()
    click.echo(report.HEAD, err=output == "json")

    def on_step(answers: Answers) -> None:
        steps.append(answers)
        if is_terminal:
            click.echo("\r\x1b[K", nl=False, err=True)
        click.echo(report.line(answers), err=output == "json")

    def on_tick(rate: float, sent: int) -> None:
        if is_terminal:
            click.echo(f"\r{rate:>8g} {sent:>8} ...", nl=False, err=True)

    run.run(plan, on_step=on_step, on_tick=on_tick)
    return steps


def _conclude(
    title: str, plan: Plan, steps: list[Answers], objectives: list[Objective], output: str
) -> None:
    """Print what follows; exit code 1 if an objective is missed or nothing was predicted."""
    from modelctl.load import report

    for remark in report.remarks(steps, objectives):
        click.echo(remark, err=output == "json")
    if output == "json":
        _result.echo_json(report.document(title, plan, steps, objectives))
    if not any(step.ok for step in steps) or not all(
        report.meets(step, objectives) for step in steps
    ):
        sys.exit(1)
