"""Rows as a service captures them: predicted by the bundle's engine, kept by the service's code."""

from __future__ import annotations

import csv
import functools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.model import engine
from app.model.bundle import Bundle, verify
from app.model.contract import Contract
from app.model.validation import Validator
from app.observability.capture import Capture
from app.settings import Settings
from modelctl.packaging.rows import read_rows
from tests import trained

Row = dict[str, Any]
Change = Callable[[Row, random.Random], None]
REQUEST_ROWS = 50


@functools.cache
def bundle(name: str) -> Bundle:
    return verify(trained.bundle(name))


def sample_file(name: str) -> Path:
    return trained.training(name) / "sample.csv"


@functools.cache
def sample(name: str) -> list[Row]:
    """The rows that the model was packaged with."""
    return read_rows(sample_file(name), bundle(name).manifest["inputs"])


@functools.cache
def truth(name: str) -> list[str]:
    """What was true of those rows."""
    target = bundle(name).manifest["output"]["target"]
    with sample_file(name).open(newline="") as stream:
        return [row[target] for row in csv.DictReader(stream)]


def unchanged(_row: Row, _chance: random.Random) -> None:
    """Traffic like the sample."""


def capture(
    folder: Path,
    name: str,
    change: Change = unchanged,
    *,
    rows: int = 1000,
    digest: str = "",
    **environ: str,
) -> list[int]:
    """Draw rows of the sample, change and predict them; which ones were drawn, in order.

    Request `request-<n>` has rows of its own; REQUEST_ROWS each.
    """
    chance = random.Random(7)  # noqa: S311 - rows, not secrets
    served = bundle(name)
    contract = Contract.from_manifest(served.manifest)
    loaded, validator = engine.load(served, contract), Validator(contract)
    folder.mkdir(exist_ok=True)
    given = {"CAPTURE_RATIO": "1", "CAPTURE_DIR": str(folder), **environ}
    identity = {"model": name, "version": "1.0.0", "digest": digest or served.digest}
    kept = Capture(Settings.from_environ(given), contract, identity)
    kept.start_worker()
    drawn = [chance.randrange(len(sample(name))) for _ in range(rows)]
    for start in range(0, rows, REQUEST_ROWS):
        chosen = [dict(sample(name)[at]) for at in drawn[start : start + REQUEST_ROWS]]
        for row in chosen:
            change(row, chance)
        places: list[tuple[str | int, ...]] = [(at,) for at in range(len(chosen))]
        batch = validator.batch(list(chosen), places, len(chosen))
        kept.sample(batch, loaded.predict(batch).values, f"request-{start // REQUEST_ROWS}")
    kept.close()
    return drawn


def write_labels(path: Path, name: str, drawn: list[int]) -> Path:
    """The labels of drawn rows, as somebody would hand them in."""
    lines = ["request_id,row,label"]
    for number, at in enumerate(drawn):
        request, row = divmod(number, REQUEST_ROWS)
        lines.append(f"request-{request},{row},{truth(name)[at]}")
    path.write_text("\n".join(lines) + "\n")
    return path


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The features of a report in JSON."""
    return {feature["name"]: feature for feature in document["features"]}


def read_json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found
