"""One correct body for each URL that predicts: in the OpenAPI document, and beside an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from app.openapi.protocol_schemas import v2_example
from app.urls import URLS

if TYPE_CHECKING:
    from app.model.contract import Contract

# A refusal stays small, however many columns a model has; /openapi.json has the example then.
MAX_EXAMPLE_BYTES = 4096


def example_bodies(
    contract: Contract, row: list[Any], tensors: list[dict[str, Any]]
) -> dict[str, Any]:
    """A body by URL pattern. `row` is one valid positional row, `tensors` are V2's inputs."""
    named = dict(zip(contract.names, row, strict=True))
    by_suffix = {
        "/predict": {"features": named},
        "/predict/batch": {"instances": [named]},
        "/invocations": {"dataframe_split": {"columns": list(contract.names), "data": [row]}},
        "/explain": {"features": named},
        ":predict": {"instances": [named]},
        ":explain": {"instances": [named]},
        "/infer": v2_example(row, tensors),
    }
    return {
        url.path: next(body for suffix, body in by_suffix.items() if url.path.endswith(suffix))
        for url in URLS
        if url.predicts
    }


def small_examples(bodies: dict[str, Any]) -> dict[str, bytes]:
    """The bodies as JSON, without those that are too large to show beside an error."""
    written = {path: orjson.dumps(body) for path, body in bodies.items()}
    return {path: body for path, body in written.items() if len(body) <= MAX_EXAMPLE_BYTES}
