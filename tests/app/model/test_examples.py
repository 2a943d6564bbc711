"""The example row of a contract: valid, made of the contract alone, and nothing of the sample."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import pytest

from app.model.contract import Contract, Output
from app.model.converters import MAX_FLOAT
from app.model.examples import PLACEHOLDERS, example_row
from app.model.feature import Dtype, Feature
from app.model.validation import Validator
from app.openapi.examples import MAX_EXAMPLE_BYTES, example_bodies, small_examples
from tests.app.protocols.test_native import post

if TYPE_CHECKING:
    from flask.testing import FlaskClient

OUTPUT = Output("regressor", "y", None, probabilities=False)
NUMBER = Feature("x", "float", None, None, None, "refuse")
WORD = Feature("x", "string", None, None, None, "refuse")


def example(feature: Feature) -> Any:
    """The example of one feature, which validation accepts."""
    contract = Contract((feature,), OUTPUT)
    row = example_row(contract)
    Validator(contract).batch([row], [("features",)], 1)
    return row[0]


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (NUMBER, 0.0),
        (replace(NUMBER, min=4.3, max=7.9), 6.1),
        (replace(NUMBER, min=-1.0, max=2.0), 0.5),
        (replace(NUMBER, min=1 / 3, max=1 / 3), 1 / 3),
        (replace(NUMBER, min=1e9, max=1e9 + 1), 1e9),
        (replace(NUMBER, min=-MAX_FLOAT, max=MAX_FLOAT), 0.0),
        (replace(NUMBER, dtype="integer"), 0),
        (replace(NUMBER, dtype="integer", min=1.0, max=4.0), 2),
        (replace(NUMBER, dtype="integer", min=-3.0, max=-2.0), -3),
        (replace(NUMBER, dtype="boolean"), True),
        (replace(NUMBER, categories=(2.0, 5.0), min=2.0, max=5.0), 2.0),
        (replace(NUMBER, dtype="integer", categories=(7, 9), min=7.0, max=9.0), 7),
        (replace(NUMBER, min=0.0, max=10.0, range=(8.0, 9.0)), 8.5),
        (replace(NUMBER, min=0.0, max=10.0, range=(20.0, 30.0)), 20.0),
        (replace(NUMBER, range=(5.0, None)), 5.0),
        (replace(NUMBER, range=(None, -5.0)), -5.0),
        (replace(NUMBER, min=1.0, max=3.0, range=(None, 2.0)), 2.0),
        (replace(NUMBER, dtype="integer", range=(3.0, 4.0)), 3),
        (replace(NUMBER, dtype="integer", range=(2.5, 3.5)), 3),
        (replace(NUMBER, min=4.0, max=8.0, range=(1.0, 9.0), sensitive=True), 5.0),
        (replace(NUMBER, dtype="datetime"), "2026-01-31T12:00:00Z"),
        (replace(NUMBER, dtype="datetime", min=0.0, max=2 * 86_400e6), "1970-01-02T00:00:00Z"),
        (replace(NUMBER, dtype="datetime", min=-86_400e6, max=1.0), "1969-12-31T12:00:00Z"),
        (
            replace(NUMBER, dtype="datetime", min=0.0, max=1e15, sensitive=True),
            "2026-01-31T12:00:00Z",
        ),
        (replace(WORD, categories=("secret",), unseen="pass"), "text"),
        (replace(NUMBER, dtype="boolean", min=0.0, max=1.0), True),
        (WORD, "text"),
        (replace(WORD, categories=("b", "a")), "b"),
        (replace(replace(NUMBER, min=0.0, max=1.0), example=0.25), 0.25),
        (replace(replace(WORD, categories=("b", "a")), example="a"), "a"),
        (replace(replace(NUMBER, min=4.0, max=8.0), sensitive=True), 0.0),
        (replace(replace(WORD, categories=("b",), missing="allow"), sensitive=True), None),
        (replace(WORD, sensitive=True), "text"),
        (replace(WORD, sensitive=True, example="a name"), "a name"),
    ],
)
def test_the_example_of_a_feature_is_valid(feature: Feature, expected: Any) -> None:
    assert example(feature) == expected
    assert type(example(feature)) is type(expected)


def test_every_dtype_has_a_placeholder() -> None:
    assert set(PLACEHOLDERS) >= set(get_args(Dtype))


def bodies(columns: int) -> dict[str, Any]:
    features = tuple(replace(NUMBER, name=f"feature_{index}") for index in range(columns))
    contract = Contract(features, OUTPUT)
    tensors = [{"name": feature.name, "datatype": "FP64"} for feature in features]
    return example_bodies(contract, example_row(contract), tensors)


def test_an_error_of_a_wide_model_stays_small() -> None:
    assert small_examples(bodies(3)).keys() == bodies(3).keys()
    assert small_examples(bodies(5000)) == {}
    for columns in (50, 100, 200):
        for body in small_examples(bodies(columns)).values():
            assert len(body) <= MAX_EXAMPLE_BYTES


PATHS = {
    "/predict": "/predict",
    "/predict/batch": "/predict/batch",
    "/invocations": "/invocations",
    "/v1/models/<model>:predict": "/v1/models/{model}:predict",
    "/v2/models/<model>/infer": "/v2/models/{model}/infer",
    "/v2/models/<model>/versions/<version>/infer": "/v2/models/{model}/versions/1.0.0/infer",
}


@pytest.mark.parametrize("model", ["iris", "penguins"])
@pytest.mark.parametrize("pattern", PATHS)
@pytest.mark.parametrize("body", [b"{", b"{}", b"\xff\xfe{\0}\0", b'{"instances": [[]]}'])
def test_a_refused_body_shows_one_that_is_answered(
    request: pytest.FixtureRequest, model: str, pattern: str, body: bytes
) -> None:
    client: FlaskClient = request.getfixturevalue(model)
    path = PATHS[pattern].format(model=model)
    refused = post(client, body, path)
    assert refused.status_code in (400, 422)
    answered = post(client, refused.get_json()["example"], path)
    assert answered.status_code == 200, answered.text


def test_another_media_type_is_shown_a_body_as_well(iris: FlaskClient) -> None:
    refused = iris.post("/predict", data=b"<x/>", content_type="application/xml")
    assert refused.status_code == 415
    assert post(iris, refused.get_json()["example"]).status_code == 200


def test_what_is_wrong_elsewhere_shows_no_body(iris: FlaskClient) -> None:
    for response in (
        iris.get("/nowhere"),
        post(iris, b"{}", **{"X-Request-Timeout-Ms": "x"}),
        post(iris, b"{}", **{"Content-Encoding": "gzip"}),
        post(iris, {}, "/v2/models/other/infer"),
    ):
        assert 400 <= response.status_code < 500
        assert "example" not in response.get_json()


def test_examples_of_the_document_are_those_of_the_contract(penguins: FlaskClient) -> None:
    document = penguins.get("/openapi.json").get_json()
    (named,) = document["components"]["schemas"]["NamedRow"]["examples"]
    assert named == {
        "bill_length_mm": 45.85,
        "bill_depth_mm": 17.3,
        "flipper_length_mm": 201.5,
        "body_mass_g": 4500.0,
        "island": "Biscoe",
        "sex": "female",
    }
    shown = json.dumps(document)
    # The first row of the sample: a male of Torgersen with 3,750 g.
    assert "3750" not in shown
    assert "39.1" not in shown
