"""The forwarder process: listens on the host's 127.0.0.1, dials inside the namespace.

A socket stays in the namespace it was created in, so one process can hold both ends.
Started as a component (`python -m sandbox.forwarder PLAN`). It must keep running whatever a single
connection does; failures go to stderr.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import sys
from pathlib import Path

from sandbox import kube, netns
from sandbox.component import Component, as_json
from sandbox.errors import SandboxError
from sandbox.forwards import Address, Forward, Service, parse_target
from sandbox.layout import Layout
from sandbox.probes import Http

_CHUNK_BYTES = 64 * 1024
_DIAL_SECONDS = 10.0

# asyncio holds only weak references to tasks and stream readers: once its caller is gone, a relay
# that still reads the far side would be garbage-collected with its connection left open.
_RELAYS: set[asyncio.Task[None] | None] = set()


def forwarder(layout: Layout, forwards: list[Forward]) -> Component:
    """Return the component that serves `forwards`; ready when it reaches the API server."""
    plan = layout.config("forwards.json")
    for forward in forwards:
        parse_target(forward.target)
    return Component(
        name="forwarder",
        argv=(sys.executable, "-m", "sandbox.forwarder", str(plan)),
        cwd=layout.root,
        in_netns=False,
        files={
            plan: as_json(
                {
                    "root": str(layout.root),
                    "forwards": [[f.listen_port, f.target] for f in forwards],
                }
            )
        },
        ready=Http(
            f"https://127.0.0.1:{layout.host_api_port}/readyz",
            ca=layout.pki / "ca.crt",
            cert=layout.pki / "admin.crt",
            key=layout.pki / "admin.key",
            in_netns=False,
        ),
        ready_seconds=20,
    )


class Dialer:
    """Opens connections to one target inside the namespace.

    A Service is looked up for each: when it was deleted and recreated, its old address leads
    nowhere, or to another Service that got it since.
    """

    def __init__(self, layout: Layout, target: Address | Service) -> None:
        self._layout = layout
        self._target = target

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection.

        Raises OSError when the target does not accept, SandboxError when the Service is absent.
        """
        target = self._target
        host = (
            target.host if isinstance(target, Address) else await asyncio.to_thread(self._look_up)
        )
        connection = netns.open_socket()
        connection.setblocking(False)
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                loop = asyncio.get_running_loop()
                await loop.sock_connect(connection, (host, target.port))
            return await asyncio.open_connection(sock=connection)
        except BaseException:
            connection.close()
            raise

    def _look_up(self) -> str:
        assert isinstance(self._target, Service)  # noqa: S101 - an Address is never looked up
        path = f"/api/v1/namespaces/{self._target.namespace}/services/{self._target.name}"
        service = kube.get(self._layout, path)
        if service is None:
            raise SandboxError(
                "the Service of a forward does not exist",
                found=f"no Service {self._target.name} in namespace {self._target.namespace}",
                expected="a Service with a ClusterIP",
                fix="wait until it is released; see `make status`",
            )
        return str(service["spec"]["clusterIP"])


async def serve(layout: Layout, forwards: list[Forward]) -> None:
    """Listen for every forward until cancelled. Raises OSError when a port is taken."""
    servers = []
    for forward in forwards:
        relay = functools.partial(_relay, Dialer(layout, parse_target(forward.target)), forward)
        servers.append(await asyncio.start_server(relay, "127.0.0.1", forward.listen_port))
        _log(f"127.0.0.1:{forward.listen_port} -> {forward.target}")
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _relay(
    dialer: Dialer,
    forward: Forward,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    task = asyncio.current_task()
    _RELAYS.add(task)
    try:
        await _join(dialer, forward, reader, writer)
    finally:
        _RELAYS.discard(task)
        await _close(writer)


async def _join(
    dialer: Dialer,
    forward: Forward,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    try:
        far_reader, far_writer = await dialer.dial()
    except (OSError, SandboxError) as error:
        _log(f"127.0.0.1:{forward.listen_port}: {getattr(error, 'found', error)}")
        return
    try:
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    finally:
        await _close(far_writer)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
        # Half-close: the other direction may still carry data.
        sink.write_eof()
    except OSError:
        # A reset ends both directions: the other copy now reads the end.
        sink.close()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    # A peer that is gone already is a normal end of a connection.
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Serve the plan file named on the command line."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    layout = Layout(root=Path(plan["root"]))
    asyncio.run(serve(layout, [Forward(port, target) for port, target in plan["forwards"]]))


if __name__ == "__main__":
    main()
