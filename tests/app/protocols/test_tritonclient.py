"""An unmodified tritonclient[http] at its default arguments against a started service.

Its defaults are what makes it a test: raw tensors there and back, an id, all outputs. Only its time
limit is ours, for a busy machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.app import live
from tests.app.live import LiveService
from tests.app.protocols.test_native import NAMED, PENGUIN, ROW

Serve = Callable[[str], tuple[LiveService, InferenceServerClient]]
NUMBERS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """One client per model, for all tests of this module."""
    clients: dict[str, InferenceServerClient] = {}

    def starter(name: str) -> tuple[LiveService, InferenceServerClient]:
        service = live.shared(name)
        if name not in clients:
            clients[name] = InferenceServerClient(
                f"127.0.0.1:{service.port}", network_timeout=live.TIMEOUT_SECONDS
            )
        return service, clients[name]

    yield starter
    for client in clients.values():
        client.close()


@pytest.fixture
def iris_client(serve: Serve) -> InferenceServerClient:
    """A client of the iris model."""
    return serve("iris")[1]


@pytest.fixture
def penguins_client(serve: Serve) -> InferenceServerClient:
    """A client of the penguins model."""
    return serve("penguins")[1]


def tensor(name: str, values: Any) -> InferInput:
    """An input as the client's documentation makes one."""
    array = np.array(values)
    if array.dtype.kind in "US":
        array = array.astype(np.object_)
    made = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    return made.set_data_from_numpy(array)


def penguins_tensors(rows: list[dict[str, Any]]) -> list[InferInput]:
    """One tensor per feature: NaN and empty strings for what is missing."""
    numbers = [
        tensor(name, np.array([row[name] for row in rows], dtype=np.float64)) for name in NUMBERS
    ]
    texts = [tensor(name, [row[name] or "" for row in rows]) for name in ("island", "sex")]
    return [*numbers, *texts]


def native(service: LiveService, rows: list[Any]) -> list[dict[str, Any]]:
    """What POST /predict says of the same rows."""
    answer: list[dict[str, Any]] = service.client.post("/predict", json={"instances": rows}).json()[
        "predictions"
    ]
    return answer


def labels(result: Any) -> list[str]:
    """The `predict` output as strings."""
    return [value.decode() for value in result.as_numpy("predict")]


def test_server_and_model_are_live_and_ready(iris_client: InferenceServerClient) -> None:
    assert iris_client.is_server_live()
    assert iris_client.is_server_ready()
    assert iris_client.is_model_ready("iris")
    assert iris_client.is_model_ready("iris", "1.0.0")
    assert not iris_client.is_model_ready("other")
    assert not iris_client.is_model_ready("iris", "2")


def test_metadata_is_read(iris_client: InferenceServerClient) -> None:
    assert iris_client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = iris_client.get_model_metadata("iris")
    assert [entry["name"] for entry in metadata["inputs"]] == list(NAMED)
    assert metadata == iris_client.get_model_metadata("iris", "1.0.0")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_matrix_answers_as_predict_does(serve: Serve, dtype: Any) -> None:
    service, client = serve("iris")
    rows = [ROW, [6.7, 3.0, 5.2, 2.3], [5.9, 3.0, 4.2, 1.5]]
    array = np.array(rows, dtype=dtype)
    result = client.infer("iris", [tensor("input-0", array)])
    expected = native(service, array.astype(float).tolist())
    assert labels(result) == [row["prediction"] for row in expected]
    np.testing.assert_array_equal(
        result.as_numpy("predict_proba"), [row["probability"] for row in expected]
    )


def test_the_metadata_is_enough_to_make_a_request(serve: Serve) -> None:
    from tritonclient.utils import triton_to_np_dtype

    _, client = serve("penguins")
    inputs = []
    for entry in client.get_model_metadata("penguins")["inputs"]:
        dtype = triton_to_np_dtype(entry["datatype"])
        inputs.append(tensor(entry["name"], np.array([PENGUIN[entry["name"]]], dtype=dtype)))
    assert labels(client.infer("penguins", inputs)) == ["Adelie"]


def test_strings_and_missing_values_answer_as_predict_does(serve: Serve) -> None:
    service, client = serve("penguins")
    rows = [
        PENGUIN,
        {**PENGUIN, "sex": None, "body_mass_g": None},
        {**PENGUIN, **dict.fromkeys(NUMBERS), "island": "Biscoe", "sex": "female"},
    ]
    result = client.infer("penguins", penguins_tensors(rows))
    expected = native(service, rows)
    assert labels(result) == [row["prediction"] for row in expected]
    probabilities = result.as_numpy("predict_proba")
    assert probabilities.dtype == np.float64
    assert probabilities.tolist() == [row["probability"] for row in expected]


