"""The cost of a call of gRPC beside that of our HTTP path and of MLServer's gRPC.

    python -m benchmarks.calls [--rounds 7] [--prepared]

All servers run at once on one core and get the load in turns; the CPU time of a request is
compared, see `turns`. One row, typed contents, 16 connections with a call each; no two rows that
follow each other are the same.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass

import grpc

from app.protocols.grpc.messages import message
from benchmarks import call_load
from benchmarks.load import LOAD_CORE
from benchmarks.machine import describe
from benchmarks.running import prefer, running
from benchmarks.servers import BENCH, Server, first_row, ours, peer
from benchmarks.serving import prepare
from benchmarks.turns import cpu_seconds

METHOD = "/inference.GRPCInferenceService/ModelInfer"
FIRST_PORT = 19_800
SECONDS = 2
ROWS = 64
WORKLOAD, PEER = "lr", "mlserver"
# Of a call to our own HTTP path, and of MLServer's call to ours.
MAX_RATIO, MIN_RATIO = 1.5, 4.0


@dataclass(frozen=True)
class Kind:
    """One server asked in one way; `port` is that of gRPC, None for HTTP."""

    title: str
    server: Server
    port: int | None
    model: str = WORKLOAD


def rows() -> list[list[float]]:
    """Rows near each other, with as many digits as data has that is written by people."""
    row = list(first_row(WORKLOAD).values())
    return [[round(value + step / 100, 2) for value in row] for step in range(ROWS)]


def message_of(model: str, row: list[float]) -> bytes:
    """A row with typed contents."""
    made = message("inference.ModelInferRequest")(model_name=model)
    tensor = made.inputs.add(name="x", datatype="FP64", shape=[1, len(row)])
    tensor.contents.fp64_contents.extend(row)
    return bytes(made.SerializeToString())


def require_answer(kind: Kind) -> None:
    """One call by grpcio: it has an answer. Raises grpc.RpcError."""
    with grpc.insecure_channel(f"127.0.0.1:{kind.port}") as channel:
        call = channel.unary_unary(METHOD)
        answer = message("inference.ModelInferResponse").FromString(
            call(message_of(kind.model, rows()[0]))
        )
    if not answer.outputs:
        raise RuntimeError(f"{kind.title} answers without outputs")


def cost(kind: Kind, pids: list[int], seconds: int) -> tuple[float, float]:
    """CPU seconds of a request, and requests per second."""
    path, dialect = METHOD, "grpc"
    bodies = [message_of(kind.model, row) for row in rows()]
    if kind.port is None:
        path, dialect = kind.server.path, "http"
        bodies = [json.dumps({"features": row}).encode() for row in rows()]
    port = str(kind.port or kind.server.port)
    argv = ["taskset", "-c", LOAD_CORE, sys.executable, "-m", "benchmarks.call_load"]
    before = cpu_seconds(pids)
    done = subprocess.run(
        [*argv, port, path, str(seconds), dialect],
        input=call_load.pack(bodies),
        stdout=subprocess.PIPE,
        check=True,
    )
    answered = json.loads(done.stdout)
    if answered["failed"]:
        raise RuntimeError(f"{kind.title}: {answered['failed']} requests failed")
    return (cpu_seconds(pids) - before) / answered["requests"], answered["rps"]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--prepared", action="store_true", help="skip the preparation")
    arguments = parser.parse_args()
    BENCH.mkdir(parents=True, exist_ok=True)
    if not arguments.prepared:
        prepare([PEER])
    prefer(os.getpid())
    own, theirs = ours(WORKLOAD, FIRST_PORT), peer(PEER, WORKLOAD, FIRST_PORT + 10)
    with contextlib.ExitStack() as stack:
        pids = {
            each.name: stack.enter_context(
                running(each, BENCH / f"calls-{each.name}.log")
            ).processes()
            for each in (own, theirs)
        }
        kinds = [
            Kind("ml-model, HTTP", own, None),
            Kind("ml-model, gRPC", own, own.port),
            Kind("MLServer, gRPC", theirs, theirs.port + 1, "model"),
        ]
        for kind in kinds:
            if kind.port is not None:
                require_answer(kind)
            cost(kind, pids[kind.server.name], 1)
        rounds = [
            [cost(kind, pids[kind.server.name], SECONDS) for kind in kinds]
            for _ in range(arguments.rounds)
        ]
    print(f"{describe()}; medians of {arguments.rounds} rounds\n")
    for index, kind in enumerate(kinds):
        cpu = statistics.median(each[index][0] for each in rounds)
        rps = statistics.median(each[index][1] for each in rounds)
        print(f"{kind.title:16} {cpu * 1e6:7.0f} us of CPU a request {rps:8,.0f} requests/s")
    dearer = statistics.median(each[1][0] / each[0][0] for each in rounds)
    cheaper = statistics.median(each[2][0] / each[1][0] for each in rounds)
    print(f"gRPC costs {dearer:.2f} x HTTP (target <= {MAX_RATIO})")
    print(f"MLServer's costs {cheaper:.1f} x ours (target >= {MIN_RATIO:.0f})")


if __name__ == "__main__":
    main()
