"""The requests of a load test: rows of a file, of captures, or the service's own example."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.protocols.grpc.messages import message
from app.protocols.tensors import BOOL, BYTES, INTEGERS, write_raw
from modelctl.drift import captured
from modelctl.errors import ModelctlError
from modelctl.packaging.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from modelctl.service.client import Client

    Row = dict[str, Any]

# More bodies than this would only take memory.
MAX_REQUESTS = 10_000


@dataclass(frozen=True)
class Model:
    """The model of a service, as it says itself."""

    name: str
    version: str
    inputs: list[dict[str, Any]]

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


def model_of(client: Client) -> Model:
    """Ask a service what it serves. Raises ModelctlError."""
    info = client.get("/model/info")
    return Model(str(info["name"]), str(info["version"]), list(info["inputs"]))


def rows_of(client: Client, model: Model, file: Path | None, captures: Sequence[Path]) -> list[Row]:
    """Rows by feature name. Raises ModelctlError."""
    if file is not None:
        return read_rows(file, model.inputs)
    if captures:
        names = {str(feature["name"]) for feature in model.inputs}
        rows = [row["features"] for row in captured.rows(captures)]
        usable = [row for row in rows if set(row) == names]
        if not usable:
            raise ModelctlError(
                "no captured row has every feature of the model",
                expected=", ".join(sorted(names)),
                found=f"{len(rows)} rows",
                fix="excluded features are not captured; use --file",
            )
        return usable
    example = client.get("/openapi.json")["components"]["schemas"]["NamedRow"].get("examples")
    if not example:
        raise ModelctlError(
            f"{model.title} has no example row",
            fix="pass rows with --file or --capture",
        )
    return list(example)


def chunks(rows: list[Row], batch_rows: int) -> list[list[Row]]:
    """Rows in groups of one request each; all of the same size, the first rows once more."""
    short = -len(rows) % batch_rows
    repeated = [*rows, *(rows[at % len(rows)] for at in range(short))]
    return [
        repeated[at : at + batch_rows]
        for at in range(0, min(len(repeated), MAX_REQUESTS * batch_rows), batch_rows)
    ]


def bodies(groups: list[list[Row]]) -> list[bytes]:
    """Bodies of /predict/batch, or of /predict for groups of one row."""
    if len(groups[0]) == 1:
        return [json.dumps({"features": row}).encode() for (row,) in groups]
    return [json.dumps({"instances": rows}).encode() for rows in groups]


def path_of(groups: list[list[Row]]) -> str:
    """The route of the bodies."""
    return "/predict" if len(groups[0]) == 1 else "/predict/batch"


def messages(client: Client, model: Model, groups: list[list[Row]]) -> list[bytes]:
    """Messages of ModelInfer, with a tensor for each feature. Raises ModelctlError."""
    tensors = client.get(f"/v2/models/{model.name}")["inputs"]
    return [_message(model, tensors, rows) for rows in groups]


def _message(model: Model, tensors: list[Any], rows: list[Row]) -> bytes:
    request = message("inference.ModelInferRequest")()
    request.model_name = model.name
    for tensor in tensors:
        name, datatype = tensor["name"], tensor["datatype"]
        added = request.inputs.add(name=name, datatype=datatype)
        added.shape.append(len(rows))
        request.raw_input_contents.append(_raw(name, datatype, [row[name] for row in rows]))
    return bytes(request.SerializeToString())


def _raw(name: str, datatype: str, values: list[Any]) -> bytes:
    if None not in values:
        return write_raw(datatype, values)
    if datatype in (BYTES, BOOL, *INTEGERS):
        raise ModelctlError(
            f"a tensor of {datatype} cannot have missing values: {name}",
            fix="leave out those rows, or use --protocol http",
        )
    return write_raw(datatype, [float("nan") if value is None else value for value in values])
