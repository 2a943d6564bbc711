"""An error as gRPC has it: a code, a text, and details that clients read without parsing the text.

The code of an HTTP status: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from app.protocols.grpc.framing import ACCEPTED, CONTENT_TYPE
from app.protocols.grpc.messages import message
from app.responses import Reply

if TYPE_CHECKING:
    from app.errors import RequestError

OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND = 0, 3, 4, 5
RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 8, 12, 13, 14
CODES = {
    400: INVALID_ARGUMENT,
    404: NOT_FOUND,
    408: DEADLINE_EXCEEDED,
    413: RESOURCE_EXHAUSTED,
    422: INVALID_ARGUMENT,
    431: RESOURCE_EXHAUSTED,
    501: UNIMPLEMENTED,
    # Clients and proxies send a call elsewhere on UNAVAILABLE, which is what shed load is for.
    503: UNAVAILABLE,
    504: DEADLINE_EXCEEDED,
}
# The trailers of a call that succeeded.
SUCCEEDED = {"grpc-status": "0"}
# Of the service, in ErrorInfo.
DOMAIN = "ml-model"
# Clients refuse trailers of more than 8 KiB; base64 takes a third, and proxies add their own.
MAX_DETAILS_BYTES = 3072
# Bytes of one text, and of the one in the trailers as it is escaped there.
MAX_TEXT = 1024
# Characters of a text that are sent as they are: printable ASCII but %.
PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
# An escape that was cut.
PARTIAL = re.compile(r"%.?\Z")

_Status, _ErrorInfo = message("google.rpc.Status"), message("google.rpc.ErrorInfo")
_BadRequest, _RetryInfo = message("google.rpc.BadRequest"), message("google.rpc.RetryInfo")
_RequestInfo = message("google.rpc.RequestInfo")


def ok(framed: bytes) -> Reply:
    """The reply with a framed message, or with none."""
    return Reply(200, framed, CONTENT_TYPE, trailers=SUCCEEDED)


def failed(error: RequestError, request_id: str) -> Reply:
    """The reply to a call that failed."""
    code = CODES.get(error.status, INTERNAL)
    text = _shorten(f"{error.title}: {error.detail}")
    status = _details(error, code, text, request_id)
    trailers = {
        "grpc-status": str(code),
        "grpc-message": _escaped(text),
        "grpc-status-details-bin": base64.b64encode(status).decode().rstrip("="),
    }
    headers = dict(ACCEPTED) if error.kind == "grpc-encoding" else {}
    return Reply(200, b"", CONTENT_TYPE, headers, trailers=trailers)


def _details(error: RequestError, code: int, text: str, request_id: str) -> bytes:
    """A google.rpc.Status with as many of the errors as fit."""
    status = _Status(code=code, message=text)
    reason = error.kind.upper().replace("-", "_")
    _add(status, _ErrorInfo(reason=reason, domain=DOMAIN))
    _add(status, _RequestInfo(request_id=request_id))
    if error.retry_after is not None:
        retry = _RetryInfo()
        retry.retry_delay.seconds = error.retry_after
        _add(status, retry)
    if error.errors:
        left = MAX_DETAILS_BYTES - status.ByteSize()
        bad = _BadRequest()
        for entry in error.errors:
            field, description = ".".join(map(str, entry.loc)), _shorten(entry.msg)
            bad.field_violations.add(field=_shorten(field), description=description)
            if bad.ByteSize() > left:
                del bad.field_violations[-1]
                break
        _add(status, bad)
    return bytes(status.SerializeToString())


def _add(status: Any, detail: Any) -> None:
    any_ = status.details.add()
    any_.type_url = f"type.googleapis.com/{detail.DESCRIPTOR.full_name}"
    any_.value = detail.SerializeToString()


def _escaped(text: str) -> str:
    """A text as grpc-message has it; a character of other scripts takes up to twelve."""
    escaped = quote(text, safe=PRINTABLE)
    if len(escaped) <= MAX_TEXT:
        return escaped
    whole = unquote(PARTIAL.sub("", escaped[: MAX_TEXT - 3]), errors="ignore")
    return f"{quote(whole, safe=PRINTABLE)}..."


def _shorten(text: str) -> str:
    data = text.encode()
    if len(data) <= MAX_TEXT:
        return text
    return f"{data[: MAX_TEXT - 3].decode(errors='ignore')}..."
