"""The OpenAPI document: every route, and schemas that accept exactly what /predict accepts.

test_schemathesis.py holds a started service to the same document.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from app.factory import create_app
from app.model.contract import Contract, Output
from app.model.converters import MAX_FLOAT
from app.model.feature import Feature
from app.model.validation import Validator
from app.openapi.document import ServiceInfo, document
from tests import trained
from tests.app.conftest import make_client, make_service
from tests.app.protocols.test_native import NAMED, PENGUIN, ROW, post

if TYPE_CHECKING:
    from flask.testing import FlaskClient


def described(client: FlaskClient) -> dict[str, Any]:
    """The document of a service."""
    response = client.get("/openapi.json")
    assert response.status_code == 200
    assert response.content_type == "application/json"
    found: dict[str, Any] = response.get_json()
    return found


def validator(found: dict[str, Any], name: str) -> Draft202012Validator:
    """A validator for one of the document's schemas."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", **found})


def routes() -> set[tuple[str, str]]:
    """What the application answers, in OpenAPI's spelling; HTTP does not answer calls of gRPC."""
    application = create_app(make_service(trained.bundle("iris")))
    return {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in application.url_map.iter_rules()
        for method in rule.methods or ()
        if method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        and not rule.rule.startswith(("/inference.", "/grpc."))
    }


def operations(found: dict[str, Any]) -> set[tuple[str, str]]:
    """What the document describes."""
    return {
        (path, method)
        for path, entry in found["paths"].items()
        for method in entry
        if method != "parameters"
    }


def test_every_route_is_described_and_nothing_else(iris: FlaskClient) -> None:
    assert operations(described(iris)) == routes()


def test_routes_of_another_port_or_switched_off_are_not_described() -> None:
    client = make_client(trained.bundle("iris"), DOCS_ENABLED="false", METRICS_PORT="9090")
    assert routes() - operations(described(client)) == {("/docs", "get"), ("/metrics", "get")}


def test_the_document_is_a_valid_openapi_with_unique_operations(iris: FlaskClient) -> None:
    found = described(iris)
    assert found["openapi"] == "3.1.0"
    for schema in found["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    names = [
        entry[method]["operationId"]
        for entry in found["paths"].values()
        for method in entry
        if method != "parameters"
    ]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere(penguins: FlaskClient) -> None:
    found = described(penguins)
    references = set(re.findall(r'"\$ref":"#/([^"]+)"', json.dumps(found, separators=(",", ":"))))
    assert len(references) > 20
    for reference in references:
        node: Any = found
        for step in reference.split("/"):
            node = node[step]


def test_it_says_which_model_this_is(iris: FlaskClient) -> None:
    info = described(iris)["info"]
    digest = iris.get("/model/info").get_json()["digest"]
    assert (info["title"], info["version"], info["x-target"]) == ("iris", "1.0.0", "species")
    assert digest in info["description"]


def test_features_have_dtype_range_categories_and_an_example(penguins: FlaskClient) -> None:
    properties = described(penguins)["components"]["schemas"]["NamedRow"]["properties"]
    assert list(properties) == list(PENGUIN)
    assert properties["body_mass_g"] == {
        "type": ["number", "null"],
        "examples": [4500.0],
        "minimum": -MAX_FLOAT,
        "maximum": MAX_FLOAT,
        "x-training-range": [2700.0, 6300.0],
        "description": "Range in training: 2700 to 6300. null if the value is missing.",
    }
    assert properties["island"] == {
        "type": ["string", "null"],
        "examples": ["Biscoe"],
        "enum": ["Biscoe", "Dream", "Torgersen", None],
        "description": "One of the categories in training. null if the value is missing.",
    }
    assert properties["sex"]["enum"] == ["female", "male", None]


