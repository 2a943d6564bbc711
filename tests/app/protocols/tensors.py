"""V2 documents and raw tensors as clients make them, for the tests of V2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from app.protocols.frames import HEADER
from tests.app.protocols.test_native import NAMED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

INFER = "/v2/models/iris/infer"
PENGUINS = "/v2/models/penguins/infer"
UNREADABLE = "The body is not the tensors it claims to be"
NUMBERS = "expected FP64 or another number type, found"
ONE_OF = (
    "expected one of: FP16, FP32, FP64, BF16, INT8, INT16, INT32, INT64, "
    "UINT8, UINT16, UINT32, UINT64, BOOL, BYTES"
)
SIZE = "binary_data_size: expected a whole number of bytes, 0 or more"
UNKNOWN = (
    "unknown input; expected one tensor for each of: sepal_length, sepal_width, petal_length, "
    "petal_width, or one tensor [n, 4] of numbers"
)
SOME = "expected a list of 1 to 4 tensors, found none"


def column(name: str, values: list[Any], datatype: str = "FP64") -> dict[str, Any]:
    """A V2 tensor of one feature as JSON."""
    return {"name": name, "datatype": datatype, "shape": [len(values)], "data": values}


def iris_columns(**changes: Any) -> list[dict[str, Any]]:
    """The four tensors of one iris row, some of them changed."""
    return [{**column(name, [value]), **changes.get(name, {})} for name, value in NAMED.items()]


def matrix(rows: Sequence[Sequence[float | None]], datatype: str = "FP64") -> dict[str, Any]:
    """One tensor for all features as JSON."""
    shape = [len(rows), len(rows[0])]
    return {"name": "input-0", "datatype": datatype, "shape": shape, "data": rows}


def send_raw(
    client: FlaskClient, tensors: list[tuple[dict[str, Any], bytes]], **changes: Any
) -> TestResponse:
    """Send tensors as raw bytes; a description may lie about its binary_data_size."""
    inputs = [
        {"parameters": {"binary_data_size": len(raw)}, **described} for described, raw in tensors
    ]
    head = json.dumps({"inputs": inputs, **changes.pop("document", {})}).encode()
    tail = b"".join(raw for _, raw in tensors) + changes.pop("extra", b"")
    headers = {HEADER: str(len(head)), **changes}
    return client.post(INFER, data=head + tail, headers=headers)


def raw_matrix(rows: list[list[float]], datatype: str, code: str) -> tuple[dict[str, Any], bytes]:
    """A tensor of all features as raw bytes."""
    described = matrix(rows, datatype)
    del described["data"]
    return described, np.array(rows, code).tobytes()


def outputs(response: TestResponse) -> dict[str, Any]:
    """The JSON outputs of an answer by name."""
    assert response.status_code == 200, response.text
    return {entry["name"]: entry for entry in response.get_json()["outputs"]}


def described(name: str, datatype: str = "FP64", **changes: Any) -> dict[str, Any]:
    """A tensor of one row without its data."""
    return {"name": name, "datatype": datatype, "shape": [1], **changes}


def sized(size: Any) -> dict[str, Any]:
    """Parameters that claim a size."""
    return {"parameters": {"binary_data_size": size}}
