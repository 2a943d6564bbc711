"""How each protocol says the same things, so that one test can break them all in the same way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.app.protocols.test_native import NAMED, post

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse


@dataclass(frozen=True)
class Protocol:
    """How one protocol says the same things."""

    path: str
    # The text of a good iris document with other texts in place of its first value and of its rows.
    text: str
    rows: Callable[[list[Any]], Any]
    # Where the protocol says that the first value, and the rows, are.
    value_place: str
    rows_place: str

    def send(self, client: FlaskClient, document: Any, model: str = "iris") -> TestResponse:
        """Ask the model."""
        return post(client, document, self.path.format(model=model))

    def value(self, text: str) -> bytes:
        """A document whose first value is this text."""
        return self.text.replace("5.1", text, 1).encode()


def columns(rows: list[Any]) -> dict[str, Any]:
    """V2's form of named rows: one tensor per feature of the first row."""
    return {
        "inputs": [
            {
                "name": name,
                "datatype": "BYTES" if isinstance(value, str) else "FP64",
                "shape": [len(rows)],
                "data": [row[name] for row in rows],
            }
            for name, value in rows[0].items()
        ]
    }


def matrix(rows: list[Any]) -> dict[str, Any]:
    """V2's form of positional rows."""
    width = len(rows[0]) if rows else 4
    data = [value for row in rows for value in row]
    shape = [len(rows), width]
    return {"inputs": [{"name": "x", "datatype": "FP64", "shape": shape, "data": data}]}


def tensors(rows: list[Any]) -> dict[str, Any]:
    """V2's form of rows of either kind."""
    return columns(rows) if rows and isinstance(rows[0], dict) else matrix(rows)


def instances(rows: list[Any]) -> dict[str, Any]:
    """The form of rows in V1 and on /predict."""
    return {"instances": rows}


def split(rows: list[Any]) -> dict[str, Any]:
    """MLflow's form of rows of either kind."""
    is_named = rows and isinstance(rows[0], dict)
    names = list(rows[0] if is_named else NAMED)
    data = [list(row.values()) if is_named else row for row in rows]
    return {"dataframe_split": {"columns": names, "data": data}}


PROTOCOLS = {
    "one-row": Protocol(
        "/predict", '{"features": [5.1, 3.5, 1.4, 0.2]}', lambda rows: {"features": rows[0]},
        "features.0", "features",
    ),
    "rows": Protocol(
        "/predict/batch", '{"instances": [[5.1, 3.5, 1.4, 0.2]]}', instances,
        "instances.0.0", "instances",
    ),
    "split": Protocol(
        "/invocations", json.dumps(split([list(NAMED.values())])), split,
        "dataframe_split.data.0.sepal_length", "dataframe_split.data",
    ),
    "v1": Protocol(
        "/v1/models/{model}:predict", '{"instances": [[5.1, 3.5, 1.4, 0.2]]}', instances,
        "instances.0.0", "instances",
    ),
    "v2": Protocol(
        "/v2/models/{model}/infer",
        '{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 4],'
        ' "data": [5.1, 3.5, 1.4, 0.2]}]}',
        tensors, "inputs.x.0.sepal_length", "inputs.x",
    ),
}  # fmt: skip
