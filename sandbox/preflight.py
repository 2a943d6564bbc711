"""Can this machine run the sandbox? Reports every problem at once, before anything is changed.

The checks are pure, so that they can be tested without the machines they are about.
Runs on a bare system Python.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING, NamedTuple

from sandbox.errors import ProblemsError, SandboxError
from sandbox.machine import MachineInfo, read_machine

if TYPE_CHECKING:
    from sandbox.layout import Layout

GIB = 2**30
MIN_MEMORY_GIB = 6
MIN_DISK_GIB = 25
# Tools, images and Go's caches exist already: a later run adds little.
MIN_DISK_AGAIN_GIB = 3
MIN_PYTHON = (3, 11)
MIN_KERNEL = (5, 13)
DEBIAN_RELEASES = ("12", "13")
MACHINES = ("x86_64", "aarch64")

# Bits of the effective capability set (linux/capability.h).
_CAPABILITIES = {"CAP_SYS_ADMIN": 21, "CAP_NET_ADMIN": 12}


class Requirement(NamedTuple):
    """What the sandbox requires of a machine: whether it is met, else the parts of the error."""

    is_met: bool
    what: str
    found: str
    expected: str
    fix: str


def require_supported(layout: Layout) -> str:
    """Return a description of the machine with warnings. Raises ProblemsError."""
    if sys.platform != "linux":
        raise ProblemsError(_problems([_linux(platform.system())]))
    machine = read_machine(layout)
    if problems := find_problems(machine):
        raise ProblemsError(problems)
    return "\n".join([describe(machine), *(f"warning: {text}" for text in warnings(machine))])


def require_root() -> None:
    """Raise SandboxError unless we are root."""
    for problem in _problems([_root(os.geteuid())]):
        raise problem


def find_problems(machine: MachineInfo) -> list[SandboxError]:
    """Return every reason why the sandbox cannot run, each with its fix."""
    if machine.system != "Linux":
        return _problems([_linux(machine.system)])
    return _problems(_requirements(machine))


def warnings(machine: MachineInfo) -> list[str]:
    """Return what may fail but need not."""
    if machine.distribution == "debian" and machine.release in DEBIAN_RELEASES:
        return []
    name = f"{machine.distribution} {machine.release}".strip()
    return [f"{name} is not tested; the sandbox supports Debian {' and '.join(DEBIAN_RELEASES)}"]


def describe(machine: MachineInfo) -> str:
    """Return one line about the machine."""
    return (
        f"preflight: {machine.distribution} {machine.release}, "
        f"kernel {_dotted(machine.kernel)} {machine.machine}, "
        f"cgroup {machine.cgroup_flavour}, iptables {machine.iptables_flavour}, "
        f"{machine.memory / GIB:.0f} GiB memory, {machine.disk_free / GIB:.0f} GiB free disk, "
        f"Go {_dotted(machine.go)}"
    )


def _linux(system: str) -> Requirement:
    return Requirement(
        system == "Linux",
        "the sandbox needs Linux",
        found=system,
        expected="Linux, for network namespaces and control groups",
        fix="use a Debian 12 or 13 virtual machine; `make run` works here without a cluster",
    )


def _root(user_id: int) -> Requirement:
    return Requirement(
        user_id == 0,
        "the sandbox needs root",
        found=f"user id {user_id}",
        expected="user id 0, to create network namespaces, mounts and control groups",
        fix="run the command again with sudo; `make run` needs no root",
    )


def _requirements(machine: MachineInfo) -> list[Requirement]:
    missing = [name for name, bit in _CAPABILITIES.items() if not machine.capabilities >> bit & 1]
    disk_gib = MIN_DISK_AGAIN_GIB if machine.was_up_before else MIN_DISK_GIB
    return [
        _root(machine.user_id),
        Requirement(
            # Without root they are missing anyway: one problem, not two.
            machine.user_id != 0 or not missing,
            "root lacks capabilities",
            found=f"no {', no '.join(missing)}",
            expected="all capabilities of root",
            fix="run on a dedicated machine, or in a privileged container",
        ),
        Requirement(
            machine.machine in MACHINES,
            "the processor is not supported",
            found=machine.machine,
            expected=" or ".join(MACHINES),
            fix="use another machine",
        ),
        Requirement(
            machine.kernel >= MIN_KERNEL,
            "the kernel is too old",
            found=_dotted(machine.kernel),
            expected=f"{_dotted(MIN_KERNEL)} or newer, for kube-proxy's nftables mode",
            fix="use Debian 12 (kernel 6.1) or 13",
        ),
        Requirement(
            machine.python >= MIN_PYTHON,
            "Python is too old",
            found=_dotted(machine.python),
            expected=f"{_dotted(MIN_PYTHON)} or newer",
            fix="use Debian 12 (Python 3.11) or 13, or run `make up PYTHON=/path/to/python3.11`",
        ),
        Requirement(
            machine.has_venv,
            "Python cannot create virtual environments",
            found="no module `ensurepip`",
            expected="the Debian package python3-venv",
            fix="apt-get install python3-venv",
        ),
        Requirement(
            bool(machine.go) and machine.go >= machine.required_go,
            "Go is too old" if machine.go else "Go is missing",
            found=f"Go {_dotted(machine.go)}" if machine.go else "no `go` on PATH",
            expected=f"Go {_dotted(machine.required_go)} or newer, to build the cluster's tools",
            fix="install it from https://go.dev/dl/ into /usr/local/go and put /usr/local/go/bin "
            "on PATH (Debian's golang-go is older); with sudo keep PATH: "
            "`sudo env PATH=$PATH make up`",
        ),
        Requirement(
            machine.memory >= MIN_MEMORY_GIB * GIB,
            "not enough memory",
            found=f"{machine.memory / GIB:.1f} GiB",
            expected=f"{MIN_MEMORY_GIB} GiB or more: the cluster takes 2 to 3, building it 4",
            fix="give the machine more memory",
        ),
        Requirement(
            machine.disk_free >= disk_gib * GIB,
            "not enough free disk space",
            found=f"{machine.disk_free / GIB:.1f} GiB free",
            expected=f"{disk_gib} GiB or more, for Go's caches, images and the cluster",
            fix="free disk space, or move this checkout to a larger disk",
        ),
        Requirement(
            machine.cgroup_flavour != "none",
            "there are no control groups",
            found="no cgroup mounted",
            expected="cgroup v2 (Debian's default) or v1",
            fix="run on a stock Debian 12 or 13",
        ),
        Requirement(
            not machine.other_kubelet_pid,
            "another kubelet runs on this machine",
            found=f"pid {machine.other_kubelet_pid}",
            expected="none: two kubelets conflict over /var/lib/kubelet/device-plugins",
            fix="stop it, or use another machine",
        ),
    ]


def _problems(requirements: list[Requirement]) -> list[SandboxError]:
    return [
        SandboxError(each.what, found=each.found, expected=each.expected, fix=each.fix)
        for each in requirements
        if not each.is_met
    ]


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
