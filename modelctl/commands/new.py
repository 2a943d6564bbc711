"""`modelctl new`: create the files of a model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelctl.commands._edit import DisplayOptions, show_and_apply
from modelctl.commands._options import dry_run_option, output_option

if TYPE_CHECKING:
    from modelctl.packaging.adoption import Adopted, Wanted
    from modelctl.repository import edits

NO_METRICS = """\
# {model} came without metrics, and its sample without the target column: the quality gate has
# nothing to compare. Give it metrics with `modelctl new {model} --replace --metrics FILE ...`.
metrics: {{}}
"""


@click.command()
@click.argument("model")
@click.option("--from", "place", default="", help="Fitted model: joblib or pickle file, or URL")
@click.option("--sample", default="", help="Sample of its training data: .csv or .parquet, or URL")
@click.option("--metrics", default="", help="JSON object with its evaluation metrics, or URL")
@click.option(
    "--target", multiple=True, help="Target column of the sample; repeat it for several targets"
)
@click.option("--key", default="", help="Entry of a dict or list that holds the model")
@click.option("--version", default="", help="Model version  [default: 0.1.0]")
@click.option("--description", default="", help="What the model predicts")
@click.option("--replace", is_flag=True, help="Put a newer file in the place of a finished model's")
@dry_run_option
@output_option
def command(
    model: str,
    place: str,
    sample: str,
    metrics: str,
    target: tuple[str, ...],
    key: str,
    version: str,
    description: str,
    replace: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Create MODEL: its folder in models/ and its value files in each environment.

    Without --from: working training code. Replace the data and the pipeline in
    models/MODEL/train.py with your own. With --from: no code, the finished model and a sample of
    its data, pinned by SHA-256. Files on this machine are copied into models/MODEL; URLs are
    https://, s3://, gs:// or az://.

    \b
    Examples:
      modelctl new churn
      modelctl new churn --from model.joblib --sample sample.csv --target left
    """
    from modelctl.repository import scaffold
    from modelctl.repository.checkout import Repository

    display = DisplayOptions(dry_run, output, brief=True)
    repository = Repository.find()
    if place:
        from modelctl.packaging.adoption import Wanted, plan

        _require(sample, "--sample", "the contract and the parity gate are based on it")
        named = target[0] if len(target) == 1 else target
        wanted = Wanted(model, place, sample, metrics, named, key, version, description, replace)
        with tempfile.TemporaryDirectory(prefix="modelctl-new-") as scratch:
            adopted = plan(repository, wanted, Path(scratch))
            quality, notes = _quality(repository.root, wanted, adopted)
            planned = [*adopted.planned, *quality]
            verb = "replace the model" if replace else "add the model"
            written = show_and_apply(
                repository,
                planned,
                message=f"feat({model}): {verb}",
                display=display,
                notes=[*adopted.notes, *notes],
            )
        if written and output == "table":
            click.echo(f"then run `modelctl build {model}` to package it")
        return
    for name, value in (("--sample", sample), ("--metrics", metrics), ("--key", key)):
        _require(not value, "--from", f"{name} is about a finished model")
    planned = scaffold.plan(repository, model)
    message = f"feat({model}): add the model"
    written = show_and_apply(repository, planned, message=message, display=display)
    if written and output == "table":
        click.echo(f"then edit models/{model}/train.py, and run `make models` to train and package")


def _require(given: object, option: str, reason: str) -> None:
    if not given:
        raise click.UsageError(f"{option} is missing: {reason}")


def _quality(root: Path, wanted: Wanted, adopted: Adopted) -> tuple[list[edits.Edit], list[str]]:
    """The committed expectations of a new model, of its sample and of its metrics; and notes."""
    from modelctl.errors import ModelctlError
    from modelctl.packaging.evaluation import with_metrics
    from modelctl.quality import data_expectations, metric_baselines
    from modelctl.repository.edits import Edit

    folder = root / "models" / wanted.model
    data, baseline = folder / data_expectations.FILE, folder / metric_baselines.FILE
    planned, notes = [], []
    if not data.exists():
        rows = data_expectations.read_rows(adopted.sample)
        planned.append(data_expectations.plan_update(data, wanted.model, rows))
    if not baseline.exists():
        metrics = with_metrics(adopted.training_output).metrics
        try:
            planned.append(
                metric_baselines.plan_update(baseline, wanted.model, metrics)
                if metrics
                else Edit(baseline, "", NO_METRICS.format(model=wanted.model))
            )
        except ModelctlError as error:
            # The model is as good as any; whether a higher metric is better is for the user to say.
            notes.append(f"no {metric_baselines.FILE} was written: {error.what}; {error.fix}")
    return planned, notes
