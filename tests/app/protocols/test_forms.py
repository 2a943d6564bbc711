"""Every form of the same rows gives the same answer: on /predict, and as MLflow's on /invocations.

The expected predictions are those of the scikit-learn model, asked with the frame that the forms
are made of. What is wrong with a form: test_form_refusals.py.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient

from tests import trained
from tests.app.conftest import make_client
from tests.app.protocols.test_native import NAMED, PENGUIN, ROW, post
from tests.samples.models import TARGETS

CSV = "text/csv"
# Of MLflow's clients; ours has none.
PARAMETERS: list[dict[str, Any]] = [{}, {"params": None}, {"params": {}}]
Form = Callable[[pd.DataFrame], Any]


@functools.cache
def client(name: str) -> FlaskClient:
    """A service of a sample model."""
    return make_client(trained.bundle(name))


def values(frame: pd.DataFrame) -> list[list[Any]]:
    """Rows by position, as JSON has them: null for what is missing."""
    return [
        [None if pd.isna(value) else value for value in row]
        for row in frame.astype(object).values.tolist()
    ]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows by name."""
    return [dict(zip(frame.columns, row, strict=True)) for row in values(frame)]


def split(frame: pd.DataFrame) -> dict[str, Any]:
    """What pandas' `to_dict(orient="split")` has."""
    return {"columns": list(frame.columns), "index": list(frame.index), "data": values(frame)}


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    """The same frame with its columns in another order."""
    order = np.random.default_rng(3).permutation(frame.shape[1])
    return frame.iloc[:, order]


def by_column(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """A list of values for each column."""
    return dict(zip(frame.columns, map(list, zip(*values(frame), strict=True)), strict=True))


FORMS: dict[str, Form] = {
    "instances by position": lambda frame: {"instances": values(frame)},
    "records": lambda frame: {"dataframe_records": records(frame)},
    "split": lambda frame: {"dataframe_split": split(frame)},
    "split in another order": lambda frame: {"dataframe_split": split(shuffled(frame))},
    "split without names": lambda frame: {"dataframe_split": {"data": values(frame)}},
    "split with null names": lambda frame: {
        "dataframe_split": {"columns": None, "index": None, "data": values(frame)}
    },
    "split with numbers for names": lambda frame: {
        "dataframe_split": {**split(frame), "columns": list(range(frame.shape[1]))}
    },
    "inputs by name": lambda frame: {"inputs": records(frame)},
    "inputs by position": lambda frame: {"inputs": values(frame)},
    "inputs by column": lambda frame: {"inputs": by_column(shuffled(frame))},
    "bare rows by name": records,
    "bare rows by position": values,
}
ONE_ROW_FORMS: dict[str, Form] = {
    "features by name": lambda frame: {"features": records(frame)[0]},
    "features by position": lambda frame: {"features": values(frame)[0]},
    "input by name": lambda frame: {"input": records(shuffled(frame))[0]},
    "input by position": lambda frame: {"input": values(frame)[0]},
    "bare row": lambda frame: records(shuffled(frame))[0],
}


@functools.cache
def sample(name: str) -> pd.DataFrame:
    """The features of a sample model's rows, in a random order and jittered where numbers are."""
    chance = np.random.default_rng(11)
    frame = pd.read_csv(trained.training(name) / "sample.csv").drop(columns=TARGETS[name])
    frame = frame.sample(80, random_state=5)
    for column in frame.select_dtypes("number"):
        frame[column] = frame[column].astype(float) * chance.uniform(0.9, 1.1, len(frame))
    return frame


@functools.cache
def expected(name: str) -> list[Any]:
    """What scikit-learn predicts for these rows."""
    model = joblib.load(trained.training(name) / "model.joblib")
    return list(model.predict(sample(name)))


def assert_predicted(found: list[Any], name: str, count: int) -> None:
    """Labels are equal, numbers but for the last digits."""
    wanted = expected(name)[:count]
    assert found == (pytest.approx(wanted, rel=1e-9) if name == "diabetes" else wanted)


def send(name: str, document: Any, path: str = "/predict") -> Any:
    """The answer to a document that has one."""
    response = post(client(name), document, path)
    assert response.status_code == 200, response.text
    answer = response.get_json()
    assert answer.pop("request_id")
    return answer


@pytest.mark.parametrize("count", [1, 2, 80])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TARGETS)
def test_every_form_of_the_same_rows_gives_the_same_answer(
    name: str, form: str, count: int
) -> None:
    frame = sample(name).head(count)
    document = FORMS[form](frame)
    same = send(name, {"instances": records(frame)})
    assert_predicted([row["prediction"] for row in same["predictions"]], name, count)
    for path in ("/predict", "/predict/batch"):
        assert send(name, document, path) == same
    assert_predicted(send(name, document, "/invocations")["predictions"], name, count)


