"""Clients that do not wait for their answer: nothing is computed for them that has not begun."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests import trained
from tests.app.live import LiveService

ROW = [5.1, 3.5, 1.4, 0.2]
BODY = json.dumps({"features": ROW}).encode()
REQUEST = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
IN_FLIGHT = "ml_requests_in_flight"
# Keeps the only thread of predictions busy for seconds.
LONG = {"instances": [ROW] * 50}
CLIENTS = 20


def test_what_is_queued_for_a_client_that_left_is_dropped(
    start: Callable[..., LiveService],
) -> None:
    service = start(trained.slow_bundle(), WORKERS="1")
    with ThreadPoolExecutor(1) as pool:
        headers = {"X-Request-Timeout-Ms": "4000"}
        running = pool.submit(service.client.post, "/explain", json=LONG, headers=headers)
        service.wait_until("running", lambda: service.metric(IN_FLIGHT) == 1)
        sockets = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(CLIENTS)]
        for client in sockets:
            client.sendall(REQUEST)
        service.wait_until("queued", lambda: service.metric(IN_FLIGHT) == 1 + CLIENTS)
        for client in sockets:
            client.close()
        service.wait_until("dropped", lambda: service.metric(IN_FLIGHT) <= 1)
        running.result()
    assert service.client.post("/predict", json={"features": ROW}).status_code == 200
    assert service.metric("ml_batch_rows_sum") == 1
