"""Argo CD's cache: its content can be computed again, so nothing is stored on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.component import Component
from sandbox.probes import Tcp

if TYPE_CHECKING:
    from sandbox.layout import Layout

BINARY = "/usr/bin/redis-server"
HOST, PORT = "127.0.0.1", 6379
ADDRESS = f"{HOST}:{PORT}"


def redis(layout: Layout) -> Component:
    """Return Debian's Redis on the namespace's own loopback, without persistence."""
    return Component(
        name="redis",
        argv=(
            BINARY,
            *("--bind", HOST, "--port", str(PORT)),
            *("--save", "", "--appendonly", "no"),
            # Far above what six releases need; beyond it the oldest entries are evicted.
            *("--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"),
            *("--dir", str(layout.run)),
        ),
        ready=Tcp(HOST, PORT),
    )
