"""The cost of tracing: CPU time of a request without it, and with some and all requests traced.

python -m benchmarks.tracing [--rounds 15]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.machine import describe
from benchmarks.metrics import prepare
from benchmarks.running import prefer
from benchmarks.servers import BENCH, ours
from benchmarks.turns import in_turns, share

FIRST_PORT = 19_750
RATIOS = ("0", "0.1", "1")


class Sink(BaseHTTPRequestHandler):
    """A collector that discards all spans."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Accept a batch of spans."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--prepared", action="store_true", help="skip the preparation of models")
    arguments = parser.parse_args()
    BENCH.mkdir(parents=True, exist_ok=True)
    if not arguments.prepared:
        prepare()
    prefer(os.getpid())
    sink = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{sink.server_address[1]}"
    servers = [replace(ours("lr", FIRST_PORT), name="off")]
    for port, ratio in enumerate(RATIOS, FIRST_PORT + 1):
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "TRACE_SAMPLE_RATIO": ratio}
        servers.append(replace(ours("lr", port, env=env), name=f"traced {ratio}"))
    found, _ = in_turns(servers, arguments.rounds, lambda: None)
    sink.shutdown()
    print(describe(), "\n\n| | a request | takes |\n|---|--:|--:|")
    for index, server in enumerate(servers):
        cost = statistics.median(costs[index] for costs in found)
        print(f"| {server.name} | {cost * 1e6:.1f} µs | {share(found, index, 0):.1%} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
