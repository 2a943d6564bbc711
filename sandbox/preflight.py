"""Can this machine run the sandbox? Every problem at once, before anything is done.

The judgement is pure, so that it can be tested without the machines it speaks of.
Runs on a bare system Python.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING

from sandbox.errors import ProblemsError, SandboxError
from sandbox.machine import Facts, gather

if TYPE_CHECKING:
    from sandbox.layout import Layout

GIB = 2**30
MIN_MEMORY_GIB = 6
MIN_DISK_GIB = 25
# Tools, images and Go's caches are there already: a later run adds little.
MIN_DISK_AGAIN_GIB = 3
MIN_PYTHON = (3, 11)
MIN_KERNEL = (5, 13)
DEBIAN_RELEASES = ("12", "13")
MACHINES = ("x86_64", "aarch64")

# Bits of the effective capability set (linux/capability.h).
_CAP_NET_ADMIN = 12
_CAP_SYS_ADMIN = 21


def check(layout: Layout) -> str:
    """Return a description of the machine with warnings. Raises ProblemsError."""
    if sys.platform != "linux":
        raise ProblemsError([_not_linux(platform.system())])
    facts = gather(layout)
    if problems := judge(facts):
        raise ProblemsError(problems)
    return "\n".join([describe(facts), *(f"warning: {text}" for text in warnings(facts))])


def check_root() -> None:
    """Raise SandboxError unless we are root."""
    if os.geteuid() != 0:
        raise _not_root(os.geteuid())


def judge(facts: Facts) -> list[SandboxError]:
    """Return every reason why the sandbox cannot run, each with the way out."""
    if facts.system != "Linux":
        return [_not_linux(facts.system)]
    candidates = (
        _not_root(facts.user_id) if facts.user_id != 0 else _capabilities(facts),
        _machine(facts),
        _kernel(facts),
        _python(facts),
        _venv(facts),
        _go(facts),
        _memory(facts),
        _disk(facts),
        _cgroup(facts),
        _kubelet(facts),
    )
    return [problem for problem in candidates if problem is not None]


def warnings(facts: Facts) -> list[str]:
    """Return what may go wrong but need not."""
    if facts.distribution == "debian" and facts.release in DEBIAN_RELEASES:
        return []
    found = f"{facts.distribution} {facts.release}".strip()
    return [f"this is {found}; the sandbox is made for Debian {' or '.join(DEBIAN_RELEASES)}"]


def describe(facts: Facts) -> str:
    """Return one line about the machine."""
    kernel = ".".join(map(str, facts.kernel))
    return (
        f"preflight: {facts.distribution} {facts.release}, kernel {kernel} {facts.machine}, "
        f"cgroup {facts.cgroup_flavour}, iptables {facts.iptables_flavour}, "
        f"{facts.memory / GIB:.0f} GiB memory, {facts.disk_free / GIB:.0f} GiB free disk, "
        f"Go {'.'.join(map(str, facts.go))}"
    )


def _not_linux(system: str) -> SandboxError:
    return SandboxError(
        "the sandbox needs Linux",
        found=system,
        expected="Linux: it makes network namespaces and control groups",
        fix="use a Debian 12 or 13 virtual machine; `make run` works here without a cluster",
    )


def _not_root(user_id: int) -> SandboxError:
    return SandboxError(
        "the sandbox needs root",
        found=f"user id {user_id}",
        expected="user id 0: it makes network namespaces, mounts and control groups",
        fix="run the command again with sudo; `make run` needs no root",
    )


def _capabilities(facts: Facts) -> SandboxError | None:
    missing = [
        name
        for name, bit in (("CAP_SYS_ADMIN", _CAP_SYS_ADMIN), ("CAP_NET_ADMIN", _CAP_NET_ADMIN))
        if not facts.capabilities >> bit & 1
    ]
    if not missing:
        return None
    return SandboxError(
        "root is not allowed enough here",
        found=f"no {', no '.join(missing)}",
        expected="all capabilities of root",
        fix="run on a machine of its own, or in a privileged container",
    )


def _machine(facts: Facts) -> SandboxError | None:
    if facts.machine in MACHINES:
        return None
    return SandboxError(
        "the processor is not supported",
        found=facts.machine,
        expected=" or ".join(MACHINES),
        fix="use another machine",
    )


def _kernel(facts: Facts) -> SandboxError | None:
    if facts.kernel >= MIN_KERNEL:
        return None
    return SandboxError(
        "the kernel is too old",
        found=".".join(map(str, facts.kernel)),
        expected=f"at least {'.'.join(map(str, MIN_KERNEL))}, for kube-proxy's nftables mode",
        fix="use Debian 12 (kernel 6.1) or 13",
    )


def _python(facts: Facts) -> SandboxError | None:
    if facts.python >= MIN_PYTHON:
        return None
    return SandboxError(
        "Python is too old",
        found=".".join(map(str, facts.python)),
        expected=f"at least {'.'.join(map(str, MIN_PYTHON))}",
        fix="use Debian 12 (Python 3.11) or 13, or run `make up PYTHON=/path/to/python3.11`",
    )


def _venv(facts: Facts) -> SandboxError | None:
    if facts.has_venv:
        return None
    return SandboxError(
        "Python cannot make virtual environments",
        found="no module `ensurepip`",
        expected="the Debian package python3-venv",
        fix="apt-get install python3-venv",
    )


def _go(facts: Facts) -> SandboxError | None:
    if facts.go and facts.go >= facts.go_needed:
        return None
    wanted = ".".join(map(str, facts.go_needed))
    return SandboxError(
        "Go is missing" if not facts.go else "Go is too old",
        found=f"Go {'.'.join(map(str, facts.go))}" if facts.go else "no `go` on PATH",
        expected=f"Go {wanted} or newer: the cluster's tools are built from their modules",
        fix="install it from https://go.dev/dl/ into /usr/local/go and put /usr/local/go/bin on "
        "PATH (Debian's golang-go is older); with sudo keep PATH: `sudo env PATH=$PATH make up`",
    )


def _memory(facts: Facts) -> SandboxError | None:
    if facts.memory >= MIN_MEMORY_GIB * GIB:
        return None
    return SandboxError(
        "too little memory",
        found=f"{facts.memory / GIB:.1f} GiB",
        expected=f"at least {MIN_MEMORY_GIB} GiB: the cluster takes 2 to 3, building it 4",
        fix="give the machine more memory",
    )


def _disk(facts: Facts) -> SandboxError | None:
    needed = MIN_DISK_AGAIN_GIB if facts.was_up_before else MIN_DISK_GIB
    if facts.disk_free >= needed * GIB:
        return None
    return SandboxError(
        "too little free disk",
        found=f"{facts.disk_free / GIB:.1f} GiB free",
        expected=f"at least {needed} GiB for Go's caches, images and the cluster",
        fix="free some, or move this checkout to a larger disk",
    )


def _cgroup(facts: Facts) -> SandboxError | None:
    if facts.cgroup_flavour != "none":
        return None
    return SandboxError(
        "there are no control groups",
        found="no cgroup mounted",
        expected="cgroup v2 (Debian's default) or v1",
        fix="run on a stock Debian 12 or 13",
    )


def _kubelet(facts: Facts) -> SandboxError | None:
    if not facts.foreign_kubelet:
        return None
    return SandboxError(
        "another kubelet runs on this machine",
        found=f"pid {facts.foreign_kubelet}",
        expected="none: two of them fight over /var/lib/kubelet/device-plugins",
        fix="stop it, or use another machine",
    )
