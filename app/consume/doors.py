"""HTTP beside the queue, for probes, /metrics and whoever asks: the service's own front."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.factory import create_app
from app.front.front import Front
from app.front.http1 import Http1
from app.front.memory import return_freed_bodies
from app.front.worker import BODY_INTERVAL_SECONDS, SWEEP_INTERVAL_SECONDS
from app.gunicorn_conf import KEEPALIVE_SECONDS

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from app.service import Service


class Doors:
    """The listening sockets of a process with one event loop."""

    def __init__(self, service: Service) -> None:
        return_freed_bodies()
        self._front = Front(create_app(service), service)
        self._servers: list[asyncio.Server] = []
        self._sweeps: list[asyncio.Task[None]] = []

    async def open(self, sockets: Sequence[socket.socket]) -> None:
        """Answer from now on."""
        loop = asyncio.get_running_loop()
        self._servers = [
            await loop.create_server(lambda: Http1(self._front), sock=each) for each in sockets
        ]
        self._sweeps = [
            asyncio.create_task(self._sweep_bodies()),
            asyncio.create_task(self._sweep()),
        ]

    def drain(self) -> None:
        """/ready responds 503 from now on."""
        self._front.drain()

    async def close(self) -> None:
        """Close the sockets and idle connections."""
        for server in self._servers:
            server.close()
        self._front.close_idle()
        for task in self._sweeps:
            task.cancel()
        await asyncio.gather(*self._sweeps, return_exceptions=True)

    async def _sweep_bodies(self) -> None:
        while True:
            self._front.sweep_bodies()
            await asyncio.sleep(BODY_INTERVAL_SECONDS)

    async def _sweep(self) -> None:
        while True:
            self._front.sweep(KEEPALIVE_SECONDS)
            await asyncio.sleep(SWEEP_INTERVAL_SECONDS)
