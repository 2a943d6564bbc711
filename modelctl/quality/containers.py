"""How a container is run as a pod runs it: the command lines of Docker and of containerd's `ctr`.

Nothing here runs anything or knows what is in the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Inside a container of Docker; `ctr` has no ports, so there the service gets a free one.
PORT = 8080
MEBIBYTE = 1024 * 1024
# What containerd gives to a container that asks for nothing.
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID"),
    *("SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
)


@dataclass(frozen=True)
class Run:
    """One container in the foreground, its service on `port` of 127.0.0.1."""

    image: str
    name: str
    port: int
    memory_mib: int
    environ: Mapping[str, str]


class Engine(Protocol):
    """What the test of an image needs of whatever runs containers."""

    def pull(self, image: str) -> list[str]:
        """The command that makes the image be there; empty when it has to be there already."""

    def run(self, run: Run) -> list[str]:
        """The command that ends when the container does, with its exit code."""

    def execute(self, name: str, words: Sequence[str]) -> list[str]:
        """The command that runs another one in the container."""

    def stop(self, name: str) -> list[str]:
        """The command that lets the container end."""

    def remove(self, name: str) -> list[str]:
        """The command that ends the container at once, whether it is there or not."""


@dataclass(frozen=True)
class Docker:
    """Docker, or what takes the same command line."""

    program: str = "docker"

    def pull(self, image: str) -> list[str]:
        """An image that was just built is there, and in no registry."""
        del image
        return []

    def run(self, run: Run) -> list[str]:
        """No rights, no writable root, and a port on this machine only."""
        return [
            *(self.program, "run", "--rm", "--name", run.name),
            *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),  # noqa: S108
            *("--security-opt", "no-new-privileges", "--memory", f"{run.memory_mib}m"),
            *("--publish", f"127.0.0.1:{run.port}:{PORT}"),
            *(f"--env={name}={value}" for name, value in run.environ.items()),
            run.image,
        ]

    def execute(self, name: str, words: Sequence[str]) -> list[str]:
        """As the container's own user."""
        return [self.program, "exec", name, *words]

    def stop(self, name: str) -> list[str]:
        """SIGTERM, and SIGKILL long after the service should have drained."""
        return [self.program, "stop", "-t", "60", name]

    def remove(self, name: str) -> list[str]:
        """Whatever state it is in."""
        return [self.program, "rm", "--force", name]


@dataclass(frozen=True)
class Containerd:
    """containerd by `ctr`, in its own network: for machines without Docker.

    `address` is its socket. Images come from a registry in plain http, such as the sandbox's.
    """

    address: str
    program: str = "ctr"
    namespace: str = "k8s.io"

    def _ctr(self, *words: str) -> list[str]:
        return [self.program, "--address", self.address, "--namespace", self.namespace, *words]

    def pull(self, image: str) -> list[str]:
        """By digest, as the kubelet does."""
        return self._ctr("images", "pull", "--plain-http", _without_tag(image))

    def run(self, run: Run) -> list[str]:
        """The same rights; no-new-privileges is what containerd does anyway."""
        environ = {**run.environ, "PORT": str(run.port)}
        return self._ctr(
            *("run", "--rm", "--net-host", "--read-only"),
            *("--mount", "type=tmpfs,src=tmpfs,dst=/tmp,options=nosuid:nodev:mode=1777"),
            *(f"--cap-drop=CAP_{name}" for name in CAPABILITIES),
            f"--memory-limit={run.memory_mib * MEBIBYTE}",
            *(f"--env={name}={value}" for name, value in environ.items()),
            *(_without_tag(run.image), run.name),
        )

    def execute(self, name: str, words: Sequence[str]) -> list[str]:
        """As the container's own user."""
        return self._ctr("task", "exec", "--exec-id", f"{name}-exec", name, *words)

    def stop(self, name: str) -> list[str]:
        """SIGTERM."""
        return self._ctr("task", "kill", "--signal", "SIGTERM", name)

    def remove(self, name: str) -> list[str]:
        """`ctr run --rm` removes what is left, once the task is gone."""
        return self._ctr("task", "kill", "--signal", "SIGKILL", name)


def _without_tag(image: str) -> str:
    """`repository@digest` of `repository:tag@digest`: what the kubelet pulls is called so."""
    name, at, digest = image.partition("@")
    tagged = at and ":" in name.rpartition("/")[2]
    return f"{name.rpartition(':')[0]}@{digest}" if tagged else image
