"""`modelctl train`: train a model and publish its bundle in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelctl.commands import _result
from modelctl.commands._options import model_argument, output_option

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.training.results import Result, Shelf


@click.command()
@model_argument
@click.option("--out", required=True, help="Folder, s3://, gs:// or az:// URL of the results")
@click.option("--request", "key", default="", help="Name of the request; default: the time")
@click.option("--queue", is_flag=True, help="Train for the next request of the queue in QUEUE_URL")
@output_option
def command(model: str, out: str, key: str, queue: bool, output: str) -> None:
    """Train MODEL, judge it, and publish its bundle in OUT/MODEL/bundles.

    Runs `build`, `validate` and `gate`; a bundle that one of them refuses is not published. OUT is
    all that it writes to: `modelctl bump MODEL --env ENV --from OUT` proposes the result. A request
    that has a result is not trained again.

    With --queue it settles one message, a JSON object that the training code may read from
    TRAINING_REQUEST. Variables of the queue: docs/reference/consumer.md.

    Exit code 3: refused. 1: failed, and worth another attempt.

    \b
    Examples:
      modelctl train iris --out build/trained
      modelctl train iris --out s3://bundles/models --request 2026-11-27
      QUEUE_URL=nats://localhost:4222 modelctl train iris --out s3://bundles/models --queue
    """
    from modelctl.errors import UsageError
    from modelctl.packaging.build import require_folder
    from modelctl.repository.checkout import find_models
    from modelctl.training.results import Shelf, answer_of

    if key and queue:
        raise UsageError("--request and --queue exclude each other", found="both")
    root = find_models()
    require_folder(root, model)
    shelf = Shelf(out, model)
    result = _next(shelf, root) if queue else _train(shelf, root, key)
    if result is None:
        _result.echo(output, "no request waits", {"result": None})
        return
    document = answer_of(result, shelf)
    propose = f"modelctl bump {model} --env ENV --from {out}"
    text = f"{model} {result.version} -> {document['url']}\n{result.digest}\npropose: {propose}"
    _result.echo(output, text, document)


def _train(shelf: Shelf, root: Path, key: str) -> Result:
    from datetime import UTC, datetime

    from app.consume.messages import key_of
    from modelctl.training.steps import train_alone

    name = key_of(key)
    if key and (known := shelf.of_request(name)) is not None:
        click.echo(f"{shelf.model}: {key} has a result", err=True)
        return known
    bundle = train_alone(root, shelf.model, {"id": key} if key else {})
    return shelf.add(bundle, name or f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{bundle.digest[7:19]}")


def _next(shelf: Shelf, root: Path) -> Result | None:
    """The result of the next request; None without one. Raises ModelctlError."""
    from modelctl.training.requests import train_next
    from modelctl.training.steps import told_to_end

    ended = train_next(root, shelf)
    if ended.error is not None:
        raise ended.error
    if ended.was_stopped:
        raise told_to_end()
    return ended.result
