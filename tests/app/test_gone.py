"""Clients that do not wait for their answer: nothing is computed for them that has not begun."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

from tests import trained
from tests.app.live import LiveService

BODY = json.dumps({"features": [5.1, 3.5, 1.4, 0.2]}).encode()
REQUEST = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
IN_FLIGHT = "ml_requests_in_flight"


def test_what_is_queued_for_a_client_that_left_is_dropped(
    start: Callable[..., LiveService],
) -> None:
    service = start(trained.slow_bundle())
    sockets = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(20)]
    for client in sockets:
        client.sendall(REQUEST)
    service.wait_until("queued", lambda: service.metric(IN_FLIGHT) > 15)
    predicted = service.metric("ml_batch_rows_sum")
    for client in sockets:
        client.close()
    service.wait_until("dropped", lambda: service.metric(IN_FLIGHT) == 0)
    answer = service.client.post("/predict", json=json.loads(BODY))
    assert answer.status_code == 200
    # One was running, one may have ended before they were all gone, and one is ours.
    assert service.metric("ml_batch_rows_sum") <= predicted + 3
