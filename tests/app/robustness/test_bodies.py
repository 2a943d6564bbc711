"""What is wrong with a body is said in the same way by every protocol; nothing is a 500."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app.model.validation import Validator
from app.protocols.frames import HEADER
from tests.app.protocols.test_native import NAMED, PENGUIN, ROW, TOO_MANY, errors, post
from tests.app.robustness.protocols import PROTOCOLS, Protocol

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

LIMIT = 100


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    """Each protocol in turn."""
    return PROTOCOLS[request.param]


@pytest.fixture(params=["rows", "split", "v1", "v2"])
def many(request: pytest.FixtureRequest) -> Protocol:
    """Each protocol that takes several rows."""
    return PROTOCOLS[request.param]


def assert_not_json(response: TestResponse) -> None:
    """400, in the words for all that no strict parser reads."""
    document = response.get_json()
    assert (response.status_code, document["type"]) == (400, "urn:ml-model:problem:not-json")
    assert response.content_type == "application/problem+json"


def assert_against_contract(response: TestResponse, expected: dict[str, str]) -> None:
    """422 with these places and texts, and no others."""
    assert response.status_code == 422, response.text
    assert response.get_json()["example"]
    assert response.content_type == "application/problem+json"
    assert dict(errors(response)) == expected


def test_the_document_that_the_tests_break_is_a_good_one(
    iris: FlaskClient, protocol: Protocol
) -> None:
    assert protocol.send(iris, protocol.value("5.1")).status_code == 200
    assert protocol.send(iris, protocol.rows([ROW])).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="one-brace"),
        pytest.param(b'{"features": [1,]}', id="trailing-comma"),
        pytest.param(b"{'features': [1]}", id="single-quotes"),
        pytest.param(b'{"features": [1]} // x', id="comment"),
        pytest.param(b'{"features": [1]}{}', id="two-documents"),
        pytest.param(b'{"features": "\xff"}', id="not-utf8"),
        pytest.param(b"\xff\xfe{\0}\0", id="utf16"),
        pytest.param(b"a=1&b=2", id="form"),
    ],
)
def test_what_is_not_json_is_a_400(iris: FlaskClient, protocol: Protocol, body: bytes) -> None:
    assert_not_json(protocol.send(iris, body))


def test_a_body_cut_anywhere_is_a_400(iris: FlaskClient, protocol: Protocol) -> None:
    whole = protocol.value("5.1")
    for length in range(len(whole)):
        assert_not_json(protocol.send(iris, whole[:length]))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_not_finite_is_a_400(
    iris: FlaskClient, protocol: Protocol, number: str
) -> None:
    assert_not_json(protocol.send(iris, protocol.value(number)))


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 400])
def test_a_number_beyond_float64_is_a_400(
    iris: FlaskClient, protocol: Protocol, number: str
) -> None:
    assert_not_json(protocol.send(iris, protocol.value(number)))


@pytest.mark.parametrize("number", ["1e39", "-1e39", "9" * 60])
def test_a_number_beyond_float32_is_a_422(
    iris: FlaskClient, protocol: Protocol, number: str
) -> None:
    response = protocol.send(iris, protocol.value(number))
    expected = {protocol.value_place: "expected a number in the range of float32"}
    assert_against_contract(response, expected)


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udc00\\ud800"', '"a\\ud83dz"'])
def test_a_lone_surrogate_is_a_400(iris: FlaskClient, protocol: Protocol, text: str) -> None:
    assert_not_json(protocol.send(iris, protocol.value(text)))


@pytest.mark.parametrize("levels", [1025, 2000, 100_000])
@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_nesting_beyond_1024_levels_is_a_400(
    iris: FlaskClient, protocol: Protocol, brackets: str, levels: int
) -> None:
    start, end = brackets[:-1], brackets[-1]
    assert_not_json(protocol.send(iris, protocol.value(start * levels + "1" + end * levels)))
    assert_not_json(protocol.send(iris, protocol.value(start * levels)))


@pytest.mark.parametrize("levels", [100, 900])
def test_less_nesting_is_a_422(iris: FlaskClient, protocol: Protocol, levels: int) -> None:
    response = protocol.send(iris, protocol.value("[" * levels + "]" * levels))
    assert response.status_code == 422


def test_deep_objects_never_fail_the_server(iris: FlaskClient, protocol: Protocol) -> None:
    for levels in (100, 400, 900, 1000):
        response = protocol.send(iris, protocol.value('{"a":' * levels + "1" + "}" * levels))
        assert response.status_code in (400, 422)


def test_a_key_given_twice_is_a_422_that_names_it(iris: FlaskClient, protocol: Protocol) -> None:
    whole = protocol.value("5.1").decode()
    key = whole.split('"')[1]
    twice = f'{whole[:-1]}, "{key}": []}}'
    response = protocol.send(iris, twice.encode())
    assert_against_contract(response, {key: "duplicate key"})


@pytest.mark.parametrize("name", ["one-row", "rows", "v1"])
def test_a_feature_given_twice_is_a_422_that_names_it(iris: FlaskClient, name: str) -> None:
    protocol = PROTOCOLS[name]
    row = json.dumps(NAMED)[:-1] + ', "petal_width": 9, "sepal_width" : 9}'
    body = json.dumps(protocol.rows([0])).replace("0", row)
    expected = dict.fromkeys(("petal_width", "sepal_width"), "duplicate key")
    assert_against_contract(protocol.send(iris, body.encode()), expected)


def test_a_tensor_key_or_parameter_given_twice_is_a_422_that_names_it(iris: FlaskClient) -> None:
    protocol = PROTOCOLS["v2"]
    for before, key in (('"name": "x"', "name"), ('"parameters": {"a": 1, "a": 1}', "a")):
        body = protocol.text.replace('"name": "x"', f'{before}, "name": "x"', 1)
        response = protocol.send(iris, body.encode())
        assert_against_contract(response, {key: "duplicate key"})


def test_colons_in_strings_are_no_keys(penguins: FlaskClient, many: Protocol) -> None:
    response = many.send(penguins, many.rows([{**PENGUIN, "island": "a:b::c"}]), "penguins")
    (text,) = dict(errors(response)).values()
    assert text.startswith("unknown category")


@pytest.mark.parametrize(
    ("value", "found"),
    [('"5.1"', "a string"), ("true", "a boolean"), ("[5.1]", "a list"), ("{}", "an object")],
)
@pytest.mark.parametrize("name", ["one-row", "rows", "v1"])
def test_a_value_of_another_type_is_a_422(
    iris: FlaskClient, name: str, value: str, found: str
) -> None:
    protocol = PROTOCOLS[name]
    response = protocol.send(iris, protocol.value(value))
    expected = {protocol.value_place: f"expected a number, found {found}"}
    assert_against_contract(response, expected)


@pytest.mark.parametrize("value", ['"5.1"', "true", "{}"])
def test_an_element_of_another_type_than_its_tensor_is_a_422(iris: FlaskClient, value: str) -> None:
    response = PROTOCOLS["v2"].send(iris, PROTOCOLS["v2"].value(value))
    assert_against_contract(
        response, {"inputs.x.data": "expected FP64 elements, found others at index 0"}
    )


def test_a_missing_value_where_none_may_be_is_a_422(iris: FlaskClient, protocol: Protocol) -> None:
    response = protocol.send(iris, protocol.value("null"))
    assert_against_contract(response, {protocol.value_place: "expected a value, found null"})


@pytest.mark.parametrize("row", [[], [5.1], ROW[:3], [*ROW, 1.0], ROW * 30])
def test_another_number_of_features_is_a_422(
    iris: FlaskClient, protocol: Protocol, row: list[float]
) -> None:
    response = protocol.send(iris, protocol.rows([row]))
    place = protocol.value_place.rpartition(".")[0]
    expected = {place: f"expected 4 values, found {len(row)}"}
    if protocol is PROTOCOLS["v2"]:
        expected = {"inputs.x.shape": f"expected [n, 4], found [1, {len(row)}]"}
    assert_against_contract(response, expected)


def test_an_unknown_category_is_a_422(penguins: FlaskClient, protocol: Protocol) -> None:
    row = {**PENGUIN, "island": "Atlantis"}
    response = protocol.send(penguins, protocol.rows([row]), "penguins")
    ((place, text),) = errors(response)
    assert (response.status_code, place.strip(".0").rpartition(".")[2]) == (422, "island")
    assert text == "unknown category: expected one of Biscoe, Dream, Torgersen"
    assert "Atlantis" not in response.text


def test_an_unknown_feature_is_a_422(iris: FlaskClient, protocol: Protocol) -> None:
    response = protocol.send(iris, protocol.rows([{**NAMED, "colour": 1.0}]))
    ((place, text),) = errors(response)
    assert (response.status_code, place.rpartition(".")[2]) == (422, "colour")
    assert text.startswith(("unknown feature", "unknown input: expected one tensor for each of"))


def test_every_missing_feature_is_named_in_a_422(iris: FlaskClient, protocol: Protocol) -> None:
    response = protocol.send(iris, protocol.rows([{"sepal_width": 3.5, "petal_width": 0.2}]))
    found = {place.rpartition(".")[2]: text for place, text in errors(response)}
    assert response.status_code == 422
    assert found == dict.fromkeys(("sepal_length", "petal_length"), "missing")


def test_no_rows_are_a_422(iris: FlaskClient, many: Protocol) -> None:
    response = many.send(iris, many.rows([]))
    assert_against_contract(response, {many.rows_place: "expected 1 to 100 rows, found 0"})


@pytest.mark.parametrize("count", [LIMIT + 1, 20_000])
def test_too_many_rows_are_a_422(iris: FlaskClient, many: Protocol, count: int) -> None:
    response = many.send(iris, many.rows([[1, 2, 3, 4]] * count))
    assert_against_contract(
        response, {many.rows_place: f"expected 1 to 100 rows, found {count}{TOO_MANY}"}
    )


def test_as_many_rows_as_allowed_are_answered(iris: FlaskClient, many: Protocol) -> None:
    assert many.send(iris, many.rows([ROW] * LIMIT)).status_code == 200


def test_rows_beyond_the_limit_are_not_looked_at(
    iris: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_at(*_: object) -> None:
        raise AssertionError("a row was looked at")

    monkeypatch.setattr(Validator, "_row", looked_at)
    response = post(iris, {"instances": [[]] * 200_000})
    assert response.status_code == 422


def test_ten_megabytes_are_a_413(iris: FlaskClient, protocol: Protocol) -> None:
    response = protocol.send(iris, protocol.value(" " * 10_000_000 + "5.1"))
    assert response.status_code == 413
    assert response.get_json()["title"] == "Request body too large"


def test_many_mistakes_give_an_answer_of_bounded_size(iris: FlaskClient, many: Protocol) -> None:
    response = many.send(iris, many.rows([[1e39] * 4] * LIMIT))
    assert response.status_code == 422
    assert len(errors(response)) == 100
    assert "and 399 more" in response.get_json()["detail"]
    assert len(response.data) < 30_000


@pytest.mark.parametrize("content_type", ["text/plain", "text/html", "application/xml"])
def test_another_content_type_is_a_415(
    iris: FlaskClient, protocol: Protocol, content_type: str
) -> None:
    path = protocol.path.format(model="iris")
    response = iris.post(path, data=protocol.value("5.1"), content_type=content_type)
    assert response.status_code == 415
    assert f"found {content_type}" in response.get_json()["detail"]


def test_bytes_of_another_length_than_their_tensor_are_a_400(iris: FlaskClient) -> None:
    head = PROTOCOLS["v2"].text.replace(
        '"data": [5.1, 3.5, 1.4, 0.2]', '"parameters": {"binary_data_size": 32}'
    )
    for tail in (b"", b"\0" * 31, b"\0" * 33):
        response = iris.post(
            "/v2/models/iris/infer",
            data=head.encode() + tail,
            headers={HEADER: str(len(head))},
        )
        assert response.status_code == 400
        assert response.get_json()["type"] == "urn:ml-model:problem:malformed-tensor"
