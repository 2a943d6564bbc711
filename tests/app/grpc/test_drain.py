"""A service that stops tells its clients to go, and loses no call."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import grpc

from tests import trained
from tests.app import live
from tests.app.grpc.test_clients import channel, infer_of, iris_request
from tests.app.live import LiveService


def test_no_call_is_lost_when_it_stops(start: Callable[..., LiveService]) -> None:
    service = start(trained.bundle("iris"), WORKERS="1", DRAIN_SECONDS="2")
    codes: list[grpc.StatusCode] = []
    ends: list[str] = []
    stopping = threading.Event()

    def ask() -> None:
        with channel(service) as connected:
            infer = infer_of(connected)
            while True:
                try:
                    infer(iris_request(), timeout=live.TIMEOUT_SECONDS)
                    codes.append(grpc.StatusCode.OK)
                except grpc.RpcError as error:
                    # Nobody listens any more: what ends every client of a pod that is gone.
                    ends.append(error.details())
                    assert stopping.is_set()
                    return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    service.wait_until("calls", lambda: len(codes) > 200)
    stopping.set()
    service.signal(signal.SIGTERM)
    for thread in threads:
        thread.join(live.DEADLINE_SECONDS)
    assert service.wait_ended() == 0
    assert len(ends) == len(threads)
    assert all("refused" in end.lower() for end in ends), ends
