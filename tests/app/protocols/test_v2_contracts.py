"""The Open Inference Protocol over contracts that no sample model has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from app.errors import RequestError
from app.model.contract import Contract, Output
from app.model.feature import Feature
from app.model.prediction import Prediction
from app.model.validation import Validator
from app.protocols.v2 import V2
from tests.app.protocols.tensors import column

if TYPE_CHECKING:
    pass


def make(inputs: tuple[Feature, ...], output: Output) -> V2:
    """V2 over a contract alone."""
    contract = Contract(inputs, output)
    return V2("m", "1", contract, Validator(contract), 10)


def feature(name: str, dtype: Any, missing: Any = "allow") -> Feature:
    """A feature without a range."""
    return Feature(name, dtype, None, None, None, missing)


MIXED = (feature("on", "boolean"), feature("count", "integer"), feature("size", "float", "refuse"))
REGRESSOR = Output("regressor", "y", None, probabilities=False)


def test_booleans_and_integers_come_as_columns_or_in_one_matrix() -> None:
    protocol = make(MIXED, REGRESSOR)
    announced = protocol.metadata("sklearn")
    assert [entry["datatype"] for entry in announced["inputs"]] == ["BOOL", "INT64", "FP64"]
    assert announced["outputs"] == [{"name": "predict", "datatype": "FP64", "shape": [-1]}]
    columns = [
        column("on", [True, False, None], "BOOL"),
        column("count", [3, None, 5], "INT32"),
        column("size", [1.5, 2.5, 3.5]),
    ]
    one = {
        "name": "x",
        "datatype": "FP32",
        "shape": [3, 3],
        "data": [1, 3, 1.5, 0, None, 2.5, None, 5, 3.5],
    }
    batches = [
        protocol.read(json.dumps({"inputs": inputs}).encode(), None).batch.matrix
        for inputs in (columns, [one])
    ]
    expected = [[1, 3, 1.5], [0, np.nan, 2.5], [np.nan, 5, 3.5]]
    np.testing.assert_array_equal(batches[0], expected)
    np.testing.assert_array_equal(batches[1], expected)


def test_wrong_booleans_and_integers_are_named() -> None:
    body = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 3], "data": [2, 0.5, 1]}]}
    with pytest.raises(RequestError) as refused:
        make(MIXED, REGRESSOR).read(json.dumps(body).encode(), None)
    texts = {error.loc[-1]: error.msg for error in refused.value.errors}
    assert texts == {
        "on": "expected true or false, found a number",
        "count": "expected an integer, found a number",
    }


def test_a_regressor_answers_numbers() -> None:
    protocol = make(MIXED[2:], REGRESSOR)
    call = protocol.read(json.dumps({"inputs": [column("size", [1.0, 2.0])]}).encode(), None)
    document = json.loads(call.write(Prediction([1.5, 2.5], None), "r").body)
    (output,) = document["outputs"]
    assert output == {"name": "predict", "datatype": "FP64", "shape": [2], "data": [1.5, 2.5]}


def test_a_single_feature_may_be_called_by_its_name_or_not() -> None:
    protocol = make(MIXED[2:], REGRESSOR)
    for name in ("size", "input-0"):
        tensor = {"name": name, "datatype": "FP32", "shape": [2, 1], "data": [[1], [2]]}
        call = protocol.read(json.dumps({"inputs": [tensor]}).encode(), None)
        assert call.batch.matrix.tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("classes", "datatype", "data"),
    [
        ((0, 1), "INT64", [1, 0]),
        ((False, True), "BOOL", [True, False]),
        ((0.5, 1.5), "FP64", [1.5, 0.5]),
        (("a", "b"), "BYTES", ["b", "a"]),
        (("a", 1), "BYTES", ["1", "a"]),
    ],
)
def test_labels_have_the_datatype_of_the_classes(
    classes: tuple[Any, ...], datatype: str, data: list[Any]
) -> None:
    protocol = make(MIXED[2:], Output("classifier", "y", classes, probabilities=False))
    assert protocol.metadata("onnx")["outputs"][0]["datatype"] == datatype
    call = protocol.read(json.dumps({"inputs": [column("size", [1.0, 2.0])]}).encode(), None)
    document = json.loads(call.write(Prediction([classes[1], classes[0]], None), "r").body)
    assert document["outputs"][0] == {
        "name": "predict",
        "datatype": datatype,
        "shape": [2],
        "data": data,
    }


def test_free_text_keeps_an_empty_string() -> None:
    protocol = make((feature("words", "string"),), REGRESSOR)
    body = {"inputs": [column("words", ["", "a b", None], "BYTES")]}
    batch = protocol.read(json.dumps(body).encode(), None).batch
    assert batch.text == {"words": ["", "a b", None]}
