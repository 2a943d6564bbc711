"""`modelctl validate`: are the rows that a model is trained on as expected?"""

from __future__ import annotations

from pathlib import Path

import click

from modelctl.commands._edit import Show, show_and_apply
from modelctl.commands._options import dry_run_option, model_argument, output_option


@click.command()
@model_argument
@click.option(
    "--sample",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The rows, .csv or .parquet; default: build/training/MODEL/sample.csv.",
)
@click.option("--update", is_flag=True, help="Make these rows what is expected instead.")
@dry_run_option
@output_option
def command(model: str, sample: Path | None, update: bool, dry_run: bool, output: str) -> None:
    """Compare the rows that MODEL is trained on with models/MODEL/data.yaml.

    Looked at are: columns and their kind, ranges of numbers, known texts, the share of missing
    values, and how many rows there are. Exit code 3 when anything is not as expected.

    \b
    Examples:
      modelctl validate iris
      modelctl validate iris --sample new-rows.csv
    """
    from modelctl.errors import RefusedError
    from modelctl.quality import data_expectations
    from modelctl.repository.environments import Repository

    repository = Repository.find()
    path = repository.root / "models" / model / data_expectations.FILE
    sample = sample or repository.root / "build" / "training" / model / "sample.csv"
    if update:
        known = data_expectations.read(path, model) if path.is_file() else None
        edit = data_expectations.plan_update(
            path, model, data_expectations.read_rows(sample, known)
        )
        message = f"What the rows of {model} have to look like"
        show_and_apply(repository, [edit], message=message, show=Show(dry_run, output))
        return
    expected = data_expectations.read(path, model)
    frame = data_expectations.read_rows(sample, expected)
    found = data_expectations.problems(frame, expected)
    if found:
        raise RefusedError(
            f"the rows of '{model}' are not as expected",
            found="; ".join(found),
            expected=f"what models/{model}/{data_expectations.FILE} says",
            fix="mend the data; or, if this is meant, say so in a commit: edit that file, or "
            f"`modelctl validate {model} --update`",
        )
    click.echo(f"{model}: {len(frame)} rows with {len(frame.columns)} columns, as expected")
