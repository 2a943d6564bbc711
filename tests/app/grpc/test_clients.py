"""Unmodified clients against a started service, on the port of HTTP/1.1: tritonclient, grpcio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from tritonclient.grpc import (
    InferenceServerClient,
    InferInput,
    InferRequestedOutput,
    service_pb2,
    service_pb2_grpc,
)
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests import trained
from tests.app import live
from tests.app.grpc import core
from tests.app.live import LiveService
from tests.app.protocols.test_native import PENGUIN, ROW
from tests.app.protocols.test_tritonclient import NUMBERS, labels, native
from tests.ports import free_port

Start = Callable[..., LiveService]
INFER = "/inference.GRPCInferenceService/ModelInfer"


@pytest.fixture(scope="module")
def iris() -> Iterator[InferenceServerClient]:
    """tritonclient at its defaults."""
    client = InferenceServerClient(f"127.0.0.1:{live.shared('iris').port}")
    yield client
    client.close()


@pytest.fixture(scope="module")
def penguins() -> Iterator[InferenceServerClient]:
    """Of the model with strings and missing values."""
    client = InferenceServerClient(f"127.0.0.1:{live.shared('penguins').port}")
    yield client
    client.close()


def channel(service: LiveService, *options: tuple[str, Any]) -> grpc.Channel:
    """A connection of its own: grpcio shares those of equal options."""
    own = ("grpc.use_local_subchannel_pool", 1)
    return grpc.insecure_channel(f"127.0.0.1:{service.port}", [own, *options])


def tensor(name: str, values: Any) -> InferInput:
    """An input as the client's documentation makes one."""
    array = np.array(values)
    if array.dtype.kind in "US":
        array = array.astype(np.object_)
    made = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    made.set_data_from_numpy(array)
    return made


def infer_of(connected: grpc.Channel) -> Any:
    """ModelInfer by grpcio."""
    return service_pb2_grpc.GRPCInferenceServiceStub(connected).ModelInfer


def iris_request(rows: int = 1) -> Any:
    """A request with typed contents."""
    request = core.infer_request("iris")
    core.tensor(request, "x", "FP64", ROW * rows, [rows, 4])
    return request


def test_triton_asks_for_state_and_metadata(iris: InferenceServerClient) -> None:
    assert iris.is_server_live()
    assert iris.is_server_ready()
    assert iris.is_model_ready("iris")
    assert iris.is_model_ready("iris", "1.0.0")
    with pytest.raises(InferenceServerException, match="Unknown model"):
        iris.is_model_ready("other")
    assert iris.get_server_metadata().name == "ml-model"
    metadata = iris.get_model_metadata("iris")
    assert [entry.datatype for entry in metadata.inputs] == ["FP64"] * 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_triton_gets_what_predict_answers(iris: InferenceServerClient, dtype: Any) -> None:
    rows = [ROW, [6.7, 3.0, 5.2, 2.3], [5.9, 3.0, 4.2, 1.5]]
    array = np.array(rows, dtype=dtype)
    result = iris.infer("iris", [tensor("input-0", array)], request_id="me")
    expected = native(live.shared("iris"), array.astype(float).tolist())
    assert labels(result) == [row["prediction"] for row in expected]
    np.testing.assert_array_equal(
        result.as_numpy("predict_proba"), [row["probability"] for row in expected]
    )
    assert result.get_response().id == "me"


@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_triton_sends_strings_and_missing_values(
    penguins: InferenceServerClient, coding: str | None
) -> None:
    rows = [PENGUIN, {**PENGUIN, "sex": None, "body_mass_g": None}]
    inputs = [tensor(name, np.array([row[name] for row in rows], dtype=float)) for name in NUMBERS]
    inputs += [tensor(name, [str(row[name] or "") for row in rows]) for name in ("island", "sex")]
    result = penguins.infer("penguins", inputs, compression_algorithm=coding)
    expected = native(live.shared("penguins"), rows)
    assert labels(result) == [row["prediction"] for row in expected]
    probabilities = result.as_numpy("predict_proba")
    assert probabilities.tolist() == [row["probability"] for row in expected]


