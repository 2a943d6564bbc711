"""The container's command as a real process: workers, metrics, signals, refusals, silence."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests import trained
from tests.app.live import ROOT, LiveService, free_port

Start = Callable[..., LiveService]
IN_FLIGHT = "ml_requests_in_flight"
JSON = "application/json"
TYPE = b"Content-Type: application/json"
BODY = {"features": [5.1, 3.5, 1.4, 0.2]}


class SlowBody:
    """A prediction whose body waits until the server asked for it, and then for the test."""

    def __init__(self, port: int) -> None:
        self._body = json.dumps(BODY).encode()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(self._body)}\r\n"
        rest = b"Connection: close\r\nExpect: 100-continue\r\n" + TYPE + b"\r\n\r\n"
        self._socket.sendall(head.encode() + rest)
        # From here on the request is in the application's hands.
        assert self._socket.recv(1000).startswith(b"HTTP/1.1 100")
        self._socket.sendall(self._body[:1])

    def finish(self) -> bytes:
        """Send the rest; returns the answer, or what came before the connection was closed."""
        self._socket.sendall(self._body[1:])
        return self.answer()

    def close(self) -> None:
        """Give up in the middle of the body."""
        self._socket.close()

    def answer(self) -> bytes:
        """Whatever the server says until it closes the connection."""
        with self._socket, self._socket.makefile("rb") as stream:
            return stream.read()


def post(service: LiveService, **headers: str) -> httpx.Response:
    """One prediction on a connection of its own."""
    return httpx.post(f"{service.client.base_url}/predict", json=BODY, headers=headers, timeout=20)


def metric(service: LiveService, pattern: str) -> float:
    """The sum of all samples whose line starts with the pattern."""
    text = service.client.get("/metrics").text
    found = re.findall(rf"^{pattern}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
    return sum(map(float, found))


def test_metrics_are_summed_over_workers(start: Start) -> None:
    service = start(trained.bundle("iris"), WORKERS="2")
    service.wait_until("both workers ready", lambda: len(service.events("model_loaded")) == 2)
    with ThreadPoolExecutor(8) as pool:
        url = f"http://127.0.0.1:{service.port}/predict"
        codes = list(pool.map(lambda _: httpx.post(url, json=BODY).status_code, range(40)))
    assert codes == [200] * 40
    assert len({line["pid"] for line in service.events("prediction_completed")}) == 2
    text = service.client.get("/metrics").text
    assert 'ml_requests_total{code="200",route="/predict"} 40.0' in text
    assert 'ml_request_duration_seconds_count{route="/predict"} 40.0' in text
    assert 'ml_predictions_total{prediction="setosa"} 40.0' in text
    digest = service.client.get("/model/info").json()["digest"]
    info = f'ml_model_info{{digest="{digest}",engine="onnx",name="iris",version="1.0.0"}} 1.0'
    assert info in text


def test_a_running_request_is_answered_after_sigterm(start: Start) -> None:
    service = start(trained.bundle("iris"))
    slow = SlowBody(service.port)
    service.process.send_signal(signal.SIGTERM)
    service.wait_until("stopping", lambda: not listens(service.process.pid))
    assert b'"prediction":"setosa"' in slow.finish()
    assert service.process.wait(10) == 0


def test_an_idle_connection_does_not_hold_up_the_end(start: Start) -> None:
    service = start(trained.bundle("iris"))
    assert service.client.get("/health").status_code == 200
    started = time.monotonic()
    assert service.terminate() == 0
    # The graceful timeout is 20 s; the client's connection is kept alive all the while.
    assert time.monotonic() - started < 8


def test_draining_says_so_and_still_answers(start: Start) -> None:
    service = start(trained.bundle("iris"), DRAIN_SECONDS="3")
    service.process.send_signal(signal.SIGTERM)
    url = str(service.client.base_url)
    service.wait_until("draining", lambda: httpx.get(f"{url}/ready").status_code == 503)
    assert httpx.get(f"{url}/ready").json() == {"status": "draining"}
    answer = post(service)
    assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
    assert httpx.get(f"{url}/health").status_code == 200
    assert service.process.wait(15) == 0


def listens(pid: int) -> bool:
    """Whether a process has any socket; gunicorn's master closes its own first when it stops."""
    return any(path.startswith("socket:") for path in open_files(pid))


