"""Calls of gRPC in this process, with messages that other projects generated, without HTTP/2."""

from __future__ import annotations

import base64
import functools
import struct
import time
from pathlib import Path
from typing import Any

from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from tritonclient.grpc import service_pb2

from app.admission import Deadline
from app.request import Request
from app.responses import Reply
from app.routes import answer, call_route
from app.service import Service, load_service
from app.settings import Settings

PREFIX = struct.Struct(">BI")
INFERENCE = "/inference.GRPCInferenceService"
DETAILS: tuple[Any, ...] = (BadRequest, ErrorInfo, RequestInfo, RetryInfo)
CONTENTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents",
    "INT32": "int_contents", "INT64": "int64_contents", "UINT8": "uint_contents",
    "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip


@functools.cache
def loaded(bundle: Path) -> Service:
    """A started service."""
    service = load_service(Settings.from_environ({"MODEL_DIR": str(bundle)}), time.perf_counter())
    service.start_worker()
    return service


def framed(message: bytes, flag: int = 0) -> bytes:
    """A message with its prefix."""
    return PREFIX.pack(flag, len(message)) + message


def call(service: Service, path: str, body: bytes, **headers: str) -> Reply:
    """Make a call with these bytes as its body."""
    fields = {"content-type": "application/grpc", **headers}
    fields = {name.replace("_", "-"): value for name, value in fields.items()}
    request = Request("POST", path, 8080, fields, body, Deadline(60_000), version="2")
    return answer(service, call_route(service, request), request)


def code(reply: Reply) -> int:
    """The status of a reply, after looking at what each must have."""
    assert reply.status == 200
    assert reply.content_type == "application/grpc"
    assert reply.trailers is not None
    status = int(reply.trailers["grpc-status"])
    assert bool(reply.body) == (status == 0)
    return status


def result(reply: Reply, kind: Any) -> Any:
    """The message of a reply that succeeded."""
    assert code(reply) == 0, reply.trailers
    flag, length = PREFIX.unpack_from(reply.body)
    assert (flag, length) == (0, len(reply.body) - PREFIX.size)
    return kind.FromString(reply.body[PREFIX.size :])


def details(reply: Reply) -> tuple[Status, dict[str, Any]]:
    """The status in the trailers and its details by name, as google.rpc reads them."""
    assert reply.trailers is not None
    text = reply.trailers["grpc-status-details-bin"]
    status = Status.FromString(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    assert str(status.code) == reply.trailers["grpc-status"]
    found: dict[str, Any] = {}
    for packed in status.details:
        for kind in DETAILS:
            if packed.Is(kind.DESCRIPTOR):
                found[kind.DESCRIPTOR.name] = detail = kind()
                packed.Unpack(detail)
    assert len(found) == len(status.details)
    return status, found


def tensor(
    request: Any, name: str, datatype: str, values: list[Any], shape: list[int] | None = None
) -> None:
    """Add an input with typed contents."""
    entry = request.inputs.add(name=name, datatype=datatype, shape=shape or [len(values)])
    getattr(entry.contents, CONTENTS[datatype]).extend(values)


def infer_request(model: str) -> Any:
    """A request without inputs."""
    return service_pb2.ModelInferRequest(model_name=model)


def infer(service: Service, request: Any, **headers: str) -> Reply:
    """Ask for a prediction."""
    body = framed(request.SerializeToString())
    return call(service, f"{INFERENCE}/ModelInfer", body, **headers)
