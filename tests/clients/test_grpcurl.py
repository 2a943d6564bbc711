"""grpcurl, which has no message of ours: it learns them by reflection."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import Any

from tests.app import live
from tests.rendering import TOOLS

GRPCURL = TOOLS / "grpcurl"
SERVICE = "inference.GRPCInferenceService"
TENSOR = {"name": "x", "datatype": "FP64", "shape": [1, 4]}
ROW = [5.1, 3.5, 1.4, 0.2]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """grpcurl; an empty word stands for the address of the shared service."""
    assert GRPCURL.exists(), "run `python3 -m tools build clients`"
    address = f"127.0.0.1:{live.shared('iris').port}"
    argv = [str(GRPCURL), "-plaintext", *(each or address for each in words)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def asked(*words: str) -> str:
    """What it prints when that works."""
    done = run(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def infer(document: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """ModelInfer of a message written as JSON."""
    return run("-d", json.dumps(document), "", f"{SERVICE}/ModelInfer")


def test_it_lists_and_describes_what_there_is() -> None:
    assert {SERVICE, "grpc.health.v1.Health"} <= set(asked("", "list").split())
    described = asked("", "describe", SERVICE)
    assert "rpc ModelInfer ( .inference.ModelInferRequest )" in described


def test_health_and_metadata_are_read() -> None:
    assert json.loads(asked("", "grpc.health.v1.Health/Check")) == {"status": "SERVING"}
    metadata = json.loads(asked("-d", '{"name": "iris"}', "", f"{SERVICE}/ModelMetadata"))
    assert [each["datatype"] for each in metadata["inputs"]] == ["FP64"] * 4


def test_a_row_is_predicted() -> None:
    tensor = {**TENSOR, "contents": {"fp64_contents": ROW}}
    done = infer({"model_name": "iris", "inputs": [tensor]})
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    outputs = {each["name"]: each["contents"] for each in answer["outputs"]}
    (label,) = outputs["predict"]["bytesContents"]
    assert base64.b64decode(label) == b"setosa"
    assert len(outputs["predict_proba"]["fp64Contents"]) == 3


def test_a_refusal_says_what_is_wrong_with_its_details() -> None:
    tensor = {**TENSOR, "shape": [1, 2], "contents": {"fp64_contents": ROW[:2]}}
    done = infer({"model_name": "iris", "inputs": [tensor]})
    assert done.returncode != 0
    assert "InvalidArgument" in done.stderr
    assert "expected [n, 4], found [1, 2]" in done.stderr
    assert "google.rpc.BadRequest" in done.stderr
