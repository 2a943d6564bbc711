"""The V1 protocol: KServe's and TensorFlow's clients get what they expect, errors included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.app.protocols.test_native import NAMED, PENGUIN, ROW, errors, post

if TYPE_CHECKING:
    from flask.testing import FlaskClient

PREDICT = "/v1/models/iris:predict"


def test_the_model_is_listed(iris: FlaskClient) -> None:
    assert iris.get("/v1/models").get_json() == {"models": ["iris"]}


def test_the_status_is_given_in_both_servers_forms(iris: FlaskClient) -> None:
    response = iris.get("/v1/models/iris")
    assert response.status_code == 200
    assert response.get_json() == {
        "name": "iris",
        "ready": True,
        "model_version_status": [
            {
                "version": "1.0.0",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ],
    }


def test_positional_and_named_rows_give_labels(iris: FlaskClient) -> None:
    response = post(iris, {"instances": [ROW, NAMED, [6.7, 3.0, 5.2, 2.3]]}, PREDICT)
    answer = response.get_json()
    assert answer["predictions"] == ["setosa", "setosa", "virginica"]
    assert answer["model_version"] == "1.0.0"
    assert answer["request_id"] == response.headers["X-Request-ID"]


def test_strings_and_missing_values_give_labels(penguins: FlaskClient) -> None:
    rows = [PENGUIN, {**PENGUIN, "sex": None, "body_mass_g": None}]
    answer = post(penguins, {"instances": rows}, "/v1/models/penguins:predict").get_json()
    assert answer["predictions"] == ["Adelie", "Adelie"]


def test_signature_name_chooses_probabilities(iris: FlaskClient) -> None:
    rows = [ROW, NAMED]
    body = {"instances": rows, "signature_name": "predict_proba"}
    native = post(iris, {"instances": rows}).get_json()["predictions"]
    expected = [row["probability"] for row in native]
    assert post(iris, body, PREDICT).get_json()["predictions"] == expected


@pytest.mark.parametrize("signature", ["serving_default", "predict", None])
def test_signature_name_chooses_labels(iris: FlaskClient, signature: str | None) -> None:
    body = {"instances": [ROW], "signature_name": signature, "parameters": {"x": 1}}
    assert post(iris, body, PREDICT).get_json()["predictions"] == ["setosa"]


@pytest.mark.parametrize("path", ["/v1/models/other:predict", "/v1/models/other"])
def test_another_model_is_a_404_that_names_this_one(iris: FlaskClient, path: str) -> None:
    method = "POST" if path.endswith("predict") else "GET"
    response = iris.open(path, method=method, json={"instances": [ROW]} if method == "POST" else {})
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
    document = response.get_json()
    assert document["detail"] == "expected model 'iris', found 'other'"
    assert document["error"] == "Unknown model: expected model 'iris', found 'other'"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], [("", "expected an object, found a list")]),
        ({}, [("instances", "expected a list of rows, found nothing")]),
        ({"instances": None}, [("instances", "expected a list of rows, found null")]),
        ({"instances": []}, [("instances", "expected 1 to 100 rows, found 0")]),
        ({"instances": [ROW, [1, 2]]}, [("instances.1", "expected 4 values, found 2")]),
        (
            {"instances": [[5.1, "x", 1.4, 0.2]], "signature_name": ["regress"]},
            [
                ("signature_name", "expected one of serving_default, predict, predict_proba"),
                ("instances.0.1", "expected a number, found a string"),
            ],
        ),
        (
            {"instances": [ROW], "signature_name": "regress"},
            [("signature_name", "expected one of serving_default, predict, predict_proba")],
        ),
    ],
)
def test_every_problem_is_named_and_put_into_error(
    iris: FlaskClient, document: Any, expected: list[tuple[str, str]]
) -> None:
    response = post(iris, document, PREDICT)
    assert response.status_code == 422
    assert errors(response) == expected
    texts = "; ".join(f"{place or 'body'}: {text}" for place, text in expected)
    prefix = "The request does not match the model's contract"
    assert response.get_json()["error"] == f"{prefix}: {texts}"


def test_error_lists_ten_problems_and_counts_the_rest(iris: FlaskClient) -> None:
    document = post(iris, {"instances": [["x"] * 4] * 3}, PREDICT).get_json()
    assert document["error"].count("expected a number") == 10
    assert document["error"].endswith("; and 2 more")
    assert len(document["errors"]) == 12


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=utf-8", 200),
        ("application/x-www-form-urlencoded", 200),
        (None, 200),
        ("text/html", 415),
    ],
)
def test_content_types_of_usual_clients_are_accepted(
    iris: FlaskClient, content_type: str | None, status: int
) -> None:
    body = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
    response = iris.post(PREDICT, data=body, content_type=content_type)
    assert response.status_code == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/models/iris", 405),
        ("GET", "/v1/models/iris:predict", 405),
    ],
)
def test_unknown_urls_and_methods_carry_error_too(
    iris: FlaskClient, method: str, path: str, status: int
) -> None:
    response = iris.open(path, method=method)
    assert response.status_code == status
    assert response.get_json()["error"].startswith(response.get_json()["title"])
    assert ("Allow" in response.headers) == (status == 405)


def test_native_problems_have_no_error_key(iris: FlaskClient) -> None:
    assert "error" not in post(iris, []).get_json()
