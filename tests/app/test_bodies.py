"""Reading a body by itself: what ASGI's `receive` says decides, and time. No server.

On a real service: test_admission_limits.py, test_body_memory.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from app.admission import Deadline
from app.bodies import BodyReader, ClientGoneError
from app.errors import RequestError
from app.inbound import Inbound

LIMIT = 10
# The bound of all bodies together, in bytes.
BOUND = 16 * LIMIT
Receive = Callable[[], Awaitable[dict[str, Any]]]
FOREVER = 60_000


def inbound(timeout_ms: int = FOREVER, headers: dict[str, str] | None = None) -> Inbound:
    return Inbound("/predict", 8080, headers or {}, bytes, Deadline(timeout_ms), refused=None)


def part(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def said(*messages: dict[str, Any]) -> Receive:
    """Says these messages, and then nothing any more."""
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return receive


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Its result; what hangs ends."""
    return asyncio.run(asyncio.wait_for(work, 15))


def read(*messages: dict[str, Any], **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    result: bytes = run(BodyReader(LIMIT).read(inbound(headers=named), said(*messages)))
    return result


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([part(b"0123456789", more=False)], id="whole"),
        pytest.param([{"type": "http.request", "body": b"0123456789"}], id="no-word-of-more"),
        pytest.param([part(b"01234"), part(b"56789", more=False)], id="two-parts"),
        pytest.param([part(b"0123456789"), {"type": "http.request"}], id="empty-end"),
        pytest.param([part(b""), part(b"0123456789"), part(b"", more=False)], id="empty-start"),
        pytest.param([*(part(b"%d" % n) for n in range(10)), part(b"", more=False)], id="bytes"),
    ],
)
def test_a_body_is_what_was_sent(messages: list[dict[str, Any]]) -> None:
    assert read(*messages) == b"0123456789"


def test_no_body_is_empty() -> None:
    assert read({"type": "http.request"}) == b""


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([part(b"0123456789X", more=False)], id="whole"),
        pytest.param([part(b"0123456789"), part(b"X", more=False)], id="last-part"),
        pytest.param([part(b"0123456789"), part(b"X")], id="more-to-come"),
        pytest.param([*(part(b"01") for _ in range(6))], id="drops"),
    ],
)
def test_a_body_beyond_the_limit_is_a_413(messages: list[dict[str, Any]]) -> None:
    with pytest.raises(RequestError) as refused:
        read(*messages)
    assert (refused.value.status, refused.value.kind) == (413, "too-large")
    assert "10" in refused.value.detail
    assert refused.value.title == "Request body too large"


def test_a_body_that_is_announced_too_large_is_refused_unread() -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("was read")

    with pytest.raises(RequestError, match="413"):
        run(BodyReader(LIMIT).read(inbound(headers={"content-length": "11"}), receive))


@pytest.mark.parametrize("announced", ["10", "0", "x", "-11", ""])
def test_what_is_announced_otherwise_is_read(announced: str) -> None:
    assert read(part(b"0123456789", more=False), content_length=announced) == b"0123456789"


@pytest.mark.parametrize("first", [[], [part(b"01")], [part(b"01"), part(b"23")]])
def test_a_client_that_leaves_is_told_apart(first: list[dict[str, Any]]) -> None:
    with pytest.raises(ClientGoneError):
        read(*first, {"type": "http.disconnect"})


@pytest.mark.parametrize("first", [[], [part(b"01")]])
def test_a_body_that_takes_too_long_is_a_408(first: list[dict[str, Any]]) -> None:
    started = time.monotonic()
    with pytest.raises(RequestError) as refused:
        run(BodyReader(LIMIT).read(inbound(timeout_ms=100), said(*first)))
    assert 0.1 <= time.monotonic() - started < 20
    assert (refused.value.status, refused.value.kind) == (408, "slow-body")
    assert "100 ms" in refused.value.detail
    assert refused.value.title


def test_a_body_that_is_there_in_time_is_never_cut_off_later() -> None:
    async def work() -> bytes:
        reader = BodyReader(LIMIT)
        body = await reader.read(inbound(timeout_ms=100), said(part(b"01", more=False)))
        # Its deadline passes while somebody else's body is being looked at.
        other = asyncio.create_task(reader.read(inbound(timeout_ms=300), said(part(b"2"))))
        await asyncio.sleep(0.2)
        with pytest.raises(RequestError):
            await other
        return body

    assert run(work()) == b"01"


def test_each_body_has_its_own_time() -> None:
    async def work() -> list[Any]:
        reader = BodyReader(LIMIT)
        patient = asyncio.Event()

        async def late() -> dict[str, Any]:
            await patient.wait()
            return part(b"late", more=False)

        readings = [
            asyncio.create_task(reader.read(inbound(timeout_ms=milliseconds), said(part(b"0"))))
            for milliseconds in (100, 200)
        ]
        waiting = asyncio.create_task(reader.read(inbound(), late))
        results = await asyncio.gather(*readings, return_exceptions=True)
        patient.set()
        return [*(getattr(result, "status", None) for result in results), await waiting]

    assert run(work()) == [408, 408, b"late"]


def test_time_is_kept_again_after_nobody_was_reading() -> None:
    async def work() -> list[int]:
        reader = BodyReader(LIMIT)
        statuses = []
        for _ in range(3):
            with pytest.raises(RequestError) as refused:
                await reader.read(inbound(timeout_ms=60), said())
            statuses.append(refused.value.status)
            # Longer than the look around, so that it has stopped.
            await asyncio.sleep(0.15)
        return statuses

    assert run(work()) == [408] * 3


