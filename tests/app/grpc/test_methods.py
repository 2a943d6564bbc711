"""The other methods, and what becomes of calls that are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from tritonclient.grpc import service_pb2

from app import __version__
from app.admission import Deadline
from app.errors import RequestError
from app.protocols.grpc import messages, reflection
from app.request import Request
from app.routes import call_route, run_work
from app.service import Service
from app.urls import GRPC_URLS
from tests import trained
from tests.app.grpc import core

CHECK = "/grpc.health.v1.Health/Check"


@pytest.fixture
def iris() -> Iterator[Service]:
    """A service whose state is put back."""
    service = core.loaded(trained.bundle("iris"))
    yield service
    service.is_draining = False


def ask(service: Service, method: str, request: Any = None) -> Any:
    """Make a call of the inference service with a message or an empty one."""
    body = core.framed(request.SerializeToString() if request else b"")
    return core.call(service, f"{core.INFERENCE}/{method}", body)


def check(service: Service, name: str) -> Any:
    """Ask for a health."""
    body = core.framed(health_pb2.HealthCheckRequest(service=name).SerializeToString())
    return core.call(service, CHECK, body)


def test_it_lives_and_is_ready_until_it_drains(iris: Service) -> None:
    model = service_pb2.ModelReadyRequest(name="iris")
    for is_ready in (True, False):
        iris.is_draining = not is_ready
        assert core.result(ask(iris, "ServerLive"), service_pb2.ServerLiveResponse).live
        ready = core.result(ask(iris, "ServerReady"), service_pb2.ServerReadyResponse)
        assert ready.ready == is_ready
        ready = core.result(ask(iris, "ModelReady", model), service_pb2.ModelReadyResponse)
        assert ready.ready == is_ready


def test_the_health_of_each_service(iris: Service) -> None:
    kind = health_pb2.HealthCheckResponse
    for name in ("", "inference.GRPCInferenceService", "iris"):
        iris.is_draining = False
        assert core.result(check(iris, name), kind).status == kind.SERVING
        iris.is_draining = True
        assert core.result(check(iris, name), kind).status == kind.NOT_SERVING
    assert core.result(check(iris, "live"), kind).status == kind.SERVING
    refused = check(iris, "other")
    assert core.code(refused) == 5
    assert "found 'other'" in core.details(refused)[0].message


def test_metadata(iris: Service) -> None:
    server = core.result(ask(iris, "ServerMetadata"), service_pb2.ServerMetadataResponse)
    assert (server.name, server.version) == ("ml-model", __version__)
    request = service_pb2.ModelMetadataRequest(name="iris", version=iris.version)
    model = core.result(ask(iris, "ModelMetadata", request), service_pb2.ModelMetadataResponse)
    assert (model.name, list(model.versions)) == ("iris", [iris.version])
    assert [each.name for each in model.inputs] == [each.name for each in iris.contract.inputs]
    assert {(each.datatype, tuple(each.shape)) for each in model.inputs} == {("FP64", (-1,))}
    assert [(each.name, tuple(each.shape)) for each in model.outputs] == [
        ("predict", (-1,)),
        ("predict_proba", (-1, 3)),
    ]


@pytest.mark.parametrize("method", ["ModelReady", "ModelMetadata"])
def test_another_model_is_not_found(iris: Service, method: str) -> None:
    for request in (
        service_pb2.ModelReadyRequest(name="other"),
        service_pb2.ModelReadyRequest(name="iris", version="9"),
        service_pb2.ModelReadyRequest(),
    ):
        assert core.code(ask(iris, method, request)) == 5


def test_an_unknown_method_is_unimplemented(iris: Service) -> None:
    for path in ("/inference.GRPCInferenceService/ModelStreamInfer", "/x", "/predict", "/"):
        refused = core.call(iris, path, core.framed(b""))
        assert core.code(refused) == 12
        assert path in core.details(refused)[0].message


@pytest.mark.parametrize("path", [url.path for url in GRPC_URLS if "Metadata" not in url.path
                                  and "Server" not in url.path])  # fmt: skip
def test_what_is_no_message(iris: Service, path: str) -> None:
    for body in (core.framed(b"\xff\xff\xff"), b"", core.framed(b"") * 2):
        assert core.code(core.call(iris, path, body)) == 3


def test_a_fault_in_a_conversation_is_one_of_its_method(iris: Service) -> None:
    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    fields = {"content-type": "application/grpc"}
    request = Request("POST", path, 8080, fields, b"", Deadline(1000), version="2")
    request.refused = ValueError("a fault of ours")
    route = call_route(iris, request)
    outcome, reply = run_work(iris, route, request)
    assert core.code(reply) == 13
    assert (outcome.route, outcome.status, outcome.failure) == (path, 500, request.refused)


# -- reflection
def reflect(request: Any) -> Any:
    """The answer to a request."""
    framed = reflection.answer(request.SerializeToString())
    flag, length = core.PREFIX.unpack_from(framed)
    assert (flag, length) == (0, len(framed) - core.PREFIX.size)
    return reflection_pb2.ServerReflectionResponse.FromString(framed[core.PREFIX.size :])


def asked(**fields: Any) -> Any:
    """A request as grpcurl makes it."""
    return reflection_pb2.ServerReflectionRequest(**fields)


def test_reflection_lists_what_is_served() -> None:
    listed = reflect(asked(list_services="")).list_services_response.service
    names = {each.name for each in listed}
    served = {url.path.split("/")[1] for url in GRPC_URLS}
    assert names == served - {"grpc.reflection.v1alpha.ServerReflection"}


def test_reflection_sends_a_file_with_all_that_it_imports() -> None:
    request = asked(file_containing_symbol="inference.GRPCInferenceService.ModelInfer")
    found = reflect(request).file_descriptor_response.file_descriptor_proto
    assert list(found) == [messages.FILES["inference.proto"]]
    found = reflect(asked(file_by_filename="status.proto"))
    assert len(found.file_descriptor_response.file_descriptor_proto) == 3
    assert found.original_request.file_by_filename == "status.proto"


def test_reflection_refuses_what_is_no_request() -> None:
    with pytest.raises(RequestError) as refused:
        reflection.answer(b"\xff\xff")
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (asked(), 3),
        (asked(file_by_filename="no.proto"), 5),
        (asked(file_containing_symbol="no.Symbol"), 5),
        (asked(all_extension_numbers_of_type="inference.InferParameter"), 12),
    ],
)
def test_reflection_says_what_it_does_not_have(request_: Any, code: int) -> None:
    assert reflect(request_).error_response.error_code == code
