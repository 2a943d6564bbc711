"""The script of the `helm test` pod, run against a service that answers well or badly."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests import rendering

SCRIPT = rendering.CHART / "files" / "predict.py"
DIGEST = "sha256:" + "b" * 64
INFO = {"name": "iris", "version": "1.0.0", "digest": DIGEST}
SAMPLE = '{"features": [5.1, 3.5, 1.4, 0.2]}'

Answers = dict[str, tuple[int, Any]]
Serve = Callable[[Answers], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a service that gives fixed answers by path; the result is its host and port."""
    servers: list[ThreadingHTTPServer] = []

    def start(answers: Answers) -> str:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                status, body = answers[self.path]
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = answer

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(service: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.read_text(encoding="utf-8")],
        env={"SERVICE": service, "MODEL_NAME": "iris", "MODEL_DIGEST": DIGEST, "SAMPLE": SAMPLE},
        capture_output=True,
        text=True,
        check=False,
    )


def test_passes_when_the_right_model_predicts(serve: Serve) -> None:
    done = ask(serve({"/model/info": (200, INFO), "/predict": (200, {"prediction": "setosa"})}))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"OK: iris 1.0.0 {DIGEST}")


def test_fails_when_another_digest_answers(serve: Serve) -> None:
    other = INFO | {"digest": "sha256:" + "c" * 64}
    done = ask(serve({"/model/info": (200, other)}))
    assert done.returncode == 1
    assert f"FAILED: digest of the model: expected {DIGEST}, found sha256:ccc" in done.stderr


def test_fails_when_the_prediction_is_an_error(serve: Serve) -> None:
    done = ask(serve({"/model/info": (200, INFO), "/predict": (422, {"title": "too short"})}))
    assert done.returncode == 1
    assert 'FAILED: POST /predict answered 422: {"title": "too short"}' in done.stderr


def test_fails_when_there_is_no_prediction_in_the_answer(serve: Serve) -> None:
    done = ask(serve({"/model/info": (200, INFO), "/predict": (200, {"ok": True})}))
    assert done.returncode == 1
    assert "FAILED: no prediction in" in done.stderr
