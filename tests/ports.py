"""Ports for the programs that tests start."""

from __future__ import annotations

import contextlib
import random
import socket

# Below the ports that outgoing connections get, or one of those could take the port before the
# program does; below Kubernetes' node ports as well.
PORTS = range(12_000, 30_000)


def free_port() -> int:
    """A port nobody listens on, and nobody is given by chance."""
    while True:
        port = random.choice(PORTS)  # noqa: S311 - two test runs shall not ask for the same
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def free_ports(count: int) -> int:
    """The first of so many ports in a row."""
    while True:
        first = free_port()
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
