"""Call a model by gRPC until standard input ends, then print what came of it, as JSON.

    python caller.py ADDRESS AUTHORITY MODEL FEATURES [--threads 4]
    python caller.py ADDRESS AUTHORITY MODEL FEATURES --once

`--once`: one call, and its outputs by name, or the code and text of its failure. grpcio at its
defaults: a connection for all threads, which is balanced by whoever stands between. Runs in the
sandbox's network namespace.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections import Counter
from typing import Any

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

CALL_SECONDS = 10.0
MAX_SHOWN = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("authority")
    parser.add_argument("model")
    parser.add_argument("features", type=json.loads, help="a row of numbers, as JSON")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--once", action="store_true")
    arguments = parser.parse_args()
    request = service_pb2.ModelInferRequest(model_name=arguments.model)
    tensor = request.inputs.add(name="x", datatype="FP64", shape=[1, len(arguments.features)])
    tensor.contents.fp64_contents.extend(arguments.features)
    ended = threading.Event()
    versions: Counter[str] = Counter()
    failures: list[str] = []
    option = ("grpc.default_authority", arguments.authority)
    with grpc.insecure_channel(arguments.address, [option]) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        if arguments.once:
            print(json.dumps(answer_of(stub, request)))
            return

        def call() -> None:
            while not ended.is_set():
                try:
                    answer = stub.ModelInfer(request, timeout=CALL_SECONDS)
                    versions[answer.model_version] += 1
                except grpc.RpcError as error:
                    failures.append(f"{error.code().name}: {error.details()}")

        threads = [threading.Thread(target=call) for _ in range(arguments.threads)]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        ended.set()
        for thread in threads:
            thread.join()
    report = {"answered": versions, "failed": len(failures), "failures": failures[:MAX_SHOWN]}
    print(json.dumps(report))


def answer_of(stub: Any, request: Any) -> dict[str, Any]:
    """What one call is answered."""
    try:
        answer = stub.ModelInfer(request, timeout=CALL_SECONDS)
    except grpc.RpcError as error:
        return {"code": error.code().name, "text": error.details()}
    outputs = {}
    for output in answer.outputs:
        ((_, values),) = output.contents.ListFields()
        texts = output.datatype == "BYTES"
        outputs[output.name] = [value.decode() if texts else value for value in values]
    return {"code": "OK", "version": answer.model_version, "outputs": outputs}


if __name__ == "__main__":
    main()
