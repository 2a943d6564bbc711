"""`modelctl gate`: the quality gate of a new build."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelctl.commands import _result
from modelctl.commands._edit import DisplayOptions, show_and_apply
from modelctl.commands._options import (
    bundle_option,
    dry_run_option,
    model_argument,
    output_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from modelctl.quality.metric_baselines import Verdict


@click.command()
@model_argument
@bundle_option("folder", "Bundle with the metrics; default: build/bundles/MODEL", required=False)
@click.option("--update", is_flag=True, help="New metric baseline from this bundle")
@dry_run_option
@output_option
def command(model: str, folder: Path | None, update: bool, dry_run: bool, output: str) -> None:
    """Compare the metrics in MODEL's bundle with its metric baseline, models/MODEL/baseline.yaml.

    Exit code 3 if a metric is missing, or worse than its baseline by more than the tolerance.

    \b
    Examples:
      modelctl gate iris
      modelctl gate iris --update
    """
    from modelctl.errors import RefusedError
    from modelctl.packaging.build import require_built, require_current
    from modelctl.packaging.bundles import verify_bundle
    from modelctl.quality import metric_baselines
    from modelctl.repository.checkout import Repository, find_models

    root = find_models()
    path = root / "models" / model / metric_baselines.FILE
    if folder is None:
        require_built(root, model)
        require_current(root, model)
    metrics = verify_bundle(folder or root / "build" / "bundles" / model).manifest["metrics"]
    if update:
        edit = metric_baselines.plan_update(path, model, metrics)
        message = f"chore({model}): update the metric baseline"
        display = DisplayOptions(dry_run, output)
        show_and_apply(Repository.find(), [edit], message=message, display=display)
        return
    verdicts = metric_baselines.judge(metric_baselines.read(path, model), metrics)
    _print(verdicts, output)
    problems = [verdict.problem for verdict in verdicts if verdict.problem]
    if problems:
        raise RefusedError(
            f"'{model}' is worse than its metric baseline",
            expected=f"the metrics in models/{model}/{metric_baselines.FILE}, within their "
            "tolerances",
            found="; ".join(problems),
            fix="correct the data or the training code; if the change is intended, run "
            f"`modelctl gate {model} --update` and commit the file",
        )


def _print(verdicts: Sequence[Verdict], output: str) -> None:
    if output == "json":
        _result.echo_json([_document(verdict) for verdict in verdicts])
        return
    from modelctl.commands._table import console, table

    rows = table("METRIC", "BASELINE", "TOLERANCE", "FOUND", last="VERDICT")
    for verdict in verdicts:
        metric = verdict.metric
        rows.add_row(
            verdict.name,
            "" if metric is None else f"{metric.value:g}",
            "" if metric is None else f"{metric.tolerance:g}",
            "" if verdict.found is None else f"{verdict.found:g}",
            verdict.problem or verdict.note or "passes",
        )
    console().print(rows)


def _document(verdict: Verdict) -> dict[str, object]:
    return {
        "metric": verdict.name,
        "baseline": verdict.metric and verdict.metric.model_dump(),
        "found": verdict.found,
        "passes": not verdict.problem,
        "words": verdict.problem or verdict.note or "passes",
    }
