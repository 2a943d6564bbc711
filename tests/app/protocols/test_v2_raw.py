"""The Open Inference Protocol's raw tensors: read, written, and never believed."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from app.protocols.frames import HEADER
from tests.app.protocols.tensors import (
    INFER,
    NUMBERS,
    ONE_OF,
    SIZE,
    UNREADABLE,
    described,
    iris_columns,
    outputs,
    raw_matrix,
    send_raw,
    sized,
)
from tests.app.protocols.test_native import NAMED, ROW, TOO_MANY, errors, post

if TYPE_CHECKING:
    from flask.testing import FlaskClient


@pytest.mark.parametrize(("datatype", "code"), [("FP64", "<f8"), ("FP32", "<f4"), ("FP16", "<f2")])
def test_raw_numbers_are_read(iris: FlaskClient, datatype: str, code: str) -> None:
    response = send_raw(iris, [raw_matrix([ROW, ROW], datatype, code)])
    assert outputs(response)["predict"]["data"] == ["setosa", "setosa"]


def test_raw_and_json_inputs_and_outputs_may_be_mixed(iris: FlaskClient) -> None:
    raw, *rest = iris_columns()
    del raw["data"]
    head = json.dumps(
        {
            "inputs": [{**raw, "parameters": {"binary_data_size": 8}}, *rest],
            "outputs": [
                {"name": "predict_proba"},
                {"name": "predict", "parameters": {"binary_data": True}},
            ],
        }
    ).encode()
    body = head + struct.pack("<d", 5.1)
    response = iris.post(INFER, data=body, headers={HEADER: str(len(head))})
    assert response.content_type == "application/octet-stream"
    length = int(response.headers[HEADER])
    first, second = json.loads(response.data[:length])["outputs"]
    assert (first["name"], len(first["data"])) == ("predict_proba", 3)
    assert second["parameters"] == {"binary_data_size": 10}
    assert response.data[length:] == b"\x06\0\0\0setosa"


def test_binary_data_output_asks_for_all_outputs_as_bytes(iris: FlaskClient) -> None:
    document = {"parameters": {"binary_data_output": True}}
    response = send_raw(iris, [raw_matrix([ROW], "FP64", "<f8")], document=document)
    length = int(response.headers[HEADER])
    sizes = [
        entry["parameters"]["binary_data_size"]
        for entry in json.loads(response.data[:length])["outputs"]
    ]
    assert sizes == [10, 24]
    probabilities = np.frombuffer(response.data[length + 10 :], "<f8").tolist()
    assert probabilities == post(iris, {"features": ROW}).get_json()["probability"]


EIGHT = b"\0" * 8
REMAINING = "binary_data_size: expected at most the remaining 32 bytes, found"
REST = [(described(name), EIGHT) for name in list(NAMED)[1:]]


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        pytest.param(
            [(described("sepal_length", **sized(80)), EIGHT), *REST],
            {"inputs.sepal_length": f"{REMAINING} 80"},
            id="claims-more-than-the-body",
        ),
        pytest.param(
            [(described("sepal_length", **sized(2**70)), EIGHT), *REST],
            {"inputs.sepal_length": SIZE},
            id="claims-beyond-64-bits",
        ),
        pytest.param(
            [(described("sepal_length", **sized(2**63 - 1)), EIGHT), *REST],
            {"inputs.sepal_length": f"{REMAINING} {2**63 - 1}"},
            id="claims-64-bits",
        ),
        pytest.param(
            [(described("sepal_length", shape=[2**63 - 1, 2**63 - 1]), EIGHT), *REST],
            {"inputs": f"expected the same number of rows in every tensor, found 1, {2**63 - 1}",
             "inputs.sepal_length": f"expected 1 to 100 rows, found {2**63 - 1}{TOO_MANY}",
             "inputs.sepal_length.shape": f"expected [n] or [n, 1], found {[2**63 - 1] * 2}"},
            id="shape-overflows",
        ),
        pytest.param(
            [(described("sepal_length", **sized(4)), EIGHT[:4]), *REST],
            {"inputs.sepal_length":
             "binary_data_size: expected 8 bytes for 1 elements of FP64, found 4"},
            id="fewer-bytes-than-the-shape",
        ),
        pytest.param(
            [(described("sepal_length", **sized(-8)), b""), *REST],
            {"inputs.sepal_length": SIZE},
            id="negative-size",
        ),
        pytest.param(
            [(described("sepal_length", data=[5.1]), EIGHT), *REST],
            {"inputs.sepal_length": "expected either `data` or binary_data_size, found both"},
            id="data-and-bytes",
        ),
        pytest.param(
            [(described("sepal_length", "BYTES"), b"\x09\0\0\0abcd"), *REST],
            {"inputs.sepal_length.datatype": f"{NUMBERS} BYTES"},
            id="wrong-datatype",
        ),
        pytest.param(
            [(described("sepal_length", "INT128"), EIGHT), *REST],
            {"inputs.sepal_length.datatype": ONE_OF},
            id="no-datatype",
        ),
        pytest.param(
            [(described("sepal_length"), struct.pack("<d", float("nan"))),
             (described("sepal_width"), struct.pack("<d", float("inf"))), *REST[1:]],
            {"inputs.sepal_length.0": "expected a value, found null",
             "inputs.sepal_width.0": "expected a number in the range of float32"},
            id="not-finite",
        ),
    ],
)  # fmt: skip
def test_every_problem_of_a_raw_body_is_named(
    iris: FlaskClient, tensors: list[tuple[dict[str, Any], bytes]], expected: dict[str, str]
) -> None:
    response = send_raw(iris, tensors)
    assert response.status_code in (400, 422)
    assert dict(errors(response)) == expected


def test_bytes_that_follow_the_last_tensor_are_a_400(iris: FlaskClient) -> None:
    response = send_raw(iris, [raw_matrix([ROW], "FP64", "<f8")], extra=b"xyz")
    assert response.status_code == 400
    assert (
        response.get_json()["error"]
        == f"{UNREADABLE}: inputs: expected no bytes after the last tensor, found 3"
    )


@pytest.mark.parametrize("cut", [1, 8, 31, 32])
def test_a_truncated_body_is_a_400(iris: FlaskClient, cut: int) -> None:
    described, raw = raw_matrix([ROW], "FP64", "<f8")
    response = send_raw(iris, [({**described, **sized(32)}, raw[:-cut])])
    assert response.status_code == 400
    left = f"binary_data_size: expected at most the remaining {32 - cut} bytes, found 32"
    assert response.get_json()["error"] == f"{UNREADABLE}: inputs.input-0: {left}"


@pytest.mark.parametrize("length", ["-1", "x", "", "1e3", "99999999", "9" * 5000, "\u0663", "1.0"])
def test_a_header_length_that_lies_is_a_400(iris: FlaskClient, length: str) -> None:
    tensor = raw_matrix([ROW], "FP64", "<f8")
    response = send_raw(iris, [tensor], **{HEADER: length})
    assert response.status_code == 400
    assert response.get_json()["error"].startswith(f"{UNREADABLE}: {HEADER}: expected the length")


@pytest.mark.parametrize("length", ["0", "10"])
def test_a_header_length_that_cuts_the_json_is_a_400(iris: FlaskClient, length: str) -> None:
    response = send_raw(iris, [raw_matrix([ROW], "FP64", "<f8")], **{HEADER: length})
    assert (response.status_code, response.get_json()["title"]) == (
        400,
        "The body is not valid JSON",
    )


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"Content-Type": "text/html"}, "found text/html"),
        ({"Content-Encoding": "br"}, "expected gzip, deflate or identity, found br"),
    ],
)
def test_other_content_types_and_encodings_are_a_415(
    iris: FlaskClient, headers: dict[str, str], text: str
) -> None:
    response = iris.post(INFER, data=b"{}", headers=headers)
    assert response.status_code == 415
    assert text in response.get_json()["error"]


def test_random_bytes_are_never_a_server_error(iris: FlaskClient) -> None:
    described, raw = raw_matrix([ROW, ROW], "FP64", "<f8")
    head = json.dumps({"inputs": [{**described, **sized(len(raw))}]}).encode()
    body = head + raw
    seen = set()
    generator = np.random.default_rng(7)
    for _ in range(1500):
        broken = bytearray(body)
        for _ in range(generator.integers(1, 4)):
            broken[generator.integers(len(broken))] = generator.integers(256)
        cut = generator.integers(len(broken) // 2, len(broken) + 1)
        response = iris.post(INFER, data=bytes(broken[:cut]), headers={HEADER: str(len(head))})
        seen.add(response.status_code)
    assert seen <= {200, 400, 422}
    assert len(seen) == 3