@pytest.mark.parametrize("form", ONE_ROW_FORMS)
@pytest.mark.parametrize("name", TARGETS)
def test_every_form_of_one_row_gives_the_same_answer(name: str, form: str) -> None:
    for index in range(5):
        frame = sample(name).iloc[index : index + 1]
        (same,) = send(name, {"instances": records(frame)})["predictions"]
        assert send(name, ONE_ROW_FORMS[form](frame)) == {**same, "model_version": "1.0.0"}
        answer = send(name, ONE_ROW_FORMS[form](frame), "/invocations")
        assert answer["predictions"] == [same["prediction"]]


def test_inputs_of_scalars_are_one_row(iris: FlaskClient) -> None:
    for path in ("/predict", "/invocations"):
        answer = post(iris, {"inputs": NAMED}, path).get_json()
        assert len(answer["predictions"]) == 1


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("key", ["instances", "inputs", "dataframe_records"])
def test_empty_parameters_are_ignored(
    iris: FlaskClient, key: str, parameters: dict[str, Any]
) -> None:
    for document in ({key: [NAMED], **parameters}, {**parameters, key: [NAMED]}):
        assert post(iris, document, "/invocations").get_json()["predictions"] == ["setosa"]


@pytest.mark.parametrize("index", [True, False], ids=["index", "no-index"])
@pytest.mark.parametrize("count", [1, 80])
@pytest.mark.parametrize("name", TARGETS)
def test_csv_as_pandas_writes_it_is_answered(name: str, count: int, index: bool) -> None:
    frame = sample(name).head(count)
    for text in (
        frame.to_csv(index=index),
        shuffled(frame).to_csv(index=index, lineterminator="\r\n", quoting=1),
        "\ufeff" + frame.to_csv(index=index),
        frame.to_csv(index=index).rstrip("\n"),
    ):
        response = client(name).post("/invocations", data=text.encode(), content_type=CSV)
        assert response.status_code == 200, response.text
        assert_predicted(response.get_json()["predictions"], name, count)


def test_csv_is_for_invocations_only(iris: FlaskClient) -> None:
    text = pd.DataFrame([NAMED]).to_csv(index=False)
    response = iris.post("/predict", data=text, content_type=CSV)
    assert response.status_code == 415
    assert response.get_json()["detail"] == "expected application/json, found text/csv"


@pytest.mark.parametrize("cell", ["", "NA", "nan", "NaN", "null"])
def test_a_missing_number_in_csv_is_what_pandas_or_r_writes(
    penguins: FlaskClient, cell: str
) -> None:
    row = {**PENGUIN, "body_mass_g": cell, "sex": ""}
    text = ",".join(PENGUIN) + "\n" + ",".join(map(str, row.values())) + "\n"
    answer = penguins.post("/invocations", data=text, content_type=f"{CSV}; charset=utf-8")
    same = post(penguins, {**PENGUIN, "body_mass_g": None, "sex": None}, "/invocations")
    assert answer.status_code == same.status_code == 200
    assert answer.get_json()["predictions"] == same.get_json()["predictions"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "text/json", "Application/JSON", "text/json;charset=UTF-8"],
)
@pytest.mark.parametrize("path", ["/predict", "/invocations", "/v1/models/iris:predict"])
def test_json_has_more_than_one_name(iris: FlaskClient, path: str, content_type: str) -> None:
    body = json.dumps({"instances": [ROW]})
    assert iris.post(path, data=body, content_type=content_type).status_code == 200


@pytest.mark.parametrize("path", ["/predict", "/invocations", "/v1/models/iris:predict"])
def test_a_byte_order_mark_is_ignored(iris: FlaskClient, path: str) -> None:
    body = json.dumps({"instances": [ROW]}).encode("utf-8-sig")
    assert post(iris, body, path).status_code == 200
