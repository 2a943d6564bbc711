"""The Debian packages the sandbox runs on; installing them starts no service on the host.

Debian starts a service when its package is configured. A `policy-rc.d` that forbids it is Debian's
own way to prevent that; services that start at boot are disabled again.
Runs on a bare system Python.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import SandboxError
from sandbox.proc import run, stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGES = (
    "buildah",
    "ca-certificates",
    "conntrack",
    "containernetworking-plugins",
    "debootstrap",
    "docker-registry",
    "git",
    "iproute2",
    "iptables",
    "nftables",
    "procps",
    "redis-server",
    "runc",
    "util-linux",
)

# Packages of the sandbox and of tests that bring a service; we run our own instances.
_SERVICES = {
    "docker-registry": ("docker-registry.service",),
    "nginx-light": ("nginx.service",),
    # With Erlang, whose nodes find each other by epmd.
    "rabbitmq-server": ("rabbitmq-server.service", "epmd.service", "epmd.socket"),
    "redis-server": ("redis-server.service",),
}

_POLICY = Path("/usr/sbin/policy-rc.d")
_NO_SERVICE_STARTS = """\
#!/bin/sh
# Written by the ml-model sandbox while it installs packages.
exit 101
"""


def install_missing(wanted: Sequence[str] = PACKAGES) -> str:
    """Install what is missing of `wanted` and return a summary.

    Raises SandboxError when there is no dpkg or the installation fails.
    """
    missing = missing_packages(wanted)
    if not missing:
        return f"Debian packages: all {len(wanted)} installed"
    print(f"installing {', '.join(missing)}", flush=True)
    with no_service_starts():
        for argv in apt_commands(missing):
            if code := stream(argv, env={"DEBIAN_FRONTEND": "noninteractive"}):
                raise SandboxError(
                    "cannot install the Debian packages",
                    found=f"exit code {code} of `{' '.join(argv)}`",
                    expected="exit code 0",
                    fix="read the output above; check /etc/apt/sources.list and the network",
                )
    services = [service for name in missing for service in _SERVICES.get(name, ())]
    if services and shutil.which("systemctl"):
        run(["systemctl", "disable", *services])
    return f"Debian packages: installed {len(missing)}"


def apt_commands(packages: list[str]) -> list[list[str]]:
    """Return the commands that install `packages` without prompting."""
    return [
        ["apt-get", "update", "--quiet"],
        ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages],
    ]


def missing_packages(wanted: Sequence[str] = PACKAGES) -> list[str]:
    """Return those of `wanted` that are not fully installed. Raises SandboxError without dpkg."""
    if shutil.which("dpkg-query") is None:
        raise SandboxError(
            "not a Debian system",
            found="no dpkg-query",
            expected="Debian 12 or 13",
            fix=f"install the equivalents of these packages by hand: {', '.join(wanted)}",
        )
    result = run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n", *wanted],
        check=False,
    )
    return parse_missing(result.stdout, wanted)


def parse_missing(listing: str, wanted: Sequence[str] = PACKAGES) -> list[str]:
    """Return those of `wanted` that `listing` (lines of `status name`) does not show installed."""
    installed = {line.split()[1] for line in listing.splitlines() if line.startswith("installed ")}
    return [name for name in wanted if name not in installed]


@contextmanager
def no_service_starts(policy: Path = _POLICY) -> Iterator[None]:
    """Forbid packages to start services while the block runs; then restore the policy."""
    kept = policy.with_name(f"{policy.name}.before-ml-model-sandbox")
    # After a killed run the file is ours, and the user's file is kept already.
    if policy.exists() and policy.read_text() != _NO_SERVICE_STARTS:
        policy.rename(kept)
    policy.write_text(_NO_SERVICE_STARTS)
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
        if kept.exists():
            kept.rename(policy)
