"""The example row of a contract: valid, made of the contract alone, and nothing of the sample."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from app.model.contract import DTYPES, Contract, Feature, Output
from app.model.examples import PLACEHOLDERS, example_row
from app.model.validation import MAX_FLOAT, Validator
from app.openapi.examples import MAX_EXAMPLE_BYTES, example_bodies, small_examples
from tests.app.protocols.test_native import post

if TYPE_CHECKING:
    from flask.testing import FlaskClient

OUTPUT = Output("regressor", "y", None, probabilities=False)
NUMBER = Feature("x", "float", None, None, None, "refuse")
WORD = Feature("x", "string", None, None, None, "refuse")


@dataclass(frozen=True)
class Marked(Feature):
    """A feature with the user's own word on it."""

    example: Any = None
    sensitive: bool = False


def example(feature: Feature) -> Any:
    """The example of one feature, which validation accepts."""
    contract = Contract((feature,), OUTPUT)
    row = example_row(contract)
    Validator(contract).batch([row], [("features",)], 1)
    return row[0]


def marked(feature: Feature, **more: Any) -> Feature:
    return Marked(**vars(feature), **more)


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
        (replace(NUMBER, dtype="boolean", min=0.0, max=1.0), True),
        (WORD, "text"),
        (replace(WORD, categories=("b", "a")), "b"),
        (marked(replace(NUMBER, min=0.0, max=1.0), example=0.25), 0.25),
        (marked(replace(WORD, categories=("b", "a")), example="a"), "a"),
        (marked(replace(NUMBER, min=4.0, max=8.0), sensitive=True), 0.0),
        (marked(replace(WORD, categories=("b",), missing="allow"), sensitive=True), None),
        (marked(WORD, sensitive=True), "text"),
        (marked(WORD, sensitive=True, example="a name"), "a name"),
    ],
)
def test_the_example_of_a_feature_is_valid(feature: Feature, expected: Any) -> None:
    assert example(feature) == expected
    assert type(example(feature)) is type(expected)


def test_every_dtype_has_a_placeholder() -> None:
    assert set(PLACEHOLDERS) >= set(DTYPES)


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
@pytest.mark.parametrize("pattern", bodies(1))
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
