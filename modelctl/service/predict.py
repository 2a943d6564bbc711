"""Score the rows of a file against a running service, in batches over several connections."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from modelctl.errors import ModelctlError
from modelctl.packaging.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelctl.service.client import Client


# What explanations of one request cost at most, in predictions: several connections wait for the
# same queue, each with its deadline.
EXPLAINED_PREDICTIONS = 50_000


@dataclass(frozen=True)
class Job:
    """The rows to score, in batches, and the model that scores them."""

    model: str
    output: dict[str, Any]
    batches: list[list[dict[str, Any]]]
    path: str = "/predict/batch"

    @property
    def rows(self) -> int:
        """The total number of rows."""
        return sum(map(len, self.batches))


def prepare(client: Client, path: Path, batch_rows: int, *, explain: bool = False) -> Job:
    """Read the service's contract, and the file according to it. Raises ModelctlError.

    `explain`: ask for explanations, a few rows at a time as the service bounds them.
    """
    info = client.get("/model/info")
    route = "/predict/batch"
    if explain:
        batch_rows, route = min(batch_rows, _explained_rows(info)), "/explain"
    rows = read_rows(path, info["inputs"])
    batches = [rows[at : at + batch_rows] for at in range(0, len(rows), batch_rows)]
    return Job(f"{info['name']} {info['version']}", info["output"], batches, route)


def _explained_rows(info: dict[str, Any]) -> int:
    """How many rows a request may have explained. Raises ModelctlError without explanations."""
    explain = info.get("explain")
    if explain is None:
        raise ModelctlError(
            f"{info['name']} {info['version']} is not explained",
            expected="a bundle with background rows",
            fix="package it with `modelctl package --explain`, or `explain: true` in model.yaml",
        )
    few = EXPLAINED_PREDICTIONS // max(1, int(explain["evaluations"]))
    return max(1, min(few, int(explain["max_rows"])))


def run(
    client: Client, job: Job, *, connections: int, on_batch: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Score all rows, in order; `on_batch` gets the number of rows of each finished batch.

    Raises ModelctlError at the first refused batch.
    """

    def score(batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        response = client.post(job.path, {"instances": batch})
        on_batch(len(batch))
        predictions: list[dict[str, Any]] = response["predictions"]
        return predictions

    with ThreadPoolExecutor(connections) as pool:
        try:
            return [entry for part in pool.map(score, job.batches) for entry in part]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def write_csv(predictions: list[dict[str, Any]], output: dict[str, Any], out: TextIO) -> None:
    """Write one line per row: the answer, and the probabilities or scores if there are any.

    `output` is the entry of /model/info. Several targets, classes or numbers have a column each.
    """
    targets = output.get("targets") or []
    by_target = {target["name"]: target["classes"] for target in targets}
    columns = [_columns(entry, by_target or output["classes"]) for entry in predictions[:1]]
    names = list(columns[0]) if columns else ["prediction"]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for entry in predictions:
        writer.writerow(_columns(entry, by_target or output["classes"]).values())


def _columns(entry: dict[str, Any], classes: Any) -> dict[str, Any]:
    """The columns of one row by name."""
    columns = _spread("prediction", entry["prediction"], None)
    if "probability" in entry:
        columns |= _spread("probability", entry["probability"], classes)
    for key in ("decision", "score"):
        if key in entry:
            scores = entry[key]
            is_per_class = isinstance(scores, list) and len(scores) == len(classes or ())
            columns |= _spread(key, scores, classes if is_per_class else None)
    return columns


def _spread(name: str, value: Any, keys: Any) -> dict[str, Any]:
    """A column for each number of a list or an object; `keys` name those of a list."""
    if isinstance(value, dict):
        columns: dict[str, Any] = {}
        for key, inner in value.items():
            columns |= _spread(f"{name}_{key}", inner, keys[key] if keys else None)
        return columns
    if isinstance(value, list):
        return {
            f"{name}_{key}": one for key, one in zip(keys or range(len(value)), value, strict=True)
        }
    return {name: value}
