"""The OpenAPI 3.1 document of the loaded model: every route, body, status and header.

Built once at start-up from the contract; tests/app/openapi compares its paths with the routes and
every response with its schemas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app import __version__
from app.openapi.contract_schemas import (
    Schema,
    closed_object,
    problem_schemas,
    ref,
    row_schemas,
)
from app.openapi.explanations import explanation_paths, explanation_schemas
from app.openapi.output_schemas import prediction_schemas
from app.openapi.parts import get, headers, parameter, parameters, post, problems
from app.openapi.protocol_schemas import v1_schemas, v2_example, v2_schemas
from app.openapi.request_schemas import request_examples, request_schemas
from app.protocols.frames import HEADER
from app.protocols.invocations import CSV

if TYPE_CHECKING:
    from app.model.contract import Contract


@dataclass(frozen=True)
class ServiceInfo:
    """What the document states beside the contract; `has_*`: whether this port serves the URL."""

    name: str
    version: str
    description: str
    digest: str
    max_rows: int
    has_metrics: bool
    has_docs: bool
    # What the service says of its explanations; None: it has none.
    explain: dict[str, Any] | None = None


def document(
    info: ServiceInfo,
    contract: Contract,
    sample: list[Any],
    signatures: tuple[str, ...],
    tensors: dict[str, list[dict[str, Any]]],
) -> dict[str, Any]:
    """Build the document.

    `sample` is one valid positional row for the examples; `tensors` are V2's inputs and outputs.
    """
    outputs = [entry["name"] for entry in tensors["outputs"]]
    schemas = {
        **row_schemas(contract, sample),
        **request_schemas(contract, info.max_rows),
        **prediction_schemas(contract.output),
        **explanation_schemas(info.explain, contract, signatures),
        **v1_schemas(info.name, contract, info.max_rows, signatures),
        **v2_schemas(info.name, contract, outputs),
        **problem_schemas(),
        "Health": closed_object({"status": {"type": "string"}}),
        "Ready": {
            "type": "object",
            "required": ["status"],
            "properties": {"status": {"type": "string"}, "digest": {"type": "string"}},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": info.name,
            "version": info.version,
            "summary": info.description or f"The {info.name} model",
            "description": f"Served from the bundle {info.digest} by ml-model {__version__}.",
            "x-target": contract.output.target,
        },
        # Relative, so that it is correct behind an ingress with a path prefix.
        "servers": [{"url": "./"}],
        "paths": {
            **_native(info, contract, sample),
            **explanation_paths(info.explain, contract, sample),
            **_v1(info, sample),
            **_v2(info, v2_example(sample, tensors["inputs"])),
            **_operations(info),
        },
        "components": {
            "schemas": schemas,
            "responses": problems(),
            "headers": headers(),
            "parameters": parameters(info.name, info.version),
        },
    }


def _native(info: ServiceInfo, contract: Contract, sample: list[Any]) -> Schema:
    examples = request_examples(list(contract.names), sample)
    summary = f"Predict one row, or up to {info.max_rows} rows"
    reply = {"oneOf": [ref("Prediction"), ref("Predictions")]}
    paths = {
        path: post(operation, "predict", summary, ref("PredictRequest"), examples, reply)
        for path, operation in (("/predict", "predict"), ("/predict/batch", "predictBatch"))
    }
    summary = f"MLflow's scoring protocol: predict up to {info.max_rows} rows, as JSON or as CSV"
    request, reply = ref("InvocationsRequest"), ref("InvocationsResponse")
    invocations = post("invocations", "predict", summary, request, examples, reply)
    text = {"type": "string", "description": "A line with the names of the features, then rows."}
    invocations["post"]["requestBody"]["content"][CSV] = {"schema": text}
    return {**paths, "/invocations": invocations}


def _v1(info: ServiceInfo, sample: list[Any]) -> Schema:
    examples = {"rows": {"instances": [sample, sample]}}
    summary = f"Predict up to {info.max_rows} rows"
    predict = post("v1Predict", "V1", summary, ref("V1Request"), examples, ref("V1Response"))
    status = get("v1Status", "V1", "Whether the model is ready", ref("V1Status"), 404, 503)
    model = [parameter("model")]
    return {
        "/v1/models": get("v1Models", "V1", "The loaded model", ref("V1Models")),
        "/v1/models/{model}": {"parameters": model, **status},
        "/v1/models/{model}:predict": {"parameters": model, **predict},
    }


def _v2(info: ServiceInfo, example: Schema) -> Schema:
    paths = {
        "/v2": get("v2Server", "V2", "Name and extensions of this server", ref("V2Server")),
        "/v2/health/live": get("v2Live", "V2", "Liveness: the process responds", ref("V2Live")),
        "/v2/health/ready": get(
            "v2Ready", "V2", "Readiness: loaded, verified, warmed up", ref("V2Ready"), 503
        ),
    }
    for suffix, word, names in (
        ("", "", ("model",)),
        ("/versions/{version}", "Version", ("model", "version")),
    ):
        path = f"/v2/models/{{model}}{suffix}"
        operations = {
            path: get(f"v2Metadata{word}", "V2", "Inputs and outputs", ref("V2Metadata"), 404),
            f"{path}/ready": get(
                f"v2ModelReady{word}",
                "V2",
                "Whether the model is ready",
                ref("V2ModelReady"),
                404,
                503,
            ),
            f"{path}/infer": _infer(f"v2Infer{word}", info, example),
        }
        arguments = [parameter(name) for name in names]
        paths |= {key: {"parameters": arguments, **value} for key, value in operations.items()}
    return paths


def _infer(operation: str, info: ServiceInfo, example: Schema) -> Schema:
    summary = f"Predict up to {info.max_rows} rows, as JSON or as raw tensors"
    examples = {"one tensor per feature": example}
    infer = post(operation, "V2", summary, ref("V2Request"), examples, ref("V2Response"))
    octets: Schema = {"application/octet-stream": {"schema": {}}}
    described = infer["post"]
    described["parameters"].append(parameter("JsonLength"))
    described["requestBody"]["content"].update(octets)
    reply = described["responses"]["200"]
    reply["content"].update(octets)
    reply["headers"][HEADER] = {"$ref": "#/components/headers/JsonLength"}
    return infer


def _operations(info: ServiceInfo) -> Schema:
    anything: Schema = {"type": "object"}
    text: Schema = {"type": "string"}
    tag = "operations"
    paths = {
        "/": get("index", tag, "Name, version and links", anything),
        "/health": get("health", tag, "Liveness: the process responds", ref("Health")),
        "/ready": get("ready", tag, "Readiness: loaded, verified, warmed up", ref("Ready"), 503),
        "/model/info": get("modelInfo", tag, "Public part of the manifest", anything),
        "/version": get("version", tag, "Versions and digests", anything),
        "/openapi.json": get("openapi", tag, "This document", anything),
    }
    if info.has_metrics:
        path = get("metrics", tag, "Prometheus metrics", text, media="text/plain")
        path["get"]["responses"]["200"]["content"]["application/openmetrics-text"] = {
            "schema": text
        }
        paths["/metrics"] = path
    if info.has_docs:
        paths["/docs"] = get("docs", tag, "Page to try the model", text, media="text/html")
    return paths