def test_requests_beyond_the_limit_get_503_while_probes_answer(start: Start) -> None:
    service = start(trained.slow_bundle(), MAX_IN_FLIGHT="2")
    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(post, service) for _ in range(12)]
        service.wait_until("busy", lambda: metric(service, IN_FLIGHT) == 2)
        started = time.monotonic()
        assert service.client.get("/health").status_code == 200
        assert service.client.get("/ready").status_code == 200
        assert time.monotonic() - started < 1
    codes = [answer.result().status_code for answer in answers]
    assert set(codes) == {200, 503}
    refused = next(a.result() for a in answers if a.result().status_code == 503)
    assert refused.headers["Retry-After"] == "1"
    assert refused.json()["title"] == "Too many requests are in flight"
    assert metric(service, "ml_requests_refused_total") == codes.count(503)
    assert metric(service, IN_FLIGHT) == 0


def test_a_request_that_waited_beyond_its_deadline_is_a_504(start: Start) -> None:
    service = start(trained.slow_bundle())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(post, service)
        service.wait_until("busy", lambda: metric(service, IN_FLIGHT) == 1)
        late = post(service, **{"X-Request-Timeout-Ms": "1"})
        assert first.result().status_code == 200
    assert late.status_code == 504
    assert late.json()["detail"] == "no answer within 1 ms"


def test_a_body_that_takes_too_long_is_a_408(start: Start) -> None:
    service = start(trained.bundle("iris"), REQUEST_TIMEOUT_MS="300")
    slow = [SlowBody(service.port) for _ in range(50)]
    # Fifty of them hold nobody up.
    assert post(service).status_code == 200
    assert slow[0].answer().startswith(b"HTTP/1.1 408 ")
    for other in slow[1:]:
        other.answer()
    assert post(service).status_code == 200


def test_a_body_without_a_length_is_cut_off_at_the_limit(start: Start) -> None:
    service = start(trained.bundle("iris"))
    chunks = (b" " * 65536 for _ in range(160))
    answer = service.client.post("/predict", content=chunks, headers={"Content-Type": JSON})
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:ml-model:problem:too-large"
    assert post(service).status_code == 200


def test_an_announced_large_body_is_refused_unread(start: Start) -> None:
    service = start(trained.bundle("iris"))
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n"
        connection.sendall(head + TYPE + b"\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_truncated_body_harms_nobody(start: Start) -> None:
    service = start(trained.bundle("iris"))
    for _ in range(20):
        SlowBody(service.port).close()
    assert post(service).status_code == 200
    assert metric(service, "ml_requests_total") >= 1
    assert service.events("error") == []


def test_bytes_that_are_no_http_are_refused(start: Start) -> None:
    service = start(trained.bundle("iris"))
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert connection.recv(1000)[:12] in (b"HTTP/1.1 400", b"")
    assert post(service).status_code == 200


def test_clients_that_honour_retry_after_are_all_served(start: Start) -> None:
    service = start(trained.slow_bundle(), MAX_IN_FLIGHT="2")

    def persistent(_: int) -> int:
        refusals = 0
        while (answer := post(service)).status_code == 503:
            refusals += 1
            time.sleep(int(answer.headers["Retry-After"]))
        assert answer.status_code == 200
        return refusals

    # Five times the limit, in a closed loop.
    with ThreadPoolExecutor(10) as pool:
        refusals = list(pool.map(persistent, range(10)))
    assert sum(refusals) > 0
    assert metric(service, IN_FLIGHT) == 0


def test_a_killed_worker_is_replaced_and_its_counts_stay(start: Start) -> None:
    service = start(trained.slow_bundle())
    assert post(service).status_code == 200
    (old,) = service.workers()
    # They are answered one after the other, so most of them wait when the worker dies.
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(post, service) for _ in range(8)]
        service.wait_until("in flight", lambda: metric(service, IN_FLIGHT) >= 4)
        os.kill(old, signal.SIGKILL)
        failures = [request.exception() for request in sent]
    assert all(isinstance(failure, httpx.TransportError) for failure in failures if failure)
    answered = failures.count(None)
    assert answered < 8
    service.wait_until("replaced", lambda: service.workers() not in ([], [old]))
    service.client.close()
    service.client = httpx.Client(base_url=f"http://127.0.0.1:{service.port}", timeout=10)
    service.wait_ready()
    assert post(service).status_code == 200
    # Everything answered was counted; what was counted last may not have got out any more.
    assert answered + 2 <= metric(service, "ml_rows_total") <= len(failures) + 2
    assert metric(service, IN_FLIGHT) == 0


def test_a_limit_below_the_sample_does_not_stop_the_start(start: Start) -> None:
    service = start(trained.bundle("iris"), MAX_BATCH_ROWS="1")
    assert post(service).status_code == 200
    two = {"instances": [BODY["features"]] * 2}
    assert service.client.post("/predict/batch", json=two).status_code == 422


