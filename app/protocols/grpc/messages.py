"""The classes of all messages, from `descriptors.binpb`, which `make generate` makes of `protos/`.

In a pool of their own: other libraries of a process (OpenTelemetry, clients in tests) bring files
of the same names, and the default pool refuses to have one twice.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from app.errors import RequestError

DESCRIPTORS = Path(__file__).with_name("descriptors.binpb")

_POOL = descriptor_pool.DescriptorPool()
# File name -> its descriptor as bytes, every file after those that it imports.
FILES: dict[str, bytes] = {}
for _file in descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
    FILES[_file.name] = _file.SerializeToString()
    _POOL.AddSerializedFile(FILES[_file.name])


@functools.cache
def message(name: str) -> Any:
    """The class of a message. Raises KeyError."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


def parse(kind: Any, data: bytes) -> Any:
    """A message of this class. Raises RequestError 400."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        expected = f"expected a message {kind.DESCRIPTOR.full_name}"
        raise malformed(expected) from error


def malformed(detail: str) -> RequestError:
    """400 for bytes that are no message, or not framed as one."""
    return RequestError(400, "malformed-message", "Malformed gRPC message", detail)


def imports(file: str) -> list[str]:
    """The names of the files that a file imports. Raises KeyError."""
    return [each.name for each in _POOL.FindFileByName(file).dependencies]


def file_of(symbol: str) -> str:
    """The name of the file that has a service, method, message or enumeration. Raises KeyError."""
    try:
        return str(_POOL.FindFileContainingSymbol(symbol).name)
    except KeyError:
        return str(_POOL.FindMethodByName(symbol).containing_service.file.name)


def services() -> list[str]:
    """The full names of all services, in the order of their files."""
    return [
        service.full_name
        for name in FILES
        for service in _POOL.FindFileByName(name).services_by_name.values()
    ]