def test_every_example_is_answered(penguins: FlaskClient) -> None:
    sent = 0
    for path, entry in described(penguins)["paths"].items():
        if "post" not in entry:
            continue
        url = path.replace("{model}", "penguins").replace("{version}", "1.0.0")
        content = entry["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            response = post(penguins, example["value"], url)
            assert response.status_code == 200, response.text
            sent += 1
    assert sent == 18


ROWS: list[Any] = [
    NAMED,
    ROW,
    [5, 3, 1, 0],
    {**NAMED, "petal_width": None},
    {**NAMED, "petal_width": "0.2"},
    {**NAMED, "petal_width": True},
    {**NAMED, "petal_width": 3.5e38},
    {**NAMED, "petal_width": -3.4e38},
    {**NAMED, "colour": 1},
    {name: NAMED[name] for name in list(NAMED)[1:]},
    ROW[1:],
    [*ROW, 1.0],
    [*ROW[:3], None],
    "x",
    None,
    7,
    [],
    {},
]
PENGUIN_ROWS: list[Any] = [
    PENGUIN,
    {**PENGUIN, "sex": None},
    {**PENGUIN, "sex": "other"},
    {**PENGUIN, "island": None},
    {**PENGUIN, "island": "Atlantis"},
    {**PENGUIN, "island": 1},
    {**PENGUIN, "body_mass_g": None},
    {**PENGUIN, "body_mass_g": "3750"},
    list(PENGUIN.values()),
    list(PENGUIN.values())[::-1],
]


PARAMETERS: list[Any] = [{}, None, {"a": 1}, []]
SPLITS: list[Any] = [{}, [], {"columns": list(NAMED)}, {"data": []}]


@pytest.mark.parametrize(("model", "rows"), [("iris", ROWS), ("penguins", PENGUIN_ROWS)])
def test_the_schema_accepts_what_predict_accepts(
    model: str, rows: list[Any], request: pytest.FixtureRequest
) -> None:
    client = request.getfixturevalue(model)
    schema = validator(described(client), "PredictRequest")
    bodies: list[Any] = [{key: row} for row in rows for key in ("features", "input")]
    bodies += [{"instances": [row]} for row in rows]
    bodies += [{}, [], {"instances": []}, {"features": rows[0], "x": 1}, {"instances": rows[0]}]
    bodies += [{"instances": [rows[0]] * 100}, {"instances": [rows[0]] * 101}]
    names = list(rows[0])
    for row in rows:
        columns = {"columns": names, "data": [row]}
        bodies += [row, [row], {"dataframe_records": [row]}, {"inputs": [row]}, {"inputs": row}]
        bodies += [{"dataframe_split": columns}, {"dataframe_split": {"data": [row], "index": "x"}}]
        bodies += [{"dataframe_split": {**columns, "columns": list(range(len(names)))}}]
        bodies += [{"instances": [row], "params": params} for params in PARAMETERS]
    bodies += [{"dataframe_split": value} for value in SPLITS]
    bodies += [{"dataframe_split": {**columns, "x": 1}}, {"params": {}}, {"params": {}, **rows[0]}]
    verdicts = [(schema.is_valid(body), post(client, body).status_code == 200) for body in bodies]
    assert [body for body, (said, done) in zip(bodies, verdicts, strict=True) if said != done] == []
    assert {said for said, _ in verdicts} == {True, False}


def test_answers_fit_their_schemas(iris: FlaskClient) -> None:
    found = described(iris)
    answers = {
        "Prediction": post(iris, {"features": ROW}),
        "Predictions": post(iris, {"instances": [ROW, ROW]}),
        "Problem": post(iris, {"features": "x"}),
        "ProtocolProblem": post(iris, {}, "/v2/models/iris/infer"),
        "V1Status": iris.get("/v1/models/iris"),
        "V1Response": post(iris, {"instances": [ROW]}, "/v1/models/iris:predict"),
        "V2Metadata": iris.get("/v2/models/iris"),
        "Ready": iris.get("/ready"),
    }
    for name, response in answers.items():
        validator(found, name).validate(response.get_json())
        assert not validator(found, name).is_valid({**response.get_json(), "status": {}})


# ---- contracts that no sample model has

CONTRACT = Contract(
    (
        Feature("a/b ~c", "integer", -3.0, 7.0, None, "refuse"),
        Feature("on", "boolean", None, None, None, "allow"),
        Feature("words", "string", None, None, None, "allow"),
    ),
    Output("regressor", "price", None, probabilities=False),
)
INFO = ServiceInfo("m", "2", "", "sha256:0", max_rows=5, has_metrics=True, has_docs=True)


def regressor() -> dict[str, Any]:
    """The document of a model with unusual names and types."""
    announced: dict[str, list[dict[str, Any]]] = {
        "inputs": [
            {"name": feature.name, "datatype": "BYTES", "shape": [-1]}
            for feature in CONTRACT.inputs
        ],
        "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1]}],
    }
    return document(INFO, CONTRACT, [3, True, "x"], ("predict",), announced)


@pytest.mark.parametrize(
    "row",
    [
        [3, True, "x"],
        [3, None, None],
        [3.0, False, ""],
        [3.5, True, "x"],
        [None, True, "x"],
        [2**53, True, "x"],
        [2**53 + 1, True, "x"],
        [-(2**53) - 1, True, "x"],
        [True, True, "x"],
        [3, 1, "x"],
        [3, True, 1],
    ],
)
def test_integers_booleans_and_text_are_described_as_they_are_checked(row: list[Any]) -> None:
    from app.errors import RequestError

    named = dict(zip(CONTRACT.names, row, strict=True))
    for form in (row, named):
        said = validator(regressor(), "Row").is_valid(form)
        try:
            Validator(CONTRACT).batch([form], [("features",)], 1)
            done = True
        except RequestError:
            done = False
        assert said == done


def test_a_regressor_answers_a_number() -> None:
    prediction = regressor()["components"]["schemas"]["Prediction"]
    assert list(prediction["properties"]) == ["prediction", "model_version", "request_id"]
    assert prediction["properties"]["prediction"]["type"] == "number"
