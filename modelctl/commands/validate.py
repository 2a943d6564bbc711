"""`modelctl validate`: validate a model's training data."""

from __future__ import annotations

from pathlib import Path

import click

from modelctl.commands import _result
from modelctl.commands._edit import DisplayOptions, show_and_apply
from modelctl.commands._options import dry_run_option, model_argument, output_option


@click.command()
@model_argument
@click.option(
    "--sample",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Training data, .csv or .parquet; default: that of build/training/MODEL",
)
@click.option("--update", is_flag=True, help="New expectations from these rows")
@dry_run_option
@output_option
def command(model: str, sample: Path | None, update: bool, dry_run: bool, output: str) -> None:
    """Validate MODEL's training data against models/MODEL/data.yaml.

    Checks the columns and their kinds, ranges of numbers, known text values, the share of missing
    values and the number of rows. Exit code 3 if a check fails.

    \b
    Examples:
      modelctl validate iris
      modelctl validate iris --sample new-rows.csv
    """
    from modelctl.errors import RefusedError
    from modelctl.packaging.build import require_current, require_folder
    from modelctl.packaging.origins import sample_in
    from modelctl.quality import data_expectations
    from modelctl.repository.checkout import Repository, find_models

    root = find_models()
    path = root / "models" / model / data_expectations.FILE
    if not path.is_file():
        require_folder(root, model)
    if sample is None:
        require_current(root, model)
        sample = sample_in(root / "build" / "training" / model)
    if update:
        known = data_expectations.read(path, model) if path.is_file() else None
        edit = data_expectations.plan_update(
            path, model, data_expectations.read_rows(sample, known)
        )
        message = f"chore({model}): update the data expectations"
        display = DisplayOptions(dry_run, output)
        show_and_apply(Repository.find(), [edit], message=message, display=display)
        return
    expected = data_expectations.read(path, model)
    frame = data_expectations.read_rows(sample, expected)
    violations = data_expectations.row_violations(frame, expected)
    if violations:
        raise RefusedError(
            f"the training data of '{model}' is not valid",
            expected=f"the expectations in models/{model}/{data_expectations.FILE}",
            found="; ".join(violations),
            fix="correct the data; if the change is intended, edit that file or run "
            f"`modelctl validate {model} --update`, and commit it",
        )
    text = f"{model}: {len(frame)} rows with {len(frame.columns)} columns, valid"
    document = {"model": model, "rows": len(frame), "columns": len(frame.columns)}
    _result.echo(output, text, document)
