"""The forwarder joins two sockets, looks Services up, and survives what a connection does."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from sandbox import forwarder, kube, netns
from sandbox.errors import SandboxError
from sandbox.forwards import Address, Forward, Service, parse_target
from sandbox.layout import Layout
from tests.ports import free_port


@pytest.fixture(autouse=True)
def without_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netns, "open_socket", socket.socket)


async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer in capitals, and only when the caller has closed its half."""
    writer.write((await reader.read()).upper())
    await close(writer)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


@contextlib.asynccontextmanager
async def forwarding(layout: Layout, target: str) -> AsyncIterator[int]:
    port = free_port()
    task = asyncio.create_task(forwarder.serve(layout, [Forward(port, target)]))
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            await close(writer)
            break
        await asyncio.sleep(0)
    try:
        yield port
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await settle()


async def settle() -> None:
    """Connections live on in tasks of their own; each must come to its end by itself."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait_for(asyncio.gather(*others), 60)


async def ask(port: int, text: bytes) -> bytes:
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(text)
        writer.write_eof()
        answer = await reader.read()
        await close(writer)
        return answer


def test_both_directions_and_half_closes_are_forwarded(layout: Layout) -> None:
    async def scenario() -> bytes:
        server = await asyncio.start_server(upper, "127.0.0.1", 0)
        target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, forwarding(layout, target) as port:
            return await ask(port, b"hello" * 100_000)

    assert asyncio.run(scenario()) == b"HELLO" * 100_000


def test_a_target_that_refuses_closes_the_connection_and_the_next_one_works(
    layout: Layout,
) -> None:
    async def scenario() -> tuple[bytes, bytes]:
        target = free_port()
        async with forwarding(layout, f"127.0.0.1:{target}") as port:
            refused = await ask(port, b"hello")
            async with await asyncio.start_server(upper, "127.0.0.1", target):
                return refused, await ask(port, b"hello")

    assert asyncio.run(scenario()) == (b"", b"HELLO")


def test_a_caller_that_goes_away_ends_the_far_side(layout: Layout) -> None:
    async def scenario() -> list[bytes]:
        ended: asyncio.Queue[bytes] = asyncio.Queue()

        async def read_to_the_end(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            ended.put_nowait(await reader.read())
            await close(writer)

        server = await asyncio.start_server(read_to_the_end, "127.0.0.1", 0)
        target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, forwarding(layout, target) as port, asyncio.timeout(60):
            _, caller = await asyncio.open_connection("127.0.0.1", port)
            caller.write(b"begun")
            first = await ended.get()  # the connection that waited for the forwarder
            caller.transport.abort()
            return [first, await ended.get()]

    assert asyncio.run(scenario()) == [b"", b"begun"]


def test_a_service_that_was_recreated_is_found_although_its_old_address_answers(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    addresses = iter(["127.0.0.1", "127.0.0.2"])

    def get(_: Layout, path: str) -> dict[str, object]:
        asked.append(path)
        return {"spec": {"clusterIP": next(addresses)}}

    monkeypatch.setattr(kube, "get", get)

    async def scenario() -> list[str]:
        server = await asyncio.start_server(upper, "0.0.0.0", 0)
        port = server.sockets[0].getsockname()[1]
        dialer = forwarder.Dialer(layout, Service("ml-dev", "iris", port))
        reached = []
        async with server:
            for _ in range(2):
                _, writer = await dialer.dial()
                reached.append(writer.get_extra_info("peername")[0])
                await close(writer)
            await settle()
        return reached

    assert asyncio.run(scenario()) == ["127.0.0.1", "127.0.0.2"]
    assert asked == ["/api/v1/namespaces/ml-dev/services/iris"] * 2


def test_a_missing_service_is_an_error_with_its_name(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "get", lambda *_: None)
    dialer = forwarder.Dialer(layout, Service("ml-dev", "iris", 80))
    with pytest.raises(SandboxError) as caught:
        asyncio.run(dialer.dial())
    assert caught.value.found == "no Service iris in namespace ml-dev"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("10.88.0.1:6443", Address("10.88.0.1", 6443)),
        ("service:ml-dev/iris:80", Service("ml-dev", "iris", 80)),
    ],
)
def test_targets_are_read(text: str, target: Address | Service) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["iris:80", "10.88.0.1", "service:iris:80", "service:a/b"])
def test_other_targets_are_refused(text: str) -> None:
    with pytest.raises(SandboxError) as caught:
        parse_target(text)
    assert caught.value.found == repr(text)
