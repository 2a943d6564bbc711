"""`modelctl experiment`: plan, follow and analyse an A/B test."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelctl.commands import _experiment_tables, _result
from modelctl.commands._edit import DisplayOptions
from modelctl.commands._options import (
    FiniteRange,
    dry_run_option,
    environment_filter_option,
    environment_option,
    html_option,
    model_argument,
    output_option,
)
from modelctl.commands._propose import planning_checkout, propose_or_write, pull_request_option
from modelctl.errors import ModelctlError
from modelctl.promotion import rules
from modelctl.promotion.pull_request import PullRequest
from modelctl.repository import experiments, yamlfile
from modelctl.repository.checkout import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelctl.repository.experiments import Experiment

MAX_UNITS_PER_DAY = 1e12

at_option = click.option(
    "--at", type=click.DateTime(), help="Past moment to judge at, in UTC; default: now"
)


@click.group()
def command() -> None:
    """Plan, follow and analyse an A/B test that environments/ENV/MODEL/experiment.yaml describes.

    \b
    Example:
      modelctl experiment analyze iris --env production --outcomes outcomes.csv
    """


@command.command()
@model_argument
@environment_option("--env", "Environment of the experiment")
@click.argument("units", nargs=-1, required=True)
@output_option
def assign(model: str, environment: str, units: tuple[str, ...], output: str) -> None:
    """Print the arm of UNITS, values of the header or cookie as clients send them.

    The arithmetic of Envoy: xxHash64 of the value modulo 100, then the arms by their shares. There
    is no salt, so experiments over the same unit split it alike.

    \b
    Example:
      modelctl experiment assign iris --env production user-1 user-2
    """
    from modelctl.delivery.assignment import Assignment, unit_violation

    for unit in units:
        if reason := unit_violation(unit):
            raise ModelctlError(
                f"{unit!r} is no value of a header or cookie: it {reason}",
                expected="the unit as the client sends it",
            )
    assignment = Assignment.of(_experiment(model, environment).variants)
    arms = {unit: assignment.arm(unit) for unit in units}
    _result.echo(output, "\n".join(f"{unit}\t{arm}" for unit, arm in arms.items()), arms)


@command.command()
@model_argument
@environment_option("--env", "Environment of the experiment")
@click.option(
    "--units-per-day",
    type=FiniteRange(min=0, min_open=True, max=MAX_UNITS_PER_DAY),
    help="New units per day, in all arms together, to print days",
)
@output_option
def plan(model: str, environment: str, units_per_day: float | None, output: str) -> None:
    """Print how many units the experiment of MODEL needs to see each metric's minimum effect.

    For one look at the planned end, with the `alpha` and `power` of experiment.yaml; alpha is
    divided among all primary metrics and variants.

    \b
    Example:
      modelctl experiment plan iris --env production --units-per-day 1200
    """
    from modelctl.delivery import power

    experiment = _experiment(model, environment)
    needs = [power.need(metric, experiment) for metric in experiment.metrics]
    units = max(need.units for need in needs)
    days = units / units_per_day if units_per_day else None
    if output == "json":
        metrics = [vars(need) for need in needs]
        document = {"units": units, "days": days, "planned": experiment.planned_units}
        _result.echo(output, "", {**document, "metrics": metrics})
        return
    _experiment_tables.print_needs(experiment, needs, units_per_day)
    planned = experiment.planned_units
    click.echo(
        f"plannedUnits: {planned:,} "
        + (
            "is enough"
            if planned >= units
            else f"is too few for a power of {experiment.power:.0%}: expected {units:,}"
        )
    )
    length = (experiment.end - experiment.start).total_seconds() / 86400
    if days and days > length:
        click.echo(f"start to end: {length:.1f} days, too few: expected {days:.1f}")


@command.command()
@click.argument("model", required=False)
@environment_filter_option
@output_option
def status(model: str | None, environment: str, output: str) -> None:
    """List the experiments of the checkout: dates, arms, and the versions that git runs in them.

    \b
    Example:
      modelctl experiment status
    """
    from modelctl.delivery import standing

    repository = Repository.find()
    if model:
        repository.require_known(model)
    if environment:
        repository.environment(environment)
    now = datetime.now(UTC)
    found = [
        entry
        for name, each in repository.releases()
        if model in (None, each) and environment in ("", name)
        if (entry := standing.read(repository, repository.environment(name), each, now))
    ]
    if output == "json":
        _result.echo(output, "", [entry.as_dict() for entry in found])
    elif found:
        _experiment_tables.print_standings(found)
    else:
        click.echo("no experiments")


@command.command()
@model_argument
@environment_option("--env", "Environment of the experiment")
@pull_request_option
@dry_run_option
@output_option
def stop(model: str, environment: str, pull_request: bool, dry_run: bool, output: str) -> None:
    """Stop the experiment of MODEL before its planned end: `stopped` in experiment.yaml.

    From then on the versions and shares of its arms may change, in the same pull request too. What
    runs does not change.

    \b
    Example:
      modelctl experiment stop iris --env production
    """
    with planning_checkout(for_pull_request=pull_request) as repository:
        target = repository.environment(environment)
        now = datetime.now(UTC)
        if experiments.require(repository, target, model).state(now) == "ended":
            name = f"the experiment of {model} in {environment}"
            _result.echo(output, f"{name} has ended already", {"changes": [], "written": False})
            return
        rules.ensure_allowed(rules.freeze_violations(model, target, now))
        title = f"Stop the experiment of {model} in {environment}"
        request = PullRequest(
            branch=f"experiment/{environment}-{model}",
            title=title,
            body=title,
            edits=experiments.plan_stop(repository, target, model, now),
        )
        display = DisplayOptions(dry_run, output)
        propose_or_write(repository, request, wanted=pull_request, display=display)


@command.command()
@model_argument
@environment_option("--env", "Environment of the experiment")
@click.option(
    "--outcomes",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="CSV or Parquet file: a column `unit`, the metrics, and `arm` as logged if you have it",
)
@at_option
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="PNG or SVG to write as well"
)
@html_option("Self-contained HTML page to write as well")
@output_option
def analyze(
    model: str,
    environment: str,
    path: Path,
    at: datetime | None,
    plot: Path | None,
    page: Path | None,
    output: str,
) -> None:
    """Say what the outcomes of the experiment of MODEL prove, and what to do.

    The arm of each unit is computed from its id. If units did not arrive in the planned shares
    (sample ratio mismatch, p < 0.001), or an arm got another version meanwhile, nothing is
    analysed. Before the planned end intervals are confidence sequences, which hold at every look;
    at the end Welch's t-test and the test of two proportions. p-values are Holm's over all primary
    metrics and variants.

    \b
    Examples:
      modelctl experiment analyze iris --env production --outcomes outcomes.csv
      modelctl experiment analyze iris --env production --outcomes outcomes.parquet --html report.html --plot report.png
    """  # noqa: E501 - as they are typed
    from modelctl.delivery import analysis, outcomes, standing, wording
    from modelctl.delivery import page as html
    from modelctl.delivery import plot as plots

    if plot:
        plots.require_format(plot)
    repository = Repository.find()
    target = repository.environment(environment)
    experiment = experiments.require(repository, target, model)
    now = _moment(at)
    entry = standing.read(repository, target, model, now)
    if entry:
        entry.require_valid()
    found = outcomes.read(path, experiment)
    result = analysis.analyse(model, environment, experiment, found, now)
    result.notes.extend(entry.notes if entry else ())
    if plot:
        with _writing(plot):
            plots.write(result, plot)
    if page:
        with _writing(page):
            yamlfile.write(page, html.render(result))
    if output == "json":
        _result.echo(output, "", {**result.as_dict(), "sentence": wording.sentence(result)})
        return
    _experiment_tables.print_analysis(result)
    for file in filter(None, (plot, page)):
        click.echo(f"wrote {file}")


def _moment(at: datetime | None) -> datetime:
    """The moment to judge at. Raises ModelctlError for one to come.

    From the planned end on the tests are those of one look: whoever names that day early looks as
    often as before, and each look is one more chance of a false alarm.
    """
    now = datetime.now(UTC)
    moment = at.replace(tzinfo=UTC) if at else now
    if moment > now:
        raise ModelctlError(
            "--at is in the future",
            expected=f"at most {now:%Y-%m-%d %H:%M} UTC",
            found=f"{moment:%Y-%m-%d %H:%M} UTC",
            fix="leave --at out: before the planned end confidence sequences hold at every look",
        )
    return moment


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Make the folder of a report. Raises ModelctlError for one that cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ModelctlError(f"{path} cannot be written", found=str(error)) from error


def _experiment(model: str, environment: str) -> Experiment:
    repository = Repository.find()
    return experiments.require(repository, repository.environment(environment), model)
