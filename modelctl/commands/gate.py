"""`modelctl gate`: is the model that was just trained good enough?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelctl.commands._edit import Show, show_and_apply
from modelctl.commands._options import dry_run_option, model_argument, output_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelctl.quality.metric_baselines import Verdict


@click.command()
@model_argument
@click.option(
    "--bundle",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The bundle with the metrics; default: build/bundles/MODEL.",
)
@click.option("--update", is_flag=True, help="Make these metrics the baseline instead.")
@dry_run_option
@output_option
def command(model: str, folder: Path | None, update: bool, dry_run: bool, output: str) -> None:
    """Compare the metrics in MODEL's bundle with models/MODEL/baseline.yaml.

    Exit code 3 when one is worse than the baseline by more than its tolerance, or missing.

    \b
    Examples:
      modelctl gate iris
      modelctl gate iris --update
    """
    from modelctl.errors import RefusedError
    from modelctl.packaging.bundles import verified
    from modelctl.quality import metric_baselines
    from modelctl.repository.environments import Repository

    repository = Repository.find()
    path = repository.root / "models" / model / metric_baselines.FILE
    metrics = verified(folder or repository.root / "build" / "bundles" / model).manifest["metrics"]
    if update:
        edit = metric_baselines.plan_update(path, model, metrics)
        message = f"The metrics that {model} is held to"
        show_and_apply(repository, [edit], message=message, show=Show(dry_run, output))
        return
    verdicts = metric_baselines.judge(metric_baselines.read(path, model), metrics)
    _print(verdicts, output)
    problems = [verdict.problem for verdict in verdicts if verdict.problem]
    if problems:
        raise RefusedError(
            f"'{model}' is worse than its baseline",
            found="; ".join(problems),
            expected=f"the metrics in models/{model}/{metric_baselines.FILE}, "
            "less their tolerances",
            fix="mend data or training; or, if this is meant, say so in a commit: "
            f"`modelctl gate {model} --update`",
        )


def _print(verdicts: Sequence[Verdict], output: str) -> None:
    if output == "json":
        click.echo(json.dumps([_document(verdict) for verdict in verdicts], indent=2))
        return
    from modelctl.commands._table import console, table

    made = table("METRIC", "BASELINE", "TOLERANCE", "FOUND", last="VERDICT")
    for verdict in verdicts:
        metric = verdict.metric
        made.add_row(
            verdict.name,
            "" if metric is None else f"{metric.value:g}",
            "" if metric is None else f"{metric.tolerance:g}",
            "" if verdict.found is None else f"{verdict.found:g}",
            verdict.problem or verdict.note or "passes",
        )
    console().print(made)


def _document(verdict: Verdict) -> dict[str, object]:
    return {
        "metric": verdict.name,
        "baseline": verdict.metric and verdict.metric.model_dump(),
        "found": verdict.found,
        "passes": not verdict.problem,
        "words": verdict.problem or verdict.note or "passes",
    }
