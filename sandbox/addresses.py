"""Which port on 127.0.0.1 leads to which release; recorded, so that addresses stay the same."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sandbox.components import argocd
from sandbox.errors import SandboxError
from sandbox.forwards import Forward
from sandbox.process import write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from sandbox.layout import Layout

# Far from what developers usually run; the next free port is taken when one is in use.
FIRST_PORT = 18080
LAST_PORT = 18999
ARGOCD_TARGET = f"{argocd.HOST}:{argocd.SERVER_PORT}"
HTTP_PORT = 80


@dataclass(frozen=True)
class Address:
    """A port on 127.0.0.1 and the target inside the namespace that it leads to."""

    port: int
    target: str

    @property
    def url(self) -> str:
        """The address as a URL."""
        return f"http://127.0.0.1:{self.port}"


def service_target(namespace: str, model: str) -> str:
    """Return the target of a release: the Service that the chart names after the model."""
    return f"service:{namespace}/{model}:{HTTP_PORT}"


def read_addresses(layout: Layout) -> dict[str, Address]:
    """Return the addresses assigned so far, by target; none before the first `up` has finished."""
    try:
        entries = [Address(**entry) for entry in json.loads(_file(layout).read_text())]
    except (FileNotFoundError, ValueError, TypeError):
        entries = []
    return {entry.target: entry for entry in entries}


def assign(
    targets: Iterable[str],
    known: dict[str, Address],
    is_free: Callable[[int], bool] | None = None,
) -> dict[str, Address]:
    """Return an address for each target: the known one, else the next free port.

    Raises SandboxError when every port is taken.
    """
    is_free = is_free or is_port_free
    taken = {entry.port for entry in known.values()}
    addresses: dict[str, Address] = {}
    for target in targets:
        if target in known:
            addresses[target] = known[target]
            continue
        candidates = range(FIRST_PORT, LAST_PORT + 1)
        port = next((port for port in candidates if port not in taken and is_free(port)), None)
        if port is None:
            raise SandboxError(
                "no free port for a release",
                found=f"127.0.0.1:{FIRST_PORT} to {LAST_PORT} are all in use",
                expected="a free port",
                fix="stop processes that listen on these ports",
            )
        taken.add(port)
        addresses[target] = Address(port, target)
    return addresses


def write_addresses(layout: Layout, addresses: dict[str, Address]) -> None:
    """Record the addresses for the next run."""
    entries = [asdict(entry) for entry in addresses.values()]
    write_file(_file(layout), json.dumps(entries, indent=2) + "\n", 0o644)


def forwards(addresses: dict[str, Address]) -> list[Forward]:
    """Return the addresses as forwards."""
    return [Forward(entry.port, entry.target) for entry in addresses.values()]


def is_port_free(port: int) -> bool:
    """Return whether a process could listen on 127.0.0.1:`port`."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _file(layout: Layout) -> Path:
    return layout.home / "addresses.json"
