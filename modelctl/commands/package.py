"""`modelctl package`: package a fitted estimator and a sample as a verified bundle."""

from __future__ import annotations

import time
from pathlib import Path

import click

from modelctl.commands import _result
from modelctl.commands._loading import collector_paused
from modelctl.commands._options import FiniteRange, output_option

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--sample", type=FILE, help="Sample of the training data, .csv or .parquet")
@click.option("--config", type=FILE, help="model.yaml with name, version, description and target")
@click.option("--metrics", type=FILE, help="JSON object with the evaluation metrics")
@click.option("--name", default="", help="Model name; default: from --config")
@click.option("--version", "version_", default="", help="Model version; default: from --config")
@click.option(
    "--target", multiple=True, help="Target column of the sample; repeat it for several targets"
)
@click.option("--key", default="", help="Entry of a dict or list that holds the model")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write")
@click.option(
    "--engine",
    type=click.Choice(["auto", "onnx", "sklearn"]),
    default="auto",
    show_default=True,
    help="Serving engine",
)
@click.option(
    "--tolerance",
    type=FiniteRange(min=0),
    default=1e-6,
    show_default=True,
    help="Maximum difference from scikit-learn in the parity gate",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Keep rows of the sample in the bundle, so that the service answers /explain",
)
@click.option(
    "--write-inputs",
    is_flag=True,
    help="Append the rules that were found to --config, to edit them",
)
@output_option
def command(
    path: Path,
    sample: Path | None,
    config: Path | None,
    metrics: Path | None,
    name: str,
    version_: str,
    target: tuple[str, ...],
    key: str,
    out: Path,
    engine: str,
    tolerance: float,
    explain: bool,
    write_inputs: bool,
    output: str,
) -> None:
    """Package PATH as a verified bundle.

    PATH is a joblib or pickle file, or a folder with model.joblib, sample.csv and evaluation.json.

    \b
    Example:
      modelctl package build/training/iris --config models/iris/model.yaml --out build/bundles/iris
    """
    from rich.console import Console

    if write_inputs and config is None:
        raise click.UsageError("--write-inputs needs --config, the model.yaml to write to")
    started = time.monotonic()
    # On stderr, and only on a terminal: stdout is for the result.
    with Console(stderr=True).status("loading scikit-learn") as status:
        with collector_paused():
            from modelctl.packaging.package import plan, write
            from modelctl.packaging.table import print_attempts, print_inputs
            from modelctl.packaging.training_output import Request, read_training_output

            status.update("reading the model and the sample")
            training_output = read_training_output(
                Request(
                    path,
                    sample,
                    config,
                    metrics,
                    name=name,
                    version=version_,
                    target=target[0] if len(target) == 1 else target,
                    key=key,
                    explain=explain,
                )
            )
        planned = plan(training_output, engine=engine, tolerance=tolerance, on_step=status.update)
        digest = write(planned, out)
    if write_inputs and config is not None:
        from modelctl.packaging.inputs_block import write_inputs as append_inputs

        append_inputs(config, planned.inferred)
    if output == "table":
        print_inputs(planned)
        print_attempts(planned)
    seconds = time.monotonic() - started
    name, version = training_output.name, training_output.version
    text = f"{name} {version} -> {out} in {seconds:.1f} s\n{digest}"
    document = {"name": name, "version": version, "out": out, "digest": digest}
    _result.echo(output, text, {**document, "seconds": round(seconds, 1)})