def test_a_regressor_answers_numbers(serve: Serve) -> None:
    service, client = serve("diabetes")
    names = [entry["name"] for entry in client.get_model_metadata("diabetes")["inputs"]]
    rows = [[59.0, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87], [48.0, 1, 21.6, 87, 183, 103.2, 70,
            3, 3.8918, 69]]  # fmt: skip
    result = client.infer("diabetes", [tensor("rows", np.array(rows))])
    named = [dict(zip(names, row, strict=True)) for row in rows]
    expected = [row["prediction"] for row in native(service, named)]
    assert result.as_numpy("predict").dtype == np.float64
    assert result.as_numpy("predict").tolist() == expected
    assert result.as_numpy("predict_proba") is None


@pytest.mark.parametrize("binary", [True, False])
def test_outputs_are_selected_and_the_id_is_echoed(
    penguins_client: InferenceServerClient, *, binary: bool
) -> None:
    outputs = [InferRequestedOutput("predict_proba", binary_data=binary)]
    tensors = penguins_tensors([PENGUIN, PENGUIN])
    result = penguins_client.infer("penguins", tensors, outputs=outputs, request_id="id-7")
    response = result.get_response()
    assert response["id"] == "id-7"
    assert [entry["name"] for entry in response["outputs"]] == ["predict_proba"]
    assert result.as_numpy("predict_proba").shape == (2, 3)
    assert result.as_numpy("predict") is None


def test_json_tensors_answer_the_same(penguins_client: InferenceServerClient) -> None:
    tensors = penguins_tensors([PENGUIN])
    plain = []
    for name in PENGUIN:
        value = PENGUIN[name]
        array = np.array([value], dtype=np.object_ if isinstance(value, str) else np.float64)
        made = InferInput(name, [1], np_to_triton_dtype(array.dtype))
        plain.append(made.set_data_from_numpy(array, binary_data=False))
    answers = [penguins_client.infer("penguins", given) for given in (tensors, plain)]
    assert labels(answers[0]) == labels(answers[1]) == ["Adelie"]


def test_parameters_that_mean_nothing_here_are_tolerated(
    iris_client: InferenceServerClient,
) -> None:
    result = iris_client.infer(
        "iris",
        [tensor("x", np.array([ROW]))],
        model_version="1.0.0",
        sequence_id=7,
        priority=1,
        timeout=1_000_000,
        parameters={"tenant": "a"},
    )
    assert labels(result) == ["setosa"]


def test_asynchronous_requests_are_answered(iris_client: InferenceServerClient) -> None:
    pending = [iris_client.async_infer("iris", [tensor("x", np.array([ROW]))]) for _ in range(5)]
    assert [labels(request.get_result()) for request in pending] == [["setosa"]] * 5


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_its_compressed_requests_are_answered(
    iris_client: InferenceServerClient, coding: str, binary: bool
) -> None:
    rows = np.array([ROW, [6.7, 3.0, 5.2, 2.3]])
    made = InferInput("x", list(rows.shape), "FP64")
    made.set_data_from_numpy(rows, binary_data=binary)
    answer = iris_client.infer("iris", [made], request_compression_algorithm=coding)
    assert labels(answer) == ["setosa", "virginica"]


@pytest.mark.parametrize(
    ("model", "inputs", "status", "text"),
    [
        ("other", [("x", [ROW])], "404", "expected model 'iris', found 'other'"),
        ("iris", [("x", [[1.0, 2.0]])], "422", "inputs.x.shape: expected [n, 4], found [1, 2]"),
        (
            "iris",
            [("x", [["a"] * 4])],
            "422",
            "inputs.x.datatype: expected a numeric datatype, found BYTES",
        ),
        ("iris", [("sepal_length", [5.1])], "422", "inputs.petal_width: missing"),
        ("iris", [("colour", [5.1])], "422", "inputs.colour: unknown input: expected one tensor"),
        (
            "iris",
            [("x", [[np.nan] * 4])],
            "422",
            "x.0.petal_width: expected a value, found null",
        ),
        ("iris", [("x", [ROW] * 101)], "422", "inputs.x: expected 1 to 100 rows, found 101"),
    ],
)
def test_a_refusal_reaches_the_caller_in_our_words(
    iris_client: InferenceServerClient,
    model: str,
    inputs: list[tuple[str, Any]],
    status: str,
    text: str,
) -> None:
    with pytest.raises(InferenceServerException) as refused:
        iris_client.infer(model, [tensor(name, values) for name, values in inputs])
    assert refused.value.status() == status
    assert text in refused.value.message()


def test_unknown_categories_and_outputs_are_refused_together(
    penguins_client: InferenceServerClient,
) -> None:
    tensors = penguins_tensors([{**PENGUIN, "island": "Atlantis", "sex": "nan"}])
    outputs = [InferRequestedOutput("decision_function")]
    with pytest.raises(InferenceServerException) as refused:
        penguins_client.infer("penguins", tensors, outputs=outputs)
    message = refused.value.message()
    assert "outputs.0.name: expected one of predict, predict_proba, each at most once" in message
    assert "island.0: unknown category: expected one of Biscoe, Dream, Torgersen" in message
    assert "sex.0: unknown category: expected one of female, male" in message
