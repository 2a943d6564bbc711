"""Services with a cache, in this process, and the same rows in every protocol."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any

from tritonclient.grpc import service_pb2

from app.admission import Deadline
from app.model.validation import Batch
from app.service import Service, load_service
from app.settings import Settings

Row = list[Any]


def service(bundle: Path, **environ: str) -> Service:
    """A started service, by default with a memory of a megabyte."""
    own = {"MODEL_DIR": str(bundle), "CACHE_BYTES": "1000000", **environ}
    found = load_service(Settings.from_environ(own), time.perf_counter())
    found.start_worker()
    return found


def batch(asked: Service, rows: list[Row]) -> Batch:
    """The rows as /predict reads them."""
    return asked.native.read(json.dumps({"instances": rows}).encode()).batch


def soon() -> Deadline:
    """More time than anything here takes."""
    return Deadline(60_000)


def counts(asked: Service) -> dict[str, int]:
    """What its cache has counted since it was asked last."""
    assert asked.cache is not None
    return dict(asked.cache.state().counts)


def by_protocol(asked: Service, rows: list[Row]) -> dict[str, Batch]:
    """Rows of numbers, each the way that another protocol reads them."""
    names = asked.contract.names
    width = len(names)
    flat = [float("nan") if value is None else value for row in rows for value in row]
    raw = struct.pack(f"<{len(flat)}d", *flat)
    shape = [len(rows), width]
    head = json.dumps({
        "inputs": [{"name": "input-0", "datatype": "FP64", "shape": shape,
                    "parameters": {"binary_data_size": len(raw)}}]
    }).encode()  # fmt: skip
    found = {
        "native": asked.native.read(json.dumps({"instances": rows}).encode()),
        "by name": asked.native.read(
            json.dumps({"instances": [dict(zip(names, row, strict=True)) for row in rows]}).encode()
        ),
        "invocations": asked.invocations.read(
            json.dumps({"dataframe_split": {"columns": names, "data": rows}}).encode()
        ),
        "csv": asked.invocations.read_csv(
            "\n".join(
                ",".join("" if value is None else repr(value) for value in row)
                for row in [*rows]
            ).join([",".join(names) + "\n", "\n"]).encode()
        ),
        "v1": asked.v1.read(json.dumps({"instances": rows}).encode()),
        "v2": asked.v2.read(
            json.dumps({
                "inputs": [{"name": "input-0", "datatype": "FP64", "shape": shape, "data": rows}]
            }).encode(),
            None,
        ),
        "v2 raw": asked.v2.read(head + raw, str(len(head))),
        "grpc": asked.grpc.read(_message(asked.name, shape, flat, is_raw=False)),
        "grpc raw": asked.grpc.read(_message(asked.name, shape, flat, is_raw=True)),
    }  # fmt: skip
    return {name: call.batch for name, call in found.items()}


def _message(name: str, shape: list[int], values: list[float], *, is_raw: bool) -> bytes:
    request = service_pb2.ModelInferRequest(model_name=name)
    tensor = request.inputs.add(name="input-0", datatype="FP64", shape=shape)
    if is_raw:
        request.raw_input_contents.append(struct.pack(f"<{len(values)}d", *values))
    else:
        tensor.contents.fp64_contents.extend(values)
    return bytes(request.SerializeToString())
