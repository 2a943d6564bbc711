"""How `modelctl experiment` prints plans, standings and analyses in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelctl.commands import _table

if TYPE_CHECKING:
    from modelctl.delivery.analysis import Analysis
    from modelctl.delivery.power import Need
    from modelctl.delivery.standing import Standing
    from modelctl.repository.experiments import Experiment

STYLES = {"better": "green", "holds": "green", "worse": "red", "broken": "red"}


def print_needs(experiment: Experiment, needs: list[Need], units_per_day: float | None) -> None:
    """How many units each metric needs."""
    table = _table.table("metric", "effect", "units", last="days" if units_per_day else "")
    for need in needs:
        days = f"{need.units / units_per_day:.1f}" if units_per_day else ""
        table.add_row(need.metric, f"{need.effect:g}", f"{need.units:,}", days)
    _table.console().print(table)
    arms = ", ".join(f"{arm} {share}%" for arm, share in experiment.arms.items())
    click.echo(f"{arms}; alpha {experiment.alpha:g}, power {experiment.power:g}")


def print_standings(found: list[Standing]) -> None:
    """The experiments of a checkout."""
    console = _table.console()
    table = _table.table("release", "state", "end (UTC)", "units", last="arms")
    for entry in found:
        experiment = entry.experiment
        arms = ", ".join(
            f"{arm} {share}% ({entry.versions[arm] or 'not released'})"
            for arm, share in experiment.arms.items()
        )
        end, units = f"{experiment.end:%Y-%m-%d %H:%M}", f"{experiment.planned_units:,}"
        state = f"{entry.state}, void" if entry.changed else entry.state
        table.add_row(f"{entry.environment}-{entry.model}", state, end, units, arms)
    console.print(table)
    for entry in found:
        for note in (*map(str, entry.changed), *entry.notes):
            console.print(f"{entry.environment}-{entry.model}: {note}", soft_wrap=True)
    running = [entry for entry in found if entry.state == "running"]
    units_of = {str(entry.experiment.unit) for entry in running}
    if len(running) > len(units_of):
        console.print(
            "several running experiments have the same unit: they split it alike, so the arms of "
            "one are those of the other",
            soft_wrap=True,
        )


def print_analysis(result: Analysis) -> None:
    """What outcomes prove, in 80 columns."""
    from modelctl.delivery import wording

    console = _table.console()
    counts = ", ".join(f"{arm} {count:,}" for arm, count in result.counts.items())
    kind = "planned end" if result.is_final else "before the planned end"
    click.echo(
        f"{result.environment}-{result.model} at {result.now:%Y-%m-%d %H:%M} UTC, {kind}\n"
        f"{counts}; sample ratio p {wording.p_value(result.sample_ratio_p)}"
    )
    has_several = len(result.experiment.variants) > 1
    table = _table.table("metric", "primary", "variant", "difference", "p", last="interval")
    for each in result.findings:
        name = f"{each.metric.name}, {each.variant}" if has_several else each.metric.name
        table.add_row(
            name,
            wording.value(each.metric, each.values[0]),
            wording.value(each.metric, each.values[1]),
            wording.change(each.metric, each.effect.difference),
            wording.p_value(each.adjusted_p),
            f"{wording.interval(each)}: {wording.LEVELS[each.level]}",
            style=STYLES.get(each.level, ""),
        )
    console.print(table)
    for each in result.findings:
        if each.removed is not None:
            text = f"{each.metric.name}: CUPED removed {each.removed:.0%} of the variance"
            console.print(text, style="dim", soft_wrap=True)
    for note in result.notes:
        console.print(note, style="dim", soft_wrap=True)
    console.print(wording.sentence(result), style="bold", soft_wrap=True)
