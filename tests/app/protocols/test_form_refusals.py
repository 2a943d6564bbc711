"""What is wrong with a form of rows is named at its place in the client's own form."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from app.errors import RequestError
from app.model.contract import Contract, Output
from app.model.feature import Feature
from app.model.validation import Validator
from app.protocols.csv_rows import CsvReader
from app.protocols.rows import PROTOCOL_KEYS, RowReader
from tests.app.protocols.test_native import FORMS, NAMED, ROW, TOO_MANY, errors, post

if TYPE_CHECKING:
    from flask.testing import FlaskClient

NAMES = list(NAMED)
NUMBER = "expected a number, found"
ROWS = "expected 1 to 100 rows, found"
WITHIN = 'unknown key: send a feature within its row, as {"features": {...}}'
NO_NAMES = "expected a first line with the names of the features, found none of them"
HEADER = ",".join(NAMES)
COLUMN = [1.0, 2.0]
COLUMNS: dict[str, Any] = dict.fromkeys(NAMES, COLUMN)


def split(data: Any, columns: Any = NAMES, **more: Any) -> dict[str, Any]:
    return {"dataframe_split": {"columns": columns, "data": data, **more}}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in NAMED.items() if key != name}


REFUSALS: dict[str, tuple[Any, dict[str, str]]] = {
    # dataframe_split
    "value": (
        split([ROW, [5.1, "x", 1.4, None]]),
        {
            "dataframe_split.data.1.sepal_width": f"{NUMBER} a string",
            "dataframe_split.data.1.petal_width": "expected a value, found null",
        },
    ),
    "value by position": (
        {"dataframe_split": {"data": [[5.1, 3.5, 1.4, "5.1"]]}},
        {"dataframe_split.data.0.3": f"{NUMBER} a string"},
    ),
    "split of rows": (
        {"dataframe_split": [ROW]}, {"dataframe_split": "expected an object, found a list"},
    ),
    "split without data": (
        {"dataframe_split": {"columns": NAMES}},
        {"dataframe_split.data": "expected a list of rows, found nothing"},
    ),
    "data of another type": (
        split({"a": 1}), {"dataframe_split.data": "expected a list of rows, found an object"},
    ),
    "unknown key": (split([ROW], columnz=1), {"dataframe_split.columnz": "unknown key"}),
    "columns of another type": (
        split([ROW], "a"), {"dataframe_split.columns": "expected a list, found a string"},
    ),
    "a name that is none": (
        split([ROW], [*NAMES[:3], 7]),
        {"dataframe_split.columns.3": "expected a string, found a number"},
    ),
    "numbers in another order": (
        split([ROW], [1, 0, 2, 3]),
        {f"dataframe_split.columns.{i}": "expected a string, found a number" for i in range(4)},
    ),
    "booleans for numbers": (
        split([ROW[:2]], [False, True]),
        {f"dataframe_split.columns.{i}": "expected a string, found a boolean" for i in range(2)},
    ),
    "two columns of one name": (
        split([[*ROW, 1]], [*NAMES, "petal_width"]),
        {"dataframe_split.columns.petal_width": "duplicate column"},
    ),
    "missing and unknown columns, once": (
        split([ROW] * 3, ["sepal_lenght", *NAMES[1:]]),
        {
            "dataframe_split.columns.sepal_length": "missing",
            "dataframe_split.columns.sepal_lenght": "unknown feature",
        },
    ),
    "no columns": (
        split([[]], []), {"dataframe_split.data.0": "expected 4 values, found 0"},
    ),
    "short rows": (
        split([ROW, ROW[:3], [*ROW, 1], ["x", *ROW[1:]]]),
        {
            "dataframe_split.data.1": "expected 4 values, found 3",
            "dataframe_split.data.2": "expected 4 values, found 5",
            "dataframe_split.data.3.sepal_length": f"{NUMBER} a string",
        },
    ),
    "records for rows": (
        split([NAMED]), {"dataframe_split.data.0": "expected a list, found an object"},
    ),
    "no rows in a split": (split([]), {"dataframe_split.data": f"{ROWS} 0"}),
    "too many rows in a split": (
        split([ROW] * 101), {"dataframe_split.data": f"{ROWS} 101{TOO_MANY}"},
    ),
    # dataframe_records
    "record": (
        {"dataframe_records": [NAMED, {**NAMED, "colour": 1}, without("sepal_width")]},
        {
            "dataframe_records.1.colour": "unknown feature",
            "dataframe_records.2.sepal_width": "missing",
        },
    ),
    "records of another type": (
        {"dataframe_records": NAMED}, {"dataframe_records": "expected a list, found an object"},
    ),
    "too many records": (
        {"dataframe_records": [NAMED] * 101}, {"dataframe_records": f"{ROWS} 101{TOO_MANY}"},
    ),
    # inputs
    "input row": (
        {"inputs": [ROW, 7]}, {"inputs.1": "expected a list or an object, found a number"},
    ),
    "inputs of another type": ({"inputs": "x"}, {"inputs": "expected a list, found a string"}),
    "inputs of scalars": (
        {"inputs": {**NAMED, "sepal_width": "3"}}, {"inputs.sepal_width": f"{NUMBER} a string"},
    ),
    "no inputs": ({"inputs": {}}, {f"inputs.{name}": "missing" for name in NAMES}),
    "column value": (
        {"inputs": {**COLUMNS, "sepal_width": [3.5, True]}},
        {"inputs.sepal_width.1": f"{NUMBER} a boolean"},
    ),
    "short column": (
        {"inputs": {**COLUMNS, "sepal_width": [3.5]}},
        {"inputs.sepal_width": "expected 2 values, as the longest column has, found 1"},
    ),
    "scalar among columns": (
        {"inputs": {**COLUMNS, "sepal_width": 3.5}},
        {"inputs.sepal_width": "expected a list, as other columns are, found a number"},
    ),
    "other columns": (
        {"inputs": {"colour": COLUMN, **dict.fromkeys(NAMES[1:], COLUMN)}},
        {"inputs.sepal_length": "missing", "inputs.colour": "unknown feature"},
    ),
    "empty columns": ({"inputs": {name: [] for name in NAMES}}, {"inputs": f"{ROWS} 0"}),
    "long columns": (
        {"inputs": dict.fromkeys(NAMES, [1.0] * 101)}, {"inputs": f"{ROWS} 101{TOO_MANY}"},
    ),
    # bare
    "bare value": ({**NAMED, "sepal_width": "5.1"}, {"sepal_width": f"{NUMBER} a string"}),
    "bare row with others": (
        {**without("sepal_width"), "colour": 1},
        {"sepal_width": "missing", "colour": "unknown feature"},
    ),
    "bare rows": (
        [NAMED, {**NAMED, "petal_width": None}], {"1.petal_width": "expected a value, found null"},
    ),
    "bare values": (ROW, {"": "expected rows, found a number: put one row under `features`"}),
    "no bare rows": ([], {"": f"{ROWS} 0"}),
    "too many bare rows": ([ROW] * 101, {"": f"{ROWS} 101{TOO_MANY}"}),
    "unknown keys": ({"colour": 1}, {"colour": "unknown key", "": FORMS}),
    # more than one form
    "two forms": ({"inputs": [ROW], "instances": [ROW]}, {"": FORMS}),
    "a feature beside its row": (
        {"features": ROW, "sepal_width": 1},
        {"sepal_width": WITHIN},
    ),
    "parameters": (
        {"instances": [ROW], "params": {"predict_method": "predict_proba"}},
        {"params": "expected null or {}: the model has no parameters"},
    ),
    "no parameters at all": (
        {"instances": [ROW], "params": 0},
        {"params": "expected null or {}: the model has no parameters"},
    ),
    "parameters alone": ({"params": {}}, {"": FORMS}),
    "parameters of a bare row": (
        {**NAMED, "params": {}},
        {**dict.fromkeys(NAMES, WITHIN), "": FORMS},
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/invocations"])
@pytest.mark.parametrize("case", REFUSALS)
def test_every_fault_is_named_at_its_place(iris: FlaskClient, path: str, case: str) -> None:
    document, expected = REFUSALS[case]
    response = post(iris, document, path)
    assert response.status_code == 422, response.text
    assert dict(errors(response)) == expected
    assert len(errors(response)) == len(expected)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"dataframe_split": {"data": [], "data": [[1, 2, 3, 4]]}}', "data"),
        (b'{"inputs": {"sepal_length": [1], "sepal_length": [2]}}', "sepal_length"),
        (b'{"sepal_length": 1, "sepal_length": 2}', "sepal_length"),
        (b'[{"sepal_length": 1}, {"sepal_length": 1, "sepal_length": 2}]', "sepal_length"),
        (b'{"dataframe_records": [{"a:": 1, "a:" : 2}]}', "a:"),
    ],
)
def test_a_key_given_twice_is_named_in_every_form(iris: FlaskClient, body: bytes, key: str) -> None:
    assert dict(errors(post(iris, body))) == {key: "duplicate key"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"columns": NO_NAMES}),
        ("5.1,3.5,1.4,0.2\n", {"columns": NO_NAMES}),
        (HEADER + "\n", {"": f"{ROWS} 0"}),
        (HEADER + "\n" + "1,2,3,4\n" * 101, {"": f"{ROWS} 101{TOO_MANY}"}),
        (",".join(NAMES[1:]) + ",colour\n2,3,4,5\n", {
            "columns.sepal_length": "missing", "columns.colour": "unknown feature"}),
        (",".join([*NAMES, NAMES[0]]) + "\n1,2,3,4,5\n", {
            "columns.sepal_length": "duplicate column"}),
        (HEADER + "\n1,2,3,4\n1,2,3\n1,2,3,4,5\n", {
            "1": "expected 4 values, found 3", "2": "expected 4 values, found 5"}),
        (HEADER + "\n1,2,3,x\n1,,3,1_000\n0x1,inf,1e999,+1.5e0\n", {
            "0.petal_width": f"{NUMBER} a string",
            "1.sepal_width": "expected a value, found null",
            "1.petal_width": f"{NUMBER} a string",
            "2.sepal_length": f"{NUMBER} a string",
            "2.sepal_width": f"{NUMBER} a string",
            "2.petal_length": "expected a number in the range of float32"}),
    ],
)  # fmt: skip
def test_every_fault_of_csv_is_named(
    iris: FlaskClient, text: str, expected: dict[str, str]
) -> None:
    response = iris.post("/invocations", data=text, content_type="text/csv")
    assert response.status_code == 422, response.text
    assert dict(errors(response)) == expected


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"a,b\n\xff\n", "expected UTF-8, found another encoding at byte 4"),
        (HEADER.encode() + b'\n1,2,3,"4', "line 2: unexpected end of data"),
        (
            HEADER.encode() + b"\n" + b"1" * 200_000,
            "line 2: field larger than field limit (131072)",
        ),
    ],
)
def test_what_is_not_csv_is_a_400(iris: FlaskClient, body: bytes, detail: str) -> None:
    response = iris.post("/invocations", data=body, content_type="text/csv")
    document = response.get_json()
    assert (response.status_code, document["title"]) == (400, "The body is not valid CSV")
    assert document["detail"] == detail


@pytest.mark.parametrize("name", ["x-ndjson", "jsonl", "json-lines", "jsonlines", "x-jsonlines"])
@pytest.mark.parametrize("path", ["/predict", "/invocations", "/v1/models/iris:predict"])
def test_a_document_per_line_is_refused_with_a_way_out(
    iris: FlaskClient, path: str, name: str
) -> None:
    response = iris.post(path, data=b"[1]\n[2]", content_type=f"application/{name}")
    assert response.status_code == 415
    hint = ': send the rows as one document, {"instances": [...]}'
    assert response.get_json()["detail"].endswith(f"found application/{name}{hint}")


# ---- features that are called like keys of the protocol


def reader(*names: str) -> RowReader:
    number = Feature("", "float", None, None, None, "refuse")
    features = tuple(replace(number, name=name) for name in names)
    contract = Contract(features, Output("regressor", "y", None, probabilities=False))
    return RowReader(contract, Validator(contract), 10)


def read(document: Any, *names: str) -> tuple[list[list[float]], bool]:
    batch, is_one_row = reader(*names).read(document)
    return batch.matrix.tolist(), is_one_row


@pytest.mark.parametrize("name", [*PROTOCOL_KEYS, "columns", "data", "index"])
def test_a_feature_may_be_called_like_a_key_of_the_protocol(name: str) -> None:
    row = {name: 1.0, "age": 2.0}
    one: list[Any] = [{"features": row}, {"input": [1.0, 2.0]}, {"inputs": row}]
    for document in one:
        assert read(document, name, "age")[0] == [[1.0, 2.0]]
    two: list[Any] = [
        {"instances": [row, row]},
        {"dataframe_records": [row, row]},
        {"dataframe_split": {"columns": ["age", name], "data": [[2.0, 1.0]] * 2}},
        {"inputs": [row, row]},
        {"inputs": {name: [1.0, 1.0], "age": [2.0, 2.0]}},
        [row, row],
    ]
    for document in two:
        assert read(document, name, "age") == ([[1.0, 2.0]] * 2, False)


@pytest.mark.parametrize("name", PROTOCOL_KEYS)
def test_a_bare_row_with_a_key_of_the_protocol_is_refused(name: str) -> None:
    for names in ((name, "age"), (name,)):
        with pytest.raises(RequestError) as refused:
            read(dict.fromkeys(names, 1.0), *names)
        assert refused.value.status == 422


@pytest.mark.parametrize("name", PROTOCOL_KEYS)
def test_a_row_below_a_feature_of_the_same_name_means_the_protocol(name: str) -> None:
    if name in ("features", "input"):
        assert read({name: {name: 3.0}}, name) == ([[3.0]], True)
    elif name == "inputs":
        # One row by name; and a column that is called so.
        assert read({name: {name: 3.0}}, name) == ([[3.0]], False)
        assert read({name: {name: [3.0, 4.0]}}, name) == ([[3.0], [4.0]], False)
    elif name not in ("params", "dataframe_split"):
        assert read({name: [{name: 3.0}]}, name) == ([[3.0]], False)


# ---- keys and kinds of features that no sample model has

ROW_OF_BOTH = {"age": 1.0, "at": "2026-01-31T12:00:00Z"}
TAGGED: dict[str, Any] = {**ROW_OF_BOTH, "id": 7}


def both(**more: Any) -> RowReader:
    """A number and a time, with a policy for other keys."""
    features = (Feature("age", "float"), Feature("at", "datetime", missing="allow"))
    contract = Contract(features, Output("regressor", "y", None, probabilities=False), **more)
    return RowReader(contract, Validator(contract), 10)


FORMS_WITH_MORE: list[Any] = [
    {"features": TAGGED},
    TAGGED,
    [TAGGED],
    {"instances": [TAGGED]},
    {"dataframe_records": [TAGGED]},
    {"inputs": [TAGGED]},
    {"inputs": TAGGED},
    {"inputs": {**TAGGED, "id": [7]}},
    {"inputs": {key: [value] for key, value in TAGGED.items()}},
    {"dataframe_split": {"columns": list(TAGGED), "data": [list(TAGGED.values())]}},
]


@pytest.mark.parametrize("document", FORMS_WITH_MORE)
@pytest.mark.parametrize("policy", [{"ignored": ("id",)}, {"extra": "ignore"}])
def test_a_key_that_the_model_ignores_is_ignored_in_every_form(
    policy: dict[str, Any], document: Any
) -> None:
    batch, _ = both(**policy).read(document)
    plain, _ = both().read({"features": ROW_OF_BOTH})
    assert batch.matrix.tolist() == plain.matrix.tolist()
    with pytest.raises(RequestError) as refused:
        both().read(document)
    assert [entry.msg for entry in refused.value.errors] == ["unknown feature"]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("2026-01-31 12:00:00", "2026-01-31T12:00:00Z"),
        ("1769860800000", 1_769_860_800_000),
        ("", None),
    ],
)
def test_a_time_in_csv_is_text_or_milliseconds(cell: str, value: Any) -> None:
    contract = Contract(
        (Feature("at", "datetime", missing="allow"), Feature("age", "float")),
        Output("regressor", "y", None, probabilities=False),
        ignored=("id",),
    )
    validator = Validator(contract)
    found = CsvReader(contract, validator, 10).read(f"id,at,age\nx,{cell},2\n".encode())
    expected = validator.batch([[value, 2.0]], [()], 1)
    assert np.array_equal(found.matrix, expected.matrix, equal_nan=True)


def test_only_the_first_row_of_columns_is_looked_at_for_their_names() -> None:
    names = tuple(f"f{index}" for index in range(300))
    document = {"dataframe_split": {"columns": list(names[1:]), "data": [[1.0] * 299] * 10}}
    with pytest.raises(RequestError) as refused:
        read(document, *names)
    assert [entry.loc for entry in refused.value.errors] == [("dataframe_split", "columns", "f0")]


def test_a_long_name_is_cut_in_every_form(iris: FlaskClient) -> None:
    long = "x" * 5000
    for document in (
        {**NAMED, long: 1},
        split([[*ROW, 1]], [*NAMES, long]),
        split([[*ROW, 1, 1]], [*NAMES, long, long]),
        {"inputs": {**COLUMNS, long: COLUMN}},
        {"inputs": {**COLUMNS, long: 1}},
        {"dataframe_split": {"data": [ROW], long: 1}},
        {long: 1},
    ):
        response = post(iris, document)
        assert response.status_code == 422
        assert len(response.data) < 2000
        assert "x" * 100 in response.text


@pytest.mark.parametrize("levels", [500, 1000])
def test_deep_nesting_in_a_form_is_never_a_server_error(iris: FlaskClient, levels: int) -> None:
    deep = "[" * levels + "]" * levels
    for body in (
        f'{{"dataframe_split": {{"data": {deep}}}}}',
        f'{{"dataframe_split": {{"columns": {deep}, "data": [[1]]}}}}',
        f'{{"inputs": {{"sepal_length": {deep}}}}}',
        f'{{"params": {deep}, "instances": [[1]]}}',
        deep,
    ):
        assert post(iris, body.encode()).status_code in (400, 422)
        assert post(iris, body.encode(), "/invocations").status_code in (400, 422)
