"""A real kube-apiserver on etcd, on loopback and without a cluster: what it refuses, we must.

No controller and no node: it validates, and keeps nothing that is only tried.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox import pki
from sandbox.layout import SERVICE_CIDR, Layout
from sandbox.wait import Answer, wait_until
from tests import rendering
from tests.ports import free_port

READY_SECONDS = 180


@dataclass(frozen=True)
class ApiServer:
    """A running one, and who asks it."""

    address: str
    pki: Path

    def kubectl(self, *words: str, stdin: str = "") -> rendering.Result:
        """What kubectl answers as an administrator."""
        return rendering.run(
            *(rendering.tool("kubectl"), f"--server={self.address}"),
            f"--certificate-authority={self.pki / 'ca.crt'}",
            f"--client-certificate={self.pki / 'admin.crt'}",
            f"--client-key={self.pki / 'admin.key'}",
            *words,
            stdin=stdin,
        )

    def try_create(self, manifests: list[rendering.Manifest]) -> rendering.Result:
        """What it would say to new objects, under strict validation."""
        return self.kubectl(
            *("create", "--dry-run=server", "--validate=strict", "--filename=-", "--output=name"),
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}),
        )


@contextmanager
def running(folder: Path) -> Iterator[ApiServer]:
    """One meanwhile."""
    keys = Layout(folder)
    pki.make_pki(keys)
    client, peer, port = (free_port() for _ in range(3))
    with ExitStack() as stack:
        stack.enter_context(_process(etcd(folder, client, peer), folder / "etcd.log"))
        argv = apiserver(keys.pki, client, port)
        stack.enter_context(_process(argv, folder / "apiserver.log"))
        server = ApiServer(f"https://127.0.0.1:{port}", keys.pki)

        def answer() -> Answer:
            said = server.kubectl("get", "--raw=/readyz")
            return Answer(said.code == 0, said.stderr[-300:])

        wait_until("kube-apiserver ready", answer, READY_SECONDS)
        yield server


def etcd(folder: Path, client: int, peer: int) -> list[str | Path]:
    """The command of its store."""
    here, there = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    return [
        *(rendering.tool("etcd"), "--name=a", f"--data-dir={folder / 'etcd'}"),
        *(f"--listen-client-urls={here}", f"--advertise-client-urls={here}"),
        *(f"--listen-peer-urls={there}", f"--initial-advertise-peer-urls={there}"),
        *(f"--initial-cluster=a={there}", "--unsafe-no-fsync", "--log-level=error"),
    ]


def apiserver(keys: Path, client: int, port: int) -> list[str | Path]:
    """The command of the API server, with the admission plugins that are on by default."""
    return [
        *(rendering.tool("kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{client}"),
        *("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={port}"),
        *(f"--service-cluster-ip-range={SERVICE_CIDR}", "--authorization-mode=RBAC"),
        *(f"--client-ca-file={keys}/ca.crt", f"--tls-cert-file={keys}/apiserver.crt"),
        f"--tls-private-key-file={keys}/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys}/service-account.pub",
        f"--service-account-signing-key-file={keys}/service-account.key",
        # Its controller for the Service `kubernetes` refuses a loopback address.
        # As clusters do: Pod Security decides who may be privileged.
        "--allow-privileged=true",
        "--endpoint-reconciler-type=none",
    ]


@contextmanager
def _process(argv: list[str | Path], log: Path) -> Iterator[None]:
    with (
        log.open("wb") as output,
        subprocess.Popen([str(part) for part in argv], stdout=output, stderr=output) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
