"""The Open Inference Protocol over HTTP: metadata, health, and good requests in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.app.protocols.tensors import INFER, PENGUINS, column, iris_columns, matrix, outputs
from tests.app.protocols.test_native import NAMED, ROW, post
from tests.paths import ROOT

if TYPE_CHECKING:
    from flask.testing import FlaskClient


def test_the_server_says_what_it_speaks(iris: FlaskClient) -> None:
    from tomllib import loads

    document = iris.get("/v2").get_json()
    version = loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert document == {
        "name": "ml-model",
        "version": version,
        "extensions": ["binary_tensor_data"],
    }


@pytest.mark.parametrize("path", ["/v2/models/iris", "/v2/models/iris/versions/1.0.0"])
def test_metadata_lists_one_input_per_feature(iris: FlaskClient, path: str) -> None:
    assert iris.get(path).get_json() == {
        "name": "iris",
        "versions": ["1.0.0"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": name, "datatype": "FP64", "shape": [-1]} for name in NAMED],
        "outputs": [
            {"name": "predict", "datatype": "BYTES", "shape": [-1]},
            {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]},
        ],
    }


def test_metadata_of_strings_says_bytes(penguins: FlaskClient) -> None:
    inputs = penguins.get("/v2/models/penguins").get_json()["inputs"]
    datatypes = [entry["datatype"] for entry in inputs]
    assert datatypes == ["FP64", "FP64", "FP64", "FP64", "BYTES", "BYTES"]


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/iris/ready", {"name": "iris", "ready": True}),
        ("/v2/models/iris/versions/1.0.0/ready", {"name": "iris", "ready": True}),
    ],
)
def test_health_is_answered(iris: FlaskClient, path: str, document: dict[str, Any]) -> None:
    response = iris.get(path)
    assert (response.status_code, response.get_json()) == (200, document)


@pytest.mark.parametrize("tail", ["", "/ready", "/infer"])
@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("other", "Unknown model: this server has model 'iris', not 'other'"),
        ("iris/versions/2", "Unknown version: this server has version '1.0.0', not '2'"),
    ],
)
def test_another_model_or_version_is_a_404(
    iris: FlaskClient, model: str, error: str, tail: str
) -> None:
    method = "POST" if tail == "/infer" else "GET"
    response = iris.open(f"/v2/models/{model}{tail}", method=method)
    assert (response.status_code, response.get_json()["error"]) == (404, error)


def test_columns_in_any_order_answer_like_predict(iris: FlaskClient) -> None:
    native = post(iris, {"features": ROW}).get_json()
    response = post(iris, {"id": "a-1", "inputs": iris_columns()[::-1]}, INFER)
    document = response.get_json()
    assert document["id"] == "a-1"
    assert (document["model_name"], document["model_version"]) == ("iris", "1.0.0")
    assert outputs(response)["predict"] == {
        "name": "predict",
        "datatype": "BYTES",
        "shape": [1],
        "data": ["setosa"],
    }
    assert outputs(response)["predict_proba"]["shape"] == [1, 3]
    assert outputs(response)["predict_proba"]["data"] == native["probability"]


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
@pytest.mark.parametrize("flat", [True, False])
def test_one_tensor_of_all_numbers_is_accepted(
    iris: FlaskClient, datatype: str, *, flat: bool
) -> None:
    tensor = matrix([ROW, [6.7, 3.0, 5.2, 2.3]], datatype)
    if flat:
        tensor["data"] = [value for row in tensor["data"] for value in row]
    response = post(iris, {"inputs": [tensor]}, "/v2/models/iris/versions/1.0.0/infer")
    assert outputs(response)["predict"]["data"] == ["setosa", "virginica"]
    assert "id" not in response.get_json()


def test_columns_may_have_a_second_side_of_one(iris: FlaskClient) -> None:
    inputs = [{**entry, "shape": [1, 1], "data": [entry["data"]]} for entry in iris_columns()]
    assert outputs(post(iris, {"inputs": inputs}, INFER))["predict"]["data"] == ["setosa"]


@pytest.mark.parametrize("name", ["predict", "predict_proba"])
def test_outputs_select(iris: FlaskClient, name: str) -> None:
    body = {"inputs": iris_columns(), "outputs": [{"name": name, "parameters": {"x": 1}}]}
    assert list(outputs(post(iris, body, INFER))) == [name]


def test_unknown_keys_and_parameters_and_nulls_are_tolerated(iris: FlaskClient) -> None:
    inputs = [{**entry, "parameters": {"content_type": "np"}, "x": 1} for entry in iris_columns()]
    body = {"id": None, "inputs": inputs, "outputs": None, "parameters": None, "extra": [1]}
    assert outputs(post(iris, body, INFER))["predict"]["data"] == ["setosa"]


def test_null_and_empty_strings_are_missing_values(penguins: FlaskClient) -> None:
    names = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
    numbers = [column(name, [None, 40.0]) for name in names]
    texts = [column("island", ["Biscoe", "Dream"], "BYTES"), column("sex", ["", None], "BYTES")]
    rows = [[None] * 4 + ["Biscoe", None], [40.0] * 4 + ["Dream", None]]
    native = post(penguins, {"instances": rows}).get_json()["predictions"]
    answer = outputs(post(penguins, {"inputs": [*numbers, *texts]}, PENGUINS))
    assert answer["predict"]["data"] == [row["prediction"] for row in native]
    flat = [value for row in native for value in row["probability"]]
    assert answer["predict_proba"]["data"] == flat
