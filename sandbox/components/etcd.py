"""etcd: the API server's storage."""

from __future__ import annotations

from sandbox.component import Component
from sandbox.layout import ETCD_PEER_PORT, ETCD_PORT, NODE_NAME, Layout
from sandbox.probes import Http


def etcd(layout: Layout) -> Component:
    """Return etcd on the namespace's loopback, which pods cannot reach."""
    client = f"http://127.0.0.1:{ETCD_PORT}"
    peer = f"http://127.0.0.1:{ETCD_PEER_PORT}"
    return Component(
        name="etcd",
        argv=(
            layout.tool("etcd"),
            f"--name={NODE_NAME}",
            f"--data-dir={layout.state / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster={NODE_NAME}={peer}",
            "--log-level=warn",
            # The data may be lost with the machine, and fsync is slow on small disks.
            "--unsafe-no-fsync",
        ),
        ready=Http(f"{client}/readyz"),
        ready_seconds=60,
    )
