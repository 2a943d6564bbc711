"""The Open Inference Protocol: everything that is wrong with a JSON body is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.app.protocols.tensors import (
    INFER,
    NUMBERS,
    ONE_OF,
    SOME,
    UNKNOWN,
    column,
    iris_columns,
    matrix,
)
from tests.app.protocols.test_native import ROW, TOO_MANY, errors, post

if TYPE_CHECKING:
    from flask.testing import FlaskClient


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], {"": "expected an object, found a list"}),
        ({}, {"inputs": SOME}),
        ({"inputs": []}, {"inputs": SOME}),
        ({"inputs": {"a": 1}}, {"inputs": SOME}),
        (
            {"id": 7, "outputs": {}, "inputs": iris_columns()},
            {
                "id": "expected a string, found a number",
                "outputs": "expected a list, found an object",
            },
        ),
        (
            {"inputs": [1, {"name": "", "shape": [1.5], "datatype": ["x"]}, *iris_columns()]},
            {
                "inputs.0": "expected an object, found a number",
                "inputs.1.name": "expected the name of an input",
                "inputs.1.datatype": ONE_OF,
                "inputs.1.shape": "expected a list of integers >= 0",
                "inputs.1": "expected either `data` or binary_data_size, found neither",
            },
        ),
        (
            {"inputs": [*iris_columns()[2:], column("colour", [1.0])]},
            {
                "inputs.colour": UNKNOWN,
                "inputs.sepal_length": "missing",
                "inputs.sepal_width": "missing",
            },
        ),
        (
            {
                "parameters": 7,
                "inputs": iris_columns(petal_width={"parameters": "x"}),
                "outputs": [{"name": "predict", "parameters": []}],
            },
            {
                "parameters": "expected an object, found a number",
                "inputs.petal_width.parameters": "expected an object, found a string",
                "outputs.predict.parameters": "expected an object, found a list",
            },
        ),
        (
            {"inputs": [*iris_columns(), column("petal_width", [1.0])]},
            {"inputs.petal_width": "duplicate tensor"},
        ),
        (
            {
                "inputs": iris_columns(
                    sepal_length={"datatype": "BYTES", "data": ["5.1"]},
                    sepal_width={"datatype": "BOOL", "data": [True]},
                    petal_length={"shape": [1, 2], "data": [1, 2]},
                    petal_width={"data": [None]},
                )
            },
            {
                "inputs.sepal_length.datatype": f"{NUMBERS} BYTES",
                "inputs.sepal_width.datatype": f"{NUMBERS} BOOL",
                "inputs.petal_length.shape": "expected [n] or [n, 1], found [1, 2]",
                "inputs.petal_width.0": "expected a value, found null",
            },
        ),
        (
            {"inputs": iris_columns(sepal_width={"shape": [2], "data": [1, 2]})},
            {"inputs": "expected the same number of rows in every tensor, found 1, 2"},
        ),
        (
            {"inputs": iris_columns(sepal_width={"shape": []}, petal_width={"shape": [1, 1, 1]})},
            {
                "inputs.sepal_width.shape": "expected [n] or [n, 1], found []",
                "inputs.petal_width.shape": "expected [n] or [n, 1], found [1, 1, 1]",
            },
        ),
        (
            {"inputs": iris_columns(petal_width={"data": [1, 2], "parameters": {}})},
            {"inputs.petal_width.data": "expected 1 elements for shape [1], found 2"},
        ),
        (
            {"inputs": [column(f"x{i}", [1.0]) for i in range(105)]},
            {"inputs": "expected a list of 1 to 4 tensors, found 105"},
        ),
        (
            {"inputs": iris_columns(), "outputs": [7] * 103},
            {"outputs": "expected at most 2, found 103"},
        ),
        (
            {"inputs": [{**matrix([ROW]), "name": "x" * 1001, "shape": [1] * 9}]},
            {
                f"inputs.{'x' * 100}.name": "expected the name of an input",
                f"inputs.{'x' * 100}.shape": "expected a list of integers >= 0",
            },
        ),
        (
            {"inputs": iris_columns(petal_width={"data": ["x"], "shape": [1]})},
            {"inputs.petal_width.data": "expected FP64 elements, found others at index 0"},
        ),
        (
            {"inputs": iris_columns(petal_width={"data": [1e39]})},
            {"inputs.petal_width.0": "expected a number in the range of float32"},
        ),
        (
            {"inputs": [matrix([[1.0, 2.0, 3.0]])]},
            {"inputs.input-0.shape": "expected [n, 4], found [1, 3]"},
        ),
        (
            {"inputs": [{**matrix([ROW]), "datatype": "BYTES", "data": ["a"] * 4}]},
            {"inputs.input-0.datatype": "expected a numeric datatype, found BYTES"},
        ),
        (
            {"inputs": [matrix([[1.0, None, 3.0, 1e39]])]},
            {
                "inputs.input-0.0.sepal_width": "expected a value, found null",
                "inputs.input-0.0.petal_width": "expected a number in the range of float32",
            },
        ),
        (
            {"inputs": [matrix([ROW] * 101)]},
            {"inputs.input-0": f"expected 1 to 100 rows, found 101{TOO_MANY}"},
        ),
        (
            {"inputs": [{**matrix([ROW]), "shape": [0, 4], "data": []}]},
            {"inputs.input-0": "expected 1 to 100 rows, found 0"},
        ),
        (
            {"inputs": [{**matrix([ROW]), "shape": [2**62, 4]}]},
            {"inputs.input-0": f"expected 1 to 100 rows, found {2**62}{TOO_MANY}"},
        ),
        (
            {
                "inputs": iris_columns(),
                "outputs": [
                    {"name": "predict"},
                    {"name": "predict"},
                    {"name": "decision"},
                    7,
                    {"name": "predict_proba", "parameters": {"classification": 2}},
                ],
            },
            {
                "outputs.1.name": "expected one of predict, predict_proba, each at most once",
                "outputs.2.name": "expected one of predict, predict_proba, each at most once",
                "outputs.3.name": "expected one of predict, predict_proba, each at most once",
                "outputs.predict_proba.classification": "not supported: omit this parameter",
            },
        ),
        (
            {
                "inputs": iris_columns(
                    petal_width={"parameters": {"shared_memory_region": "x"}, "data": [1]}
                )
            },
            {
                "inputs.petal_width": "shared memory is not supported: send the data in the body"
            },
        ),
    ],
)  # fmt: skip
def test_every_problem_of_a_json_body_is_named(
    iris: FlaskClient, document: Any, expected: dict[str, str]
) -> None:
    response = post(iris, document, INFER)
    assert response.status_code == 422
    assert dict(errors(response)) == expected
    assert all(text in response.get_json()["error"] for text in expected.values())
