"""The checked-in descriptors are those of `protos`, and other projects have the same fields."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from tritonclient.grpc import service_pb2

from app.protocols.grpc import messages

PROTOS = messages.DESCRIPTORS.with_name("protos")


def test_they_are_up_to_date(tmp_path: Path) -> None:
    made = tmp_path / "descriptors.binpb"
    files = sorted(path.name for path in PROTOS.glob("*.proto"))
    argv = ["-m", "grpc_tools.protoc", f"-I{PROTOS}", "--include_imports"]
    subprocess.run([sys.executable, *argv, f"--descriptor_set_out={made}", *files], check=True)
    assert made.read_bytes() == messages.DESCRIPTORS.read_bytes(), "run `make generate`"


def fields(message: Any) -> dict[str, tuple[int, int, int]]:
    """Number, type and label of each field of a message and of those within it."""
    found = {
        f"{message.name}.{field.name}": (field.number, field.type, field.label)
        for field in message.field
    }
    for nested in message.nested_type:
        found |= {f"{message.name}.{name}": of for name, of in fields(nested).items()}
    return found


def of_file(serialized: bytes) -> dict[str, tuple[int, int, int]]:
    """The fields of every message in a file."""
    file = descriptor_pb2.FileDescriptorProto.FromString(serialized)
    return {name: of for message in file.message_type for name, of in fields(message).items()}


def test_other_projects_have_the_same_fields() -> None:
    for name, other in (
        ("inference.proto", service_pb2),
        ("health.proto", health_pb2),
        ("reflection.proto", reflection_pb2),
    ):
        ours, theirs = of_file(messages.FILES[name]), of_file(other.DESCRIPTOR.serialized_pb)
        assert {field: theirs.get(field) for field in ours} == ours
