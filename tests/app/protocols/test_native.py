"""POST /predict: good rows in every form, and every wrong field of others named.

What is wrong with a body in every protocol alike: robustness/test_bodies.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app.model.converters import MAX_FLOAT

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

ROW = [5.1, 3.5, 1.4, 0.2]
NAMED = dict(zip(["sepal_length", "sepal_width", "petal_length", "petal_width"], ROW, strict=True))
NUMBER = "expected a number, found"
FORMS = "expected exactly one of `features`, `input` (one row) or `instances` (rows)"
PENGUIN = {
    "bill_length_mm": 39.1,
    "bill_depth_mm": 18.7,
    "flipper_length_mm": 181.0,
    "body_mass_g": 3750.0,
    "island": "Torgersen",
    "sex": "male",
}


def post(client: FlaskClient, body: Any, path: str = "/predict", **headers: str) -> TestResponse:
    """Send a document, or raw bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body)
    return client.post(path, data=data, content_type="application/json", headers=headers)


def errors(response: TestResponse) -> list[tuple[str, str]]:
    """Every wrong field of a problem document as (place, message)."""
    document = response.get_json()
    return [(".".join(map(str, entry["loc"])), entry["msg"]) for entry in document["errors"]]


@pytest.mark.parametrize(
    "body",
    [{"features": ROW}, {"input": ROW}, {"features": NAMED}, {"features": [5.1, 3.5, 1.4, 0.2]}],
)
def test_one_row_is_answered_in_every_form(iris: FlaskClient, body: dict[str, Any]) -> None:
    response = post(iris, body)
    answer = response.get_json()
    assert response.status_code == 200
    assert answer["prediction"] == "setosa"
    assert len(answer["probability"]) == 3
    assert answer["confidence"] == max(answer["probability"])
    assert sum(answer["probability"]) == pytest.approx(1.0)
    assert answer["model_version"] == "1.0.0"
    assert answer["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_rows_are_answered_in_their_order(iris: FlaskClient, path: str) -> None:
    rows = [NAMED, [6.7, 3.0, 5.2, 2.3], ROW]
    answer = post(iris, {"instances": rows}, path).get_json()
    labels = [row["prediction"] for row in answer["predictions"]]
    assert labels == ["setosa", "virginica", "setosa"]
    assert answer["model_version"] == "1.0.0"


def test_strings_and_missing_values_are_answered(penguins: FlaskClient) -> None:
    assert post(penguins, {"features": PENGUIN}).get_json()["prediction"] == "Adelie"
    unknown_sex = {**PENGUIN, "sex": None, "body_mass_g": None}
    assert post(penguins, {"features": unknown_sex}).get_json()["prediction"] == "Adelie"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([5.1, "x", 1.4, True], {"1": f"{NUMBER} a string", "3": f"{NUMBER} a boolean"}),
        ([5.1, 3.5, 1.4, None], {"3": "expected a value, found null"}),
        ([5.1, 3.5, [1.4], {}], {"2": f"{NUMBER} a list", "3": f"{NUMBER} an object"}),
        ([MAX_FLOAT * 2, 1, 1, 1], {"0": "expected a number in the range of float32"}),
        ([5.1, 3.5, 1.4], {"": "expected 4 values, found 3"}),
        ({**NAMED, "colour": 1}, {"colour": "unknown feature"}),
        ({"sepal_length": "x"}, {
            "sepal_width": "missing", "petal_length": "missing", "petal_width": "missing",
            "sepal_length": f"{NUMBER} a string",
        }),
        ("5.1", {"": "expected a list or an object, found a string"}),
    ],
)  # fmt: skip
def test_every_wrong_field_is_named(iris: FlaskClient, row: Any, expected: dict[str, str]) -> None:
    response = post(iris, {"features": row})
    assert response.status_code == 422
    assert response.content_type == "application/problem+json"
    wanted = {f"features.{place}".rstrip("."): msg for place, msg in expected.items()}
    assert dict(errors(response)) == wanted


def test_wrong_fields_of_several_rows_are_named_by_row(penguins: FlaskClient) -> None:
    rows = [PENGUIN, {**PENGUIN, "island": "Atlantis"}, {**PENGUIN, "sex": 1}]
    assert errors(post(penguins, {"instances": rows})) == [
        ("instances.1.island", "unknown category: expected one of Biscoe, Dream, Torgersen"),
        ("instances.2.sex", "expected a string, found a number"),
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "expected an object, found a list"),
        ({}, FORMS),
        ({"features": ROW, "instances": []}, FORMS),
        ({"features": ROW, "extra": 1}, "unknown key"),
        ({"instances": {}}, "expected a list, found an object"),
        ({"instances": []}, "expected 1 to 100 rows, found 0"),
        ({"instances": [ROW] * 101}, "expected 1 to 100 rows, found 101"),
    ],
)  # fmt: skip
def test_a_document_of_another_shape_is_refused(
    iris: FlaskClient, document: Any, message: str
) -> None:
    response = post(iris, document)
    assert response.status_code == 422
    assert errors(response)[-1][1] == message


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/predict", 405), ("GET", "/x", 404)]
)
def test_other_urls_and_methods_are_problems_too(
    iris: FlaskClient, method: str, path: str, status: int
) -> None:
    response = iris.open(path, method=method)
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    assert response.get_json()["status"] == status


@pytest.mark.parametrize("given", ["abc-123", "a" * 128])
def test_a_well_formed_request_id_is_kept(iris: FlaskClient, given: str) -> None:
    response = post(iris, {"features": ROW}, **{"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == response.get_json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "a b", 'x"y', "a" * 129])
def test_another_request_id_is_replaced(iris: FlaskClient, given: str) -> None:
    response = post(iris, {"features": ROW}, **{"X-Request-ID": given})
    assert response.headers["X-Request-ID"] != given
    assert len(response.headers["X-Request-ID"]) == 32
