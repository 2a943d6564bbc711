"""Server reflection: what services there are, and the files that describe them.

https://github.com/grpc/grpc/blob/master/doc/server-reflection.md. A client sends requests on one
call and waits for the answer to each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.protocols.grpc import messages
from app.protocols.grpc.framing import frame
from app.protocols.grpc.status import INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

_Request = messages.message("grpc.reflection.v1.ServerReflectionRequest")
_Response = messages.message("grpc.reflection.v1.ServerReflectionResponse")


def answer(message: bytes) -> bytes:
    """The framed answer to one request. Raises RequestError for what is none."""
    request = messages.parse(_Request, message)
    response = _Response(valid_host=request.host, original_request=request)
    asked = request.WhichOneof("message_request")
    if asked in _ANSWERS:
        _ANSWERS[asked](response, getattr(request, asked))
    elif asked is None:
        _refuse(response, INVALID_ARGUMENT, "expected a request, found none")
    else:
        # proto3 has no extensions.
        _refuse(response, UNIMPLEMENTED, f"{asked} is not supported")
    return frame(response.SerializeToString())


def _list_services(response: Any, _: str) -> None:
    response.list_services_response.SetInParent()
    for name in messages.services():
        response.list_services_response.service.add(name=name)


def _file_by_filename(response: Any, name: str) -> None:
    if name not in messages.FILES:
        _refuse(response, NOT_FOUND, f"unknown file {name[:100]!r}")
        return
    files, wanted = [name], response.file_descriptor_response
    for each in files:
        files += [found for found in messages.imports(each) if found not in files]
    wanted.file_descriptor_proto.extend(messages.FILES[each] for each in files)


def _file_containing_symbol(response: Any, symbol: str) -> None:
    try:
        name = messages.file_of(symbol)
    except KeyError:
        _refuse(response, NOT_FOUND, f"unknown symbol {symbol[:100]!r}")
        return
    _file_by_filename(response, name)


def _refuse(response: Any, code: int, text: str) -> None:
    response.error_response.error_code = code
    response.error_response.error_message = text


_ANSWERS: dict[str, Callable[[Message, str], None]] = {
    "list_services": _list_services,
    "file_by_filename": _file_by_filename,
    "file_containing_symbol": _file_containing_symbol,
}
