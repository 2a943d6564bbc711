"""The list of ports on 127.0.0.1 that lead into the namespace, as values.

A target is `<IPv4>:<port>` or `service:<namespace>/<name>:<port>`; the latter is looked up for
each connection, so the Service may be deleted and recreated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandbox.errors import SandboxError
from sandbox.layout import API_PORT, NODE_IP, Layout

_ADDRESS = re.compile(r"(?P<host>\d+\.\d+\.\d+\.\d+):(?P<port>\d+)")
_SERVICE = re.compile(r"service:(?P<namespace>[a-z0-9-]+)/(?P<name>[a-z0-9-]+):(?P<port>\d+)")


@dataclass(frozen=True)
class Forward:
    """What listens on 127.0.0.1:`listen_port` and where it leads."""

    listen_port: int
    target: str


@dataclass(frozen=True)
class Address:
    """A fixed target."""

    host: str
    port: int


@dataclass(frozen=True)
class Service:
    """A target to be looked up: its ClusterIP and this port."""

    namespace: str
    name: str
    port: int


def parse_target(text: str) -> Address | Service:
    """Return the target that `text` names. Raises SandboxError for anything else."""
    if match := _ADDRESS.fullmatch(text):
        return Address(match["host"], int(match["port"]))
    if match := _SERVICE.fullmatch(text):
        return Service(match["namespace"], match["name"], int(match["port"]))
    raise SandboxError(
        "invalid target of a forward",
        found=repr(text),
        expected="<IPv4>:<port> or service:<namespace>/<name>:<port>",
        fix="correct the list of forwards",
    )


def api_forward(layout: Layout) -> Forward:
    """Return the forward that the kubeconfig on the host uses."""
    return Forward(layout.host_api_port, f"{NODE_IP}:{API_PORT}")