def test_a_task_that_was_too_slow_may_go_on() -> None:
    async def work() -> bool:
        reader = BodyReader(LIMIT)
        with pytest.raises(RequestError):
            await reader.read(inbound(timeout_ms=60), said())
        # Its cancellation is over: what it does next is not cut off.
        await asyncio.sleep(0)
        current = asyncio.current_task()
        return current is not None and current.cancelling() == 0

    assert run(work())


def test_somebody_elses_cancellation_goes_through() -> None:
    async def work() -> None:
        reader = BodyReader(LIMIT)
        reading = asyncio.create_task(reader.read(inbound(), said(part(b"0"))))
        await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    run(work())


def test_a_task_that_was_too_slow_once_can_be_cancelled_later() -> None:
    async def work() -> None:
        reader = BodyReader(LIMIT)
        statuses = []

        async def twice() -> None:
            with pytest.raises(RequestError) as refused:
                await reader.read(inbound(timeout_ms=60), said())
            statuses.append(refused.value.status)
            await reader.read(inbound(), said())

        reading = asyncio.create_task(twice())
        while not statuses:
            await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert statuses == [408]

    run(work())


def test_many_bodies_cost_one_timer() -> None:
    async def work() -> int:
        reader = BodyReader(LIMIT)
        loop = asyncio.get_running_loop()
        timers = []
        call_later = loop.call_later

        def counted(*arguments: Any, **options: Any) -> Any:
            timers.append(arguments)
            return call_later(*arguments, **options)

        loop.call_later = counted  # type: ignore[method-assign,assignment]
        readings = [asyncio.create_task(reader.read(inbound(), said())) for _ in range(50)]
        await asyncio.sleep(0)
        started = len(timers)
        for reading in readings:
            reading.cancel()
        await asyncio.gather(*readings, return_exceptions=True)
        return started

    assert run(work()) <= 2


def test_outside_of_a_task_nothing_is_read() -> None:
    async def work() -> list[str]:
        said_so: list[str] = []
        reading = BodyReader(LIMIT).read(inbound(), said())

        def callback() -> None:
            with pytest.raises(RuntimeError) as refused:
                reading.send(None)
            said_so.append(str(refused.value))

        asyncio.get_running_loop().call_soon(callback)
        await asyncio.sleep(0.01)
        return said_so

    (text,) = run(work())
    assert "task" in text


def arriving(reader: BodyReader, size: int) -> tuple[asyncio.Task[bytes], asyncio.Event]:
    """A body whose first part has come, and what lets the rest come."""
    rest = asyncio.Event()
    messages = [part(b"x" * size)]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await rest.wait()
        return part(b"", more=False)

    return asyncio.create_task(reader.read(inbound(), receive)), rest


def test_bodies_together_hold_up_to_the_bound() -> None:
    async def work() -> None:
        reader = BodyReader(LIMIT)
        held = [arriving(reader, LIMIT) for _ in range(BOUND // LIMIT)]
        await asyncio.sleep(0)
        # Exactly the bound: none is refused, and none fits any more.
        assert not any(task.done() for task, _ in held)
        with pytest.raises(RequestError) as refused:
            await reader.read(inbound(), said(part(b"x"), part(b"", more=False)))
        assert (refused.value.status, refused.value.retry_after) == (503, 1)
        assert "bodies" in refused.value.detail
        # A whole body holds nothing.
        assert await reader.read(inbound(), said(part(b"x" * LIMIT, more=False))) == b"x" * LIMIT
        for task, rest in held:
            rest.set()
            assert await task == b"x" * LIMIT
        again = [arriving(reader, LIMIT) for _ in range(BOUND // LIMIT)]
        await asyncio.sleep(0)
        assert not any(task.done() for task, _ in again)
        for task, rest in again:
            rest.set()
            await task

    run(work())


def test_later_parts_count_as_well() -> None:
    async def work() -> None:
        reader = BodyReader(LIMIT)
        held = [
            asyncio.create_task(reader.read(inbound(), said(part(b"x"), part(b"x" * (LIMIT - 1)))))
            for _ in range(BOUND // LIMIT)
        ]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in held)
        with pytest.raises(RequestError, match="503"):
            await reader.read(inbound(), said(part(b"x"), part(b"", more=False)))
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        assert await reader.read(inbound(), said(part(b"x"), part(b"y", more=False))) == b"xy"

    run(work())


ENDINGS: dict[str, tuple[dict[str, Any], type[BaseException] | None]] = {
    "whole": (part(b"", more=False), None),
    "gone": ({"type": "http.disconnect"}, ClientGoneError),
    "too-large": (part(b"xx"), RequestError),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_whatever_a_body_held_is_given_back(ending: str) -> None:
    last, error = ENDINGS[ending]

    async def work() -> None:
        reader = BodyReader(LIMIT)
        for _ in range(3 * BOUND // LIMIT):
            reading = reader.read(inbound(), said(part(b"x" * (LIMIT - 1)), last))
            if error is None:
                assert await reading == b"x" * (LIMIT - 1)
            else:
                with pytest.raises(error):
                    await reading
        # The bound is where it was: neither lower nor higher.
        held = [arriving(reader, LIMIT) for _ in range(BOUND // LIMIT)]
        await asyncio.sleep(0)
        assert not any(task.done() for task, _ in held)
        with pytest.raises(RequestError, match="503"):
            await reader.read(inbound(), said(part(b"x"), part(b"", more=False)))
        for task, rest in held:
            rest.set()
            await task

    run(work())
