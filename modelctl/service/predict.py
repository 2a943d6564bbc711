"""Score the rows of a file against a running service, in batches over several connections."""

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
    """The rows to score, in batches, and the model that scores them."""

    model: str
    classes: list[Any] | None
    batches: list[list[dict[str, Any]]]

    @property
    def rows(self) -> int:
        """The total number of rows."""
        return sum(map(len, self.batches))


def prepare(client: Client, path: Path, batch_rows: int) -> Job:
    """Read the service's contract, and the file according to it. Raises ModelctlError."""
    info = client.get("/model/info")
    rows = read_rows(path, info["inputs"])
    batches = [rows[at : at + batch_rows] for at in range(0, len(rows), batch_rows)]
    return Job(f"{info['name']} {info['version']}", info["output"]["classes"], batches)


def run(
    client: Client, job: Job, *, connections: int, on_batch: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Score all rows, in order; `on_batch` gets the number of rows of each finished batch.

    Raises ModelctlError at the first refused batch.
    """

    def score(batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        response = client.post("/predict/batch", {"instances": batch})
        on_batch(len(batch))
        predictions: list[dict[str, Any]] = response["predictions"]
        return predictions

    with ThreadPoolExecutor(connections) as pool:
        try:
            return [entry for part in pool.map(score, job.batches) for entry in part]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def write_csv(predictions: list[dict[str, Any]], classes: list[Any] | None, out: TextIO) -> None:
    """Write one line per row: the prediction and, if there are any, the class probabilities."""
    has_probability = classes is not None and "probability" in predictions[0]
    names = [f"probability_{name}" for name in classes or []] if has_probability else []
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["prediction", *names])
    for entry in predictions:
        writer.writerow([entry["prediction"], *(entry["probability"] if has_probability else [])])
