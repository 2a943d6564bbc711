"""A connection's turn from plain requests to the parser: nothing is lost or out of order."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from app import fastpath, worker
from app.asgi import INCOMPLETE
from app.worker import Connection

LINE = b"POST /predict HTTP/1.1\r\n"
HEAD = LINE + b"Host: x\r\nContent-Length: 6\r\n\r\n"


class Application:
    """Says which way a body came: inline or through the parser."""

    def try_inline(self, data: bytes, _port: int) -> bytes | None:
        """As `Bridge` does."""
        request = fastpath.parse_request(data, len(LINE))
        if request is None or request.missing_bytes:
            return None if request is None else INCOMPLETE
        return b"HTTP/1.1 200 OK\r\n\r\ninline: %b" % request.body

    def flush(self) -> None:
        """Nothing is logged."""

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        """The way through the parser."""
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"parsed: " + body})


async def exchange(monkeypatch: pytest.MonkeyPatch, steps: list[bytes | str]) -> bytes:
    """Send bytes, or begin to drain, one after the other; what comes back to the end."""
    monkeypatch.setattr(worker, "INCOMPLETE_SECONDS", 0.3)
    cfg = Config()
    answering = worker.Worker.__new__(worker.Worker)
    state: dict[str, Any] = {
        "cfg": cfg, "log": Logger(cfg), "asgi": Application(), "nr_conns": 0, "nr": 0,
        "max_requests": 1000, "alive": True, "connections": set(), "draining": False,
        "_responses": [], "loop": asyncio.get_running_loop(), "state": {},
    }  # fmt: skip
    answering.__dict__.update(state)
    server = await state["loop"].create_server(lambda: Connection(answering), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        received = b""
        for step in ["", *steps]:
            if isinstance(step, bytes):
                writer.write(step)
            elif step == "drain":
                answering.draining = True
            try:
                received += await asyncio.wait_for(reader.read(10_000), 0.1)
            except TimeoutError:
                continue
        received += await asyncio.wait_for(_rest(reader), 1)
        writer.close()
    return received


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(10_000), 0.5)
    except TimeoutError:
        return b""


CASES: dict[str, SimpleNamespace] = {
    "whole": SimpleNamespace(steps=[HEAD + b"abcdef"], answer=b"inline: abcdef"),
    "in two": SimpleNamespace(steps=[HEAD, b"abcdef"], answer=b"inline: abcdef"),
    "in drops": SimpleNamespace(steps=[HEAD, b"ab", b"cd", b"ef"], answer=b"parsed: abcdef"),
    "late": SimpleNamespace(steps=[HEAD, "", "", "", "", b"abcdef"], answer=b"parsed: abcdef"),
    "draining": SimpleNamespace(steps=["drain", HEAD + b"abcdef"], answer=b"parsed: abcdef"),
    "draining meanwhile": SimpleNamespace(
        steps=[HEAD + b"ab", "drain", b"cdef"], answer=b"parsed: abcdef"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_body_arrives_whole_whichever_way_it_takes(
    case: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = asyncio.run(exchange(monkeypatch, case.steps))
    assert case.answer in received
    assert received.count(b"HTTP/1.1 200") == 1


def test_answers_keep_the_order_of_their_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (HEAD + b"abcde" + digit for digit in (b"1", b"2", b"3"))
    received = asyncio.run(exchange(monkeypatch, [one, two + three, one]))
    order = [received.index(word) for word in (b"inline: abcde1", b"abcde2", b"abcde3")]
    assert order == sorted(order)
    assert received.count(b"HTTP/1.1 200") == 4
