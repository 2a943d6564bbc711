"""Command lines that run a container as a pod does, for Docker and for containerd's `ctr`.

Builds argument lists only; runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Inside a Docker container; `ctr` uses the host network, so the service gets a free port there.
PORT = 8080
MEBIBYTE = 1024 * 1024
# containerd's default capabilities.
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID"),
    *("SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
)


@dataclass(frozen=True)
class Run:
    """One container in the foreground, with its service on 127.0.0.1:`port`."""

    image: str
    name: str
    port: int
    memory_mib: int
    environ: Mapping[str, str]


class Engine(Protocol):
    """The commands of a container engine that the image test uses."""

    def pull(self, image: str) -> list[str]:
        """The command that pulls the image; empty if it has to exist locally."""

    def run(self, run: Run) -> list[str]:
        """The command that runs the container and exits with its exit code."""

    def execute(self, name: str, argv: Sequence[str]) -> list[str]:
        """The command that executes `argv` in the container."""

    def stop(self, name: str) -> list[str]:
        """The command that stops the container gracefully."""

    def remove(self, name: str) -> list[str]:
        """The command that kills the container, if it exists."""


@dataclass(frozen=True)
class Docker:
    """Docker, or a program with the same command line."""

    program: str = "docker"

    def pull(self, image: str) -> list[str]:
        """Nothing: a freshly built image is local, and in no registry."""
        del image
        return []

    def run(self, run: Run) -> list[str]:
        """No capabilities, a read-only root filesystem, and a port on localhost only."""
        return [
            *(self.program, "run", "--rm", "--name", run.name),
            *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),  # noqa: S108
            *("--security-opt", "no-new-privileges", "--memory", f"{run.memory_mib}m"),
            *("--publish", f"127.0.0.1:{run.port}:{PORT}"),
            *(f"--env={name}={value}" for name, value in run.environ.items()),
            run.image,
        ]

    def execute(self, name: str, argv: Sequence[str]) -> list[str]:
        """As the container's user."""
        return [self.program, "exec", name, *argv]

    def stop(self, name: str) -> list[str]:
        """SIGTERM, and SIGKILL after 60 s, well after the drain time."""
        return [self.program, "stop", "-t", "60", name]

    def remove(self, name: str) -> list[str]:
        """In any state."""
        return [self.program, "rm", "--force", name]


@dataclass(frozen=True)
class Containerd:
    """containerd through `ctr`, on the host network: for machines without Docker.

    `address` is its socket. Images come from a plain-HTTP registry, such as the sandbox's.
    """

    address: str
    program: str = "ctr"
    namespace: str = "k8s.io"

    def _ctr(self, *arguments: str) -> list[str]:
        return [self.program, "--address", self.address, "--namespace", self.namespace, *arguments]

    def pull(self, image: str) -> list[str]:
        """By digest, as the kubelet does."""
        return self._ctr("images", "pull", "--plain-http", _without_tag(image))

    def run(self, run: Run) -> list[str]:
        """The same restrictions; no-new-privileges is containerd's default."""
        environ = {**run.environ, "PORT": str(run.port)}
        return self._ctr(
            *("run", "--rm", "--net-host", "--read-only"),
            *("--mount", "type=tmpfs,src=tmpfs,dst=/tmp,options=nosuid:nodev:mode=1777"),
            *(f"--cap-drop=CAP_{name}" for name in CAPABILITIES),
            f"--memory-limit={run.memory_mib * MEBIBYTE}",
            *(f"--env={name}={value}" for name, value in environ.items()),
            *(_without_tag(run.image), run.name),
        )

    def execute(self, name: str, argv: Sequence[str]) -> list[str]:
        """As the container's user."""
        return self._ctr("task", "exec", "--exec-id", f"{name}-exec", name, *argv)

    def stop(self, name: str) -> list[str]:
        """SIGTERM."""
        return self._ctr("task", "kill", "--signal", "SIGTERM", name)

    def remove(self, name: str) -> list[str]:
        """`ctr run --rm` removes the container once its task has exited."""
        return self._ctr("task", "kill", "--signal", "SIGKILL", name)


def _without_tag(image: str) -> str:
    """`repository@digest` of `repository:tag@digest`, the form that the kubelet pulls."""
    name, at, digest = image.partition("@")
    tagged = at and ":" in name.rpartition("/")[2]
    return f"{name.rpartition(':')[0]}@{digest}" if tagged else image