def test_triton_asks_for_one_output(iris: InferenceServerClient) -> None:
    wanted = [InferRequestedOutput("predict_proba")]
    result = iris.infer("iris", [tensor("x", [ROW])], outputs=wanted)
    assert result.as_numpy("predict") is None
    assert result.as_numpy("predict_proba").shape == (1, 3)


def test_triton_is_told_what_is_wrong(iris: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException) as raised:
        iris.infer("iris", [tensor("x", [[1.0, 2.0]])])
    assert raised.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert "expected [n, 4], found [1, 2]" in raised.value.message()


def test_triton_asks_without_waiting(iris: InferenceServerClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(iris.infer, "iris", [tensor("x", [ROW])]) for _ in range(200)]
        assert {labels(each.result())[0] for each in asked} == {"setosa"}


def test_a_thousand_rows_and_more_bytes_than_a_window(start: Start) -> None:
    service = start(trained.bundle("iris"), MAX_BATCH_ROWS="60000", MAX_BODY_BYTES="8000000")
    limits = ("grpc.max_receive_message_length", -1)
    with channel(service, limits) as connected:
        infer = infer_of(connected)
        for rows in (1000, 60_000):
            answered = infer(iris_request(rows), timeout=live.TIMEOUT_SECONDS)
            assert len(answered.outputs[0].contents.bytes_contents) == rows
            assert answered.outputs[1].shape == [rows, 3]
        with pytest.raises(grpc.RpcError) as raised:
            infer(iris_request(300_000), timeout=live.TIMEOUT_SECONDS)
        assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        # The connection is as good as before.
        assert infer(iris_request(), timeout=live.TIMEOUT_SECONDS).outputs


def test_a_call_is_counted_and_logged_like_a_request(start: Start) -> None:
    service = start(trained.bundle("iris"), WORKERS="1")
    metadata = [("x-request-id", "mine")]
    with channel(service) as connected:
        infer = infer_of(connected)
        _, call = infer.with_call(iris_request(), metadata=metadata)
        assert ("x-request-id", "mine") in call.initial_metadata()
        wrong = iris_request()
        wrong.model_name = "other"
        with pytest.raises(grpc.RpcError):
            infer(wrong)
    counted = 'ml_requests_total{[^}]*code="%s"[^}]*route="%s"[^}]*}'
    assert service.metric(counted % ("200", INFER)) == 1
    assert service.metric(counted % ("404", INFER)) == 1
    assert service.metric("ml_batch_rows_sum") == 1
    (line,) = service.events("prediction_completed")
    assert (line["route"], line["request_id"], line["rows"]) == (INFER, "mine", 1)


def test_health_is_checked(start: Start) -> None:
    service = start(trained.bundle("iris"), WORKERS="1")
    kind = health_pb2.HealthCheckResponse
    with channel(service) as connected:
        stub = health_pb2_grpc.HealthStub(connected)
        for name in ("", "iris", "inference.GRPCInferenceService", "live"):
            asked = health_pb2.HealthCheckRequest(service=name)
            assert stub.Check(asked).status == kind.SERVING
        with pytest.raises(grpc.RpcError) as raised:
            stub.Check(health_pb2.HealthCheckRequest(service="other"))
        assert raised.value.code() == grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.RpcError) as raised:
            next(stub.Watch(health_pb2.HealthCheckRequest()))
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_reflection_is_enough_to_make_a_call() -> None:
    """As grpcurl does: list, describe, call with messages made of the descriptors."""
    from google.protobuf import descriptor_pool, message_factory

    service = live.shared("iris")
    with channel(service) as connected:
        database = ProtoReflectionDescriptorDatabase(connected)
        assert "inference.GRPCInferenceService" in database.get_services()
        pool = descriptor_pool.DescriptorPool(database)
        found = pool.FindServiceByName("inference.GRPCInferenceService")
        method = found.methods_by_name["ModelInfer"]
        request = message_factory.GetMessageClass(method.input_type)(model_name="iris")
        core.tensor(request, "x", "FP64", ROW, [1, 4])
        call = connected.unary_unary(
            f"/{found.full_name}/{method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        assert call(request).outputs[0].contents.bytes_contents == [b"setosa"]


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ([("a", "b" * 34_000)], grpc.StatusCode.RESOURCE_EXHAUSTED),
        ([(f"a{number}", "b") for number in range(120)], grpc.StatusCode.RESOURCE_EXHAUSTED),
        ([("authorization", "a"), ("authorization", "b")], grpc.StatusCode.INVALID_ARGUMENT),
    ],
    ids=["large", "many", "twice"],
)
def test_metadata_is_refused_in_the_words_of_grpc(
    metadata: list[tuple[str, str]], code: grpc.StatusCode
) -> None:
    with channel(live.shared("iris")) as connected:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(connected)
        with pytest.raises(grpc.RpcError) as refused:
            stub.ServerLive(service_pb2.ServerLiveRequest(), metadata=metadata)
        assert refused.value.code() == code
        assert "expected" in refused.value.details()
        # The connection is as good as before.
        assert stub.ServerLive(service_pb2.ServerLiveRequest()).live


