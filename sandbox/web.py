"""One HTTP request to something that the sandbox runs, from the host or inside its network.

Must not retry, wait or evaluate a response; the caller does.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sandbox import netns
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Reply:
    """A response; with `status` 0 there was none, and `body` is the reason."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace").strip()


def request(
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    in_netns: bool = False,
    timeout_seconds: float = 10,
) -> Reply:
    """Send one plain http request to `url` (an IPv4 address as host); never raises for a failure.

    With `in_netns` the connection is made inside the sandbox's network namespace.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    try:
        if in_netns:
            connection.sock = netns.connect(host, port, timeout_seconds)
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, response.read(), fields)
    except (OSError, http.client.HTTPException, SandboxError) as error:
        return Reply(0, str(error).encode())
    finally:
        connection.close()
