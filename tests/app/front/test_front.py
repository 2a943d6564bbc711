"""What the front owes every client, whatever another one does."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from app.admission import Deadline
from app.errors import RequestError
from app.front.front import Front
from app.request import Request
from app.routes import run_work, unmatched_route
from app.service import Service
from tests import trained
from tests.app.conftest import make_service
from tests.app.front.waiting import Waiting


@pytest.fixture(scope="module")
def service() -> Service:
    return make_service(trained.bundle("iris"))


def test_a_fault_with_one_connection_costs_no_other_its_response(service: Service) -> None:
    said: list[dict[str, Any]] = []

    async def respond() -> list[Waiting]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        front = Front(lambda *_: [], service)
        # A client that has gone, and whatever else.
        faults = (OSError(107, "gone"), None, ValueError(), None)
        connections = [Waiting(fault, b"%d" % number) for number, fault in enumerate(faults)]
        for connection in connections:
            front.send_later(connection)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return connections

    connections = asyncio.run(respond())
    assert [each.transport.written for each in connections] == [b"0", b"1", b"2", b"3"]
    assert [each.transport.is_aborted for each in connections] == [True, False, True, False]
    assert len(said) == 2


def test_a_fault_with_one_connection_costs_no_other_its_turn(service: Service) -> None:
    said: list[dict[str, Any]] = []

    async def take() -> list[Waiting]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        front = Front(lambda *_: [], service)
        connections = [Waiting(OSError(107, "gone")), Waiting(), Waiting(ValueError()), Waiting()]
        for connection in connections:
            front.go_on_later(connection)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return connections

    connections = asyncio.run(take())
    assert [each.has_gone_on for each in connections] == [False, True, False, True]
    assert [each.transport.is_aborted for each in connections] == [True, False, True, False]
    assert len(said) == 2


def test_who_sends_ahead_for_ever_gets_one_share_of_a_turn(service: Service) -> None:
    async def take() -> list[int]:
        front, shares = Front(lambda *_: [], service), 0

        class Ahead(Waiting):
            def go_on(self) -> None:
                nonlocal shares
                shares += 1
                front.go_on_later(self)

        front.go_on_later(Ahead())
        after_each_turn = []
        for _ in range(8):
            await asyncio.sleep(0)
            after_each_turn.append(shares)
        return after_each_turn

    assert asyncio.run(take()) == list(range(1, 9))


def test_a_refused_request_is_gone_without_a_garbage_collection(service: Service) -> None:
    def refuse() -> None:
        refused = RequestError(400, "malformed-request", "Malformed request", "no request")
        request = Request("GET", "/", 80, {}, b"", Deadline(1000), refused=refused)
        _, reply = run_work(service, unmatched_route(refused, "/"), request)
        assert reply.status == 400

    refuse()
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            refuse()
        assert gc.collect() < 100
    finally:
        gc.enable()