def test_space_around_metadata_is_stripped() -> None:
    with channel(live.shared("iris")) as connected:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(connected)
        _, call = stub.ServerLive.with_call(
            service_pb2.ServerLiveRequest(), metadata=[("x-request-id", " abc "), ("a", " b")]
        )
        assert dict(call.initial_metadata())["x-request-id"] == "abc"


def test_a_target_of_several_addresses() -> None:
    address = f"127.0.0.1:{live.shared('iris').port}"
    with grpc.insecure_channel(f"ipv4:{address},{address}") as connected:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(connected)
        assert stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=30).live


def test_reflection_says_that_bytes_are_no_request() -> None:
    service = live.shared("iris")
    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    with channel(service) as connected, pytest.raises(grpc.RpcError) as refused:
        list(connected.stream_stream(path)(iter([b"\xff\xff"])))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert service.events("request_rejected")[-1]["route"] == "unmatched"


def test_a_port_of_metrics_alone_has_no_reflection(start: Start) -> None:
    metrics_port = free_port()
    start(trained.bundle("iris"), METRICS_PORT=str(metrics_port))
    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    with grpc.insecure_channel(f"127.0.0.1:{metrics_port}") as connected:
        answers = connected.stream_stream(path)(iter([b"\x3a\x00"]))
        with pytest.raises(grpc.RpcError) as refused:
            next(answers)
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_deadline_is_kept(start: Start) -> None:
    service = start(trained.slow_bundle(), WORKERS="1")
    request = core.infer_request("slow")
    core.tensor(request, "x", "FP64", ROW * 100, [100, 4])
    late = 'ml_requests_total{[^}]*code="504"[^}]*}'
    with channel(service) as connected:
        infer = infer_of(connected)
        with ThreadPoolExecutor(10) as pool:
            asked = [pool.submit(infer, request, timeout=0.12) for _ in range(10)]
            codes = {each.exception().code() for each in asked if each.exception()}  # type: ignore[union-attr]
        assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}
    service.wait_until("nothing is left", lambda: service.metric("ml_requests_in_flight") == 0)
    # A call that its client has given up is not predicted: the others wait less.
    assert service.metric("ml_batch_rows_sum") + 100 * service.metric(late) < 1000


def test_load_is_shed_with_a_hint(start: Start) -> None:
    service = start(trained.slow_bundle(), WORKERS="1", MAX_IN_FLIGHT="1")
    request = core.infer_request("slow")
    core.tensor(request, "x", "FP64", ROW * 100, [100, 4])
    with channel(service) as connected, ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(infer_of(connected), request, timeout=60) for _ in range(10)]
        errors: list[Any] = [each.exception() for each in asked if each.exception()]
    assert 0 < len(errors) < 10
    assert {error.code() for error in errors} == {grpc.StatusCode.UNAVAILABLE}
    names = {name for error in errors for name, _ in error.trailing_metadata()}
    assert "grpc-status-details-bin" in names