def test_metrics_move_to_their_own_port(start: Start) -> None:
    port = free_port()
    service = start(trained.bundle("iris"), METRICS_PORT=str(port))
    assert service.client.get("/metrics").status_code == 404
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics")
    assert "ml_model_info" in answer.text
    assert httpx.get(f"http://127.0.0.1:{port}/model/info").status_code == 404


def test_the_log_holds_one_line_per_prediction_without_its_values(start: Start) -> None:
    service = start(trained.bundle("iris"))
    service.client.post("/predict", json=BODY, headers={"X-Request-ID": "r-1"})
    (loaded,) = service.events("model_loaded")
    (line,) = service.events("prediction_completed")
    assert loaded["model_digest"] == line["model_digest"]
    assert (line["request_id"], line["prediction"], line["rows"]) == ("r-1", ["setosa"], 1)
    assert len(line["input_sha256"]) == 64
    assert "5.1" not in service.log()


def test_a_wrong_digest_ends_in_one_refusal_line_and_code_3(tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "MODEL_DIR": str(trained.bundle("iris")),
        "MODEL_DIGEST": "sha256:" + "0" * 64,
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "app"], env=environ, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 3
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    refusal = json.loads(line)
    assert refusal["event"] == "bundle_refused"
    assert refusal["expected"] == environ["MODEL_DIGEST"]
    assert refusal["found"].startswith("sha256:")
    assert refusal["fix"]
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_predicts_something_else_here_is_refused(tmp_path: Path) -> None:
    import shutil

    from app.bundle import canonical, digest_of

    folder = Path(shutil.copytree(trained.bundle("iris"), tmp_path / "bundle"))
    sample = json.loads((folder / "sample.json").read_bytes())
    sample["predictions"][3] = "virginica"
    data = canonical(sample)
    (folder / "sample.json").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    entry = {"sha256": digest_of(data).removeprefix("sha256:"), "bytes": len(data)}
    manifest["files"]["sample.json"] = entry
    (folder / "manifest.json").write_bytes(canonical(manifest))
    environ = {"PATH": os.environ["PATH"], "MODEL_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "app"], env=environ, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 3
    refusal = json.loads(done.stdout.splitlines()[-1])
    assert refusal["what"] == "the model predicts row 3 of its own sample differently here"


def test_the_service_calls_nobody_and_leaves_nothing(start: Start, tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    environ = {"HOME": str(home), "TMPDIR": str(temporary), "WORKERS": "1"}
    service = start(trained.bundle("iris"), **environ)
    for _ in range(20):
        assert service.client.post("/predict", json=BODY).status_code == 200
    for pid in (service.process.pid, *service.workers()):
        assert remote_peers(pid) <= {"0100007F", "00000000"}
        assert not [path for path in open_files(pid) if "onnxruntime.db" in path]
        # A worker of four threads, or the master's one: no library has threads of its own.
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) <= 5
    assert list(home.rglob("*")) == []
    assert service.terminate() == 0
    assert list(temporary.iterdir()) == []


def open_files(pid: int) -> list[str]:
    """What the file descriptors of a process point to."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return found


def remote_peers(pid: int) -> set[str]:
    """The far ends (hexadecimal IPv4) of a process's TCP sockets; IPv6 ones as they are."""
    inodes = {path[8:-1] for path in open_files(pid) if path.startswith("socket:[")}
    peers = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                peers.add(fields[2].split(":")[0])
    return peers


def test_the_log_says_how_long_the_start_took(start: Start) -> None:
    service = start(trained.bundle("penguins"))
    (loaded,) = service.events("model_loaded")
    # `make bench` holds it to a second on a quiet machine; this bound is for a busy one.
    assert 0 < loaded["seconds"] < 5


def test_the_sklearn_engine_serves_the_same_answers(start: Start) -> None:
    body = json.loads((trained.bundle("penguins") / "sample.json").read_bytes())
    request = {"instances": body["rows"]}
    answers = []
    for engine in ("onnx", "sklearn"):
        service = start(trained.bundle("penguins", engine))
        answers.append(service.client.post("/predict", json=request).json()["predictions"])
        assert service.client.get("/model/info").json()["engine"] == engine
    assert answers[0] == answers[1]


def test_the_healthcheck_command_follows_readiness(start: Start) -> None:
    service = start(trained.bundle("iris"))
    command = [sys.executable, "-m", "app.healthcheck"]
    environ = {"PATH": os.environ["PATH"], "PORT": str(service.port)}
    assert subprocess.run(command, env=environ, cwd=ROOT).returncode == 0
    service.stop()
    started = time.monotonic()
    assert subprocess.run(command, env=environ, cwd=ROOT).returncode == 1
    assert time.monotonic() - started < 5
