"""The network namespace that holds the whole cluster, so that the host's network stays untouched.

A socket stays in the namespace that its thread was in when it was created: so probes and the
forwarder reach into the namespace without being moved into it.
Must not know what runs inside.
"""

from __future__ import annotations

import ctypes
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import SandboxError
from sandbox.layout import NAME, NODE_CIDR, NODE_INTERFACE, NODE_IP
from sandbox.proc import run

if TYPE_CHECKING:
    from collections.abc import Sequence

CLONE_NEWNET = 0x40000000
HANDLE = Path("/run/netns") / NAME


def exists() -> bool:
    """Return whether the namespace exists."""
    return HANDLE.exists()


def create() -> None:
    """Create the namespace with the node's address on a bridge and a default route on it.

    A bridge, because dummy devices are missing on some kernels; a default route, because the
    kubelet wants one to find the node's address. Does nothing when all of it exists.
    """
    if not exists():
        run(["ip", "netns", "add", NAME])
    links = run(enter_argv(["ip", "-o", "link", "show"])).stdout
    if f": {NODE_INTERFACE}:" not in links:
        run(enter_argv(["ip", "link", "add", NODE_INTERFACE, "type", "bridge"]))
    run(enter_argv(["ip", "link", "set", "lo", "up"]))
    run(enter_argv(["ip", "address", "replace", NODE_CIDR, "dev", NODE_INTERFACE]))
    run(enter_argv(["ip", "link", "set", NODE_INTERFACE, "up"]))
    run(enter_argv(["ip", "route", "replace", "default", "dev", NODE_INTERFACE, "src", NODE_IP]))
    # Settings below net. belong to the caller's namespace: the host's forwarding stays unchanged.
    run(enter_argv(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]))


def delete() -> None:
    """Delete the namespace and with it every interface, route and rule inside."""
    if exists():
        run(["ip", "netns", "delete", NAME])


def enter_argv(argv: Sequence[str | Path]) -> list[str]:
    """Return the command that runs `argv` inside the namespace.

    nsenter and not `ip netns exec`, which remounts /sys and hides the cgroups.
    """
    return ["nsenter", f"--net={HANDLE}", "--", *(str(word) for word in argv)]


def open_socket(kind: int = socket.SOCK_STREAM) -> socket.socket:
    """Return an IPv4 socket that lives inside the namespace; our thread stays where it is.

    Raises SandboxError when the namespace is missing or we may not enter it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        with HANDLE.open("rb") as inside, Path("/proc/thread-self/ns/net").open("rb") as outside:
            _setns(libc, inside.fileno())
            try:
                return socket.socket(socket.AF_INET, kind)
            finally:
                _setns(libc, outside.fileno())
    except OSError as error:
        raise SandboxError(
            "cannot enter the sandbox's network namespace",
            found=str(error),
            expected=f"{HANDLE}, and root",
            fix="run `make up` as root",
        ) from error


def connect(host: str, port: int, timeout_seconds: float = 5) -> socket.socket:
    """Return a socket connected to `host` (an IPv4 address) inside the namespace.

    Raises OSError when the connection fails, SandboxError when the namespace is missing.
    """
    connection = open_socket()
    connection.settimeout(timeout_seconds)
    try:
        connection.connect((host, port))
    except OSError:
        connection.close()
        raise
    return connection


def _setns(libc: ctypes.CDLL, descriptor: int) -> None:
    # os.setns exists from Python 3.12 on; we support 3.11.
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
