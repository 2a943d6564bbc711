"""The Open Inference Protocol over HTTP: metadata, JSON and raw tensors, and precise refusals."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from app.contract import Contract, Feature, Output
from app.engine import Prediction
from app.errors import RequestError
from app.protocols.frames import HEADER
from app.protocols.v2 import V2
from app.validation import Validator
from tests.app.test_predict import NAMED, ROW, errors, post

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

INFER = "/v2/models/iris/infer"
PENGUINS = "/v2/models/penguins/infer"
UNREADABLE = "The body is not the tensors it claims to be"


def column(name: str, values: list[Any], datatype: str = "FP64") -> dict[str, Any]:
    """A V2 tensor of one feature as JSON."""
    return {"name": name, "datatype": datatype, "shape": [len(values)], "data": values}


def iris_columns(**changes: Any) -> list[dict[str, Any]]:
    """The four tensors of one iris row, some of them changed."""
    return [{**column(name, [value]), **changes.get(name, {})} for name, value in NAMED.items()]


def matrix(rows: list[list[float]], datatype: str = "FP64") -> dict[str, Any]:
    """One tensor for all features as JSON."""
    shape = [len(rows), len(rows[0])]
    return {"name": "input-0", "datatype": datatype, "shape": shape, "data": rows}


def send_raw(
    client: FlaskClient, tensors: list[tuple[dict[str, Any], bytes]], **changes: Any
) -> TestResponse:
    """Send tensors as raw bytes; a description may lie about its binary_data_size."""
    inputs = [
        {"parameters": {"binary_data_size": len(raw)}, **described} for described, raw in tensors
    ]
    head = json.dumps({"inputs": inputs, **changes.pop("document", {})}).encode()
    tail = b"".join(raw for _, raw in tensors) + changes.pop("extra", b"")
    headers = {HEADER: str(len(head)), **changes}
    return client.post(INFER, data=head + tail, headers=headers)


def raw_matrix(rows: list[list[float]], datatype: str, code: str) -> tuple[dict[str, Any], bytes]:
    """A tensor of all features as raw bytes."""
    described = matrix(rows, datatype)
    del described["data"]
    return described, np.array(rows, code).tobytes()


def outputs(response: TestResponse) -> dict[str, Any]:
    """The JSON outputs of an answer by name."""
    assert response.status_code == 200, response.text
    return {entry["name"]: entry for entry in response.get_json()["outputs"]}


def test_the_server_says_what_it_speaks(iris: FlaskClient) -> None:
    from tomllib import loads

    from tests.app.live import ROOT

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


@pytest.mark.parametrize(("datatype", "code"), [("FP64", "<f8"), ("FP32", "<f4"), ("FP16", "<f2")])
def test_raw_numbers_are_read(iris: FlaskClient, datatype: str, code: str) -> None:
    response = send_raw(iris, [raw_matrix([ROW, ROW], datatype, code)])
    assert outputs(response)["predict"]["data"] == ["setosa", "setosa"]


def test_raw_and_json_inputs_and_outputs_may_be_mixed(iris: FlaskClient) -> None:
    raw, *rest = iris_columns()
    del raw["data"]
    head = json.dumps(
        {
            "inputs": [{**raw, "parameters": {"binary_data_size": 8}}, *rest],
            "outputs": [
                {"name": "predict_proba"},
                {"name": "predict", "parameters": {"binary_data": True}},
            ],
        }
    ).encode()
    body = head + struct.pack("<d", 5.1)
    response = iris.post(INFER, data=body, headers={HEADER: str(len(head))})
    assert response.content_type == "application/octet-stream"
    length = int(response.headers[HEADER])
    first, second = json.loads(response.data[:length])["outputs"]
    assert (first["name"], len(first["data"])) == ("predict_proba", 3)
    assert second["parameters"] == {"binary_data_size": 10}
    assert response.data[length:] == b"\x06\0\0\0setosa"


def test_binary_data_output_asks_for_all_outputs_as_bytes(iris: FlaskClient) -> None:
    document = {"parameters": {"binary_data_output": True}}
    response = send_raw(iris, [raw_matrix([ROW], "FP64", "<f8")], document=document)
    length = int(response.headers[HEADER])
    sizes = [
        entry["parameters"]["binary_data_size"]
        for entry in json.loads(response.data[:length])["outputs"]
    ]
    assert sizes == [10, 24]
    probabilities = np.frombuffer(response.data[length + 10 :], "<f8").tolist()
    assert probabilities == post(iris, {"features": ROW}).get_json()["probability"]


NUMBERS = "expected FP64 or another number type, found"
ONE_OF = (
    "expected one of: FP16, FP32, FP64, BF16, INT8, INT16, INT32, INT64, "
    "UINT8, UINT16, UINT32, UINT64, BOOL, BYTES"
)
SIZE = "binary_data_size: expected a whole number of bytes, 0 or more"
UNKNOWN = (
    "unknown input; expected one tensor for each of: sepal_length, sepal_width, petal_length, "
    "petal_width, or one tensor [n, 4] of numbers"
)
SOME = "expected a list of 1 to 4 tensors, found none"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], {"": "expected an object, found a list"}),
        ({}, {"inputs": SOME}),
        ({"inputs": []}, {"inputs": SOME}),
        ({"inputs": {"a": 1}}, {"inputs": SOME}),
        (
            {"id": 7, "outputs": {}, "inputs": iris_columns()},
            {
                "id": "expected a string, found a number",
                "outputs": "expected a list, found an object",
            },
        ),
        (
            {"inputs": [1, {"name": "", "shape": [1.5], "datatype": ["x"]}, *iris_columns()]},
            {
                "inputs.0": "expected an object, found a number",
                "inputs.1.name": "expected the name of an input",
                "inputs.1.datatype": ONE_OF,
                "inputs.1.shape": "expected a list of whole numbers",
                "inputs.1": "has no data: expected `data` or raw bytes with binary_data_size",
            },
        ),
        (
            {"inputs": [*iris_columns()[2:], column("colour", [1.0])]},
            {
                "inputs.colour": UNKNOWN,
                "inputs.sepal_length": "missing",
                "inputs.sepal_width": "missing",
            },
        ),
        (
            {
                "parameters": 7,
                "inputs": iris_columns(petal_width={"parameters": "x"}),
                "outputs": [{"name": "predict", "parameters": []}],
            },
            {
                "parameters": "expected an object, found a number",
                "inputs.petal_width.parameters": "expected an object, found a string",
                "outputs.predict.parameters": "expected an object, found a list",
            },
        ),
        (
            {"inputs": [*iris_columns(), column("petal_width", [1.0])]},
            {"inputs.petal_width": "given twice"},
        ),
        (
            {
                "inputs": iris_columns(
                    sepal_length={"datatype": "BYTES", "data": ["5.1"]},
                    sepal_width={"datatype": "BOOL", "data": [True]},
                    petal_length={"shape": [1, 2], "data": [1, 2]},
                    petal_width={"data": [None]},
                )
            },
            {
                "inputs.sepal_length.datatype": f"{NUMBERS} BYTES",
                "inputs.sepal_width.datatype": f"{NUMBERS} BOOL",
                "inputs.petal_length.shape": "expected [n] or [n, 1], found [1, 2]",
                "inputs.petal_width.0": "this feature may not be null",
            },
        ),
        (
            {"inputs": iris_columns(sepal_width={"shape": [2], "data": [1, 2]})},
            {"inputs": "expected as many rows in every tensor, found 1, 2"},
        ),
        (
            {"inputs": iris_columns(sepal_width={"shape": []}, petal_width={"shape": [1, 1, 1]})},
            {
                "inputs.sepal_width.shape": "expected [n] or [n, 1], found []",
                "inputs.petal_width.shape": "expected [n] or [n, 1], found [1, 1, 1]",
            },
        ),
        (
            {"inputs": iris_columns(petal_width={"data": [1, 2], "parameters": {}})},
            {"inputs.petal_width.data": "shape [1] has 1 elements, found 2"},
        ),
        (
            {"inputs": [column(f"x{i}", [1.0]) for i in range(105)]},
            {"inputs": "expected a list of 1 to 4 tensors, found 105"},
        ),
        (
            {"inputs": iris_columns(), "outputs": [7] * 103},
            {"outputs": "expected at most 2, found 103"},
        ),
        (
            {"inputs": [{**matrix([ROW]), "name": "x" * 1001, "shape": [1] * 9}]},
            {
                f"inputs.{'x' * 100}.name": "expected the name of an input",
                f"inputs.{'x' * 100}.shape": "expected a list of whole numbers",
            },
        ),
        (
            {"inputs": iris_columns(petal_width={"data": ["x"], "shape": [1]})},
            {"inputs.petal_width.data": "not FP64: element 0"},
        ),
        (
            {"inputs": iris_columns(petal_width={"data": [1e39]})},
            {"inputs.petal_width.0": "the number is too large for a 32-bit float"},
        ),
        (
            {"inputs": [matrix([[1.0, 2.0, 3.0]])]},
            {"inputs.input-0.shape": "expected [n, 4], found [1, 3]"},
        ),
        (
            {"inputs": [{**matrix([ROW]), "datatype": "BYTES", "data": ["a"] * 4}]},
            {"inputs.input-0.datatype": "expected numbers, found BYTES"},
        ),
        (
            {"inputs": [matrix([[1.0, None, 3.0, 1e39]])]},
            {
                "inputs.input-0.0.sepal_width": "this feature may not be null",
                "inputs.input-0.0.petal_width": "the number is too large for a 32-bit float",
            },
        ),
        (
            {"inputs": [matrix([ROW] * 101)]},
            {"inputs.input-0": "expected 1 to 100 rows, found 101"},
        ),
        (
            {"inputs": [{**matrix([ROW]), "shape": [0, 4], "data": []}]},
            {"inputs.input-0": "expected 1 to 100 rows, found 0"},
        ),
        (
            {"inputs": [{**matrix([ROW]), "shape": [2**62, 4]}]},
            {"inputs.input-0": f"expected 1 to 100 rows, found {2**62}"},
        ),
        (
            {
                "inputs": iris_columns(),
                "outputs": [
                    {"name": "predict"},
                    {"name": "predict"},
                    {"name": "decision"},
                    7,
                    {"name": "predict_proba", "parameters": {"classification": 2}},
                ],
            },
            {
                "outputs.1.name": "expected one of, each once: predict, predict_proba",
                "outputs.2.name": "expected one of, each once: predict, predict_proba",
                "outputs.3.name": "expected one of, each once: predict, predict_proba",
                "outputs.predict_proba.classification": "not offered here; leave it out",
            },
        ),
        (
            {
                "inputs": iris_columns(
                    petal_width={"parameters": {"shared_memory_region": "x"}, "data": [1]}
                )
            },
            {
                "inputs.petal_width": "shared memory is not offered here; send the data in the body"
            },
        ),
    ],
)  # fmt: skip
def test_every_problem_of_a_json_body_is_named(
    iris: FlaskClient, document: Any, expected: dict[str, str]
) -> None:
    response = post(iris, document, INFER)
    assert response.status_code == 422
    assert dict(errors(response)) == expected
    assert all(text in response.get_json()["error"] for text in expected.values())


def described(name: str, datatype: str = "FP64", **changes: Any) -> dict[str, Any]:
    """A tensor of one row without its data."""
    return {"name": name, "datatype": datatype, "shape": [1], **changes}


def sized(size: Any) -> dict[str, Any]:
    """Parameters that claim a size."""
    return {"parameters": {"binary_data_size": size}}


EIGHT = b"\0" * 8
REST = [(described(name), EIGHT) for name in list(NAMED)[1:]]


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        pytest.param(
            [(described("sepal_length", **sized(80)), EIGHT), *REST],
            {"inputs.sepal_length": "claims 80 bytes, 32 are left in the body"},
            id="claims-more-than-the-body",
        ),
        pytest.param(
            [(described("sepal_length", **sized(2**70)), EIGHT), *REST],
            {"inputs.sepal_length": SIZE},
            id="claims-beyond-64-bits",
        ),
        pytest.param(
            [(described("sepal_length", **sized(2**63 - 1)), EIGHT), *REST],
            {"inputs.sepal_length": "claims 9223372036854775807 bytes, 32 are left in the body"},
            id="claims-64-bits",
        ),
        pytest.param(
            [(described("sepal_length", shape=[2**63 - 1, 2**63 - 1]), EIGHT), *REST],
            {"inputs": "expected as many rows in every tensor, found 1, 9223372036854775807",
             "inputs.sepal_length": f"expected 1 to 100 rows, found {2**63 - 1}",
             "inputs.sepal_length.shape": f"expected [n] or [n, 1], found {[2**63 - 1] * 2}"},
            id="shape-overflows",
        ),
        pytest.param(
            [(described("sepal_length", **sized(4)), EIGHT[:4]), *REST],
            {"inputs.sepal_length": "1 elements of FP64 take 8 bytes, binary_data_size is 4"},
            id="fewer-bytes-than-the-shape",
        ),
        pytest.param(
            [(described("sepal_length", **sized(-8)), b""), *REST],
            {"inputs.sepal_length": SIZE},
            id="negative-size",
        ),
        pytest.param(
            [(described("sepal_length", data=[5.1]), EIGHT), *REST],
            {"inputs.sepal_length": "expected either `data` or binary_data_size, found both"},
            id="data-and-bytes",
        ),
        pytest.param(
            [(described("sepal_length", "BYTES"), b"\x09\0\0\0abcd"), *REST],
            {"inputs.sepal_length.datatype": f"{NUMBERS} BYTES"},
            id="wrong-datatype",
        ),
        pytest.param(
            [(described("sepal_length", "INT128"), EIGHT), *REST],
            {"inputs.sepal_length.datatype": ONE_OF},
            id="no-datatype",
        ),
        pytest.param(
            [(described("sepal_length"), struct.pack("<d", float("nan"))),
             (described("sepal_width"), struct.pack("<d", float("inf"))), *REST[1:]],
            {"inputs.sepal_length.0": "this feature may not be null",
             "inputs.sepal_width.0": "the number is too large for a 32-bit float"},
            id="not-finite",
        ),
    ],
)  # fmt: skip
def test_every_problem_of_a_raw_body_is_named(
    iris: FlaskClient, tensors: list[tuple[dict[str, Any], bytes]], expected: dict[str, str]
) -> None:
    response = send_raw(iris, tensors)
    assert response.status_code in (400, 422)
    assert dict(errors(response)) == expected


def test_bytes_that_follow_the_last_tensor_are_a_400(iris: FlaskClient) -> None:
    response = send_raw(iris, [raw_matrix([ROW], "FP64", "<f8")], extra=b"xyz")
    assert response.status_code == 400
    assert response.get_json()["error"] == f"{UNREADABLE}: inputs: 3 bytes follow the last tensor"


@pytest.mark.parametrize("cut", [1, 8, 31, 32])
def test_a_truncated_body_is_a_400(iris: FlaskClient, cut: int) -> None:
    described, raw = raw_matrix([ROW], "FP64", "<f8")
    response = send_raw(iris, [({**described, **sized(32)}, raw[:-cut])])
    assert response.status_code == 400
    left = f"claims 32 bytes, {32 - cut} are left in the body"
    assert response.get_json()["error"] == f"{UNREADABLE}: inputs.input-0: {left}"


@pytest.mark.parametrize("length", ["-1", "x", "", "1e3", "99999999", "9" * 5000, "\u0663", "1.0"])
def test_a_header_length_that_lies_is_a_400(iris: FlaskClient, length: str) -> None:
    tensor = raw_matrix([ROW], "FP64", "<f8")
    response = send_raw(iris, [tensor], **{HEADER: length})
    assert response.status_code == 400
    assert response.get_json()["error"].startswith(f"{UNREADABLE}: {HEADER}: expected the length")


@pytest.mark.parametrize("length", ["0", "10"])
def test_a_header_length_that_cuts_the_json_is_a_400(iris: FlaskClient, length: str) -> None:
    response = send_raw(iris, [raw_matrix([ROW], "FP64", "<f8")], **{HEADER: length})
    assert (response.status_code, response.get_json()["title"]) == (400, "The body is not JSON")


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"Content-Type": "text/html"}, "found text/html"),
        ({"Content-Encoding": "gzip"}, "not compressed, found gzip"),
    ],
)
def test_other_content_types_and_encodings_are_a_415(
    iris: FlaskClient, headers: dict[str, str], text: str
) -> None:
    response = iris.post(INFER, data=b"{}", headers=headers)
    assert response.status_code == 415
    assert text in response.get_json()["error"]


def test_random_bytes_are_never_a_server_error(iris: FlaskClient) -> None:
    described, raw = raw_matrix([ROW, ROW], "FP64", "<f8")
    head = json.dumps({"inputs": [{**described, **sized(len(raw))}]}).encode()
    body = head + raw
    seen = set()
    generator = np.random.default_rng(7)
    for _ in range(1500):
        broken = bytearray(body)
        for _ in range(generator.integers(1, 4)):
            broken[generator.integers(len(broken))] = generator.integers(256)
        cut = generator.integers(len(broken) // 2, len(broken) + 1)
        response = iris.post(INFER, data=bytes(broken[:cut]), headers={HEADER: str(len(head))})
        seen.add(response.status_code)
    assert seen <= {200, 400, 422}
    assert len(seen) == 3


# ---- contracts that no sample model has


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
    announced = json.loads(protocol.metadata("sklearn").body)
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
        "count": "expected a whole number, found a number",
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
    assert json.loads(protocol.metadata("onnx").body)["outputs"][0]["datatype"] == datatype
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
