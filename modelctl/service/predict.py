"""Predict the rows of a file by a running service, in batches, over several connections."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from modelctl.packaging.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelctl.service.client import Client


@dataclass(frozen=True)
class Job:
    """What is to be predicted: rows in batches, by which model."""

    model: str
    classes: list[Any] | None
    batches: list[list[dict[str, Any]]]

    @property
    def rows(self) -> int:
        """How many rows there are in all."""
        return sum(map(len, self.batches))


def prepare(client: Client, path: Path, batch_rows: int) -> Job:
    """Ask the service for its contract and read the file by it. Raises ModelctlError."""
    info = client.get("/model/info")
    rows = read_rows(path, info["inputs"])
    batches = [rows[at : at + batch_rows] for at in range(0, len(rows), batch_rows)]
    return Job(f"{info['name']} {info['version']}", info["output"]["classes"], batches)


def run(
    client: Client, job: Job, *, connections: int, done: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Every prediction in the order of the rows; `done` is told how many rows came back.

    Raises ModelctlError at the first batch that is refused.
    """

    def one(batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answer = client.post("/predict/batch", {"instances": batch})
        done(len(batch))
        predictions: list[dict[str, Any]] = answer["predictions"]
        return predictions

    with ThreadPoolExecutor(connections) as pool:
        try:
            return [entry for part in pool.map(one, job.batches) for entry in part]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def write_csv(predictions: list[dict[str, Any]], classes: list[Any] | None, out: TextIO) -> None:
    """One line per row: the prediction, and a column per class where there are probabilities."""
    with_probability = classes is not None and "probability" in predictions[0]
    names = [f"probability_{name}" for name in classes or []] if with_probability else []
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["prediction", *names])
    for entry in predictions:
        writer.writerow([entry["prediction"], *(entry["probability"] if with_probability else [])])
