"""What KServe's own clients are told by a service, as JSON; runs in the environment of its SDK.

    python kserve_calls.py PORT MODEL < rows as JSON

The clients at their defaults, by gRPC and by HTTP/1.1 (V1, V2).
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RESTConfig,
)


def asked(model: str, rows: list[list[float]]) -> Any:
    """A request of V2 as the SDK's documentation makes one."""
    data = [value for row in rows for value in row]
    tensor = InferInput("input-0", [len(rows), len(rows[0])], "FP64", data)
    return InferRequest(model, [tensor], request_id="mine")


def outputs(response: Any) -> dict[str, Any]:
    """The outputs by name, and whose answer it is."""
    named = {output.name: output.as_numpy().tolist() for output in response.outputs}
    return {"id": response.id, "model": response.model_name, **named}


async def by_grpc(port: int, model: str, rows: list[list[float]]) -> dict[str, Any]:
    client = InferenceGRPCClient(f"127.0.0.1:{port}")
    try:
        states = [
            await client.is_server_live(),
            await client.is_server_ready(),
            await client.is_model_ready(model),
        ]
        return {"states": states, **outputs(await client.infer(asked(model, rows)))}
    finally:
        await client.close()


async def by_http(port: int, model: str, rows: list[list[float]]) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}"
    v1, v2 = InferenceRESTClient(), InferenceRESTClient(RESTConfig(protocol="v2"))
    try:
        states = [
            await v1.is_server_live(url),
            await v1.is_model_ready(url, model),
            await v2.is_server_live(url),
            await v2.is_server_ready(url),
            await v2.is_model_ready(url, model),
        ]
        first = await v1.infer(url, {"instances": rows}, model_name=model)
        second = outputs(await v2.infer(url, asked(model, rows), model_name=model))
        return {"states": states, "v1": first["predictions"], **second}
    finally:
        await v1.close()
        await v2.close()


async def main() -> None:
    port, model, rows = int(sys.argv[1]), sys.argv[2], json.load(sys.stdin)
    told = {"grpc": await by_grpc(port, model, rows), "http": await by_http(port, model, rows)}
    # Texts are bytes by gRPC.
    print(json.dumps(told, default=bytes.decode))


if __name__ == "__main__":
    asyncio.run(main())
