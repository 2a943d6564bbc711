"""Where the sandbox keeps things and which addresses it uses: the only place for either.

Must not touch the disk or the network: a layout is a value, so builders stay pure.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Mapping

# The name of the network namespace, the cgroup and the CNI network: marks them as ours.
NAME = "ml-model-sandbox"

# Short on purpose: a socket's path may have 108 characters, and a checkout may be nested deep.
RUN_FOLDER = Path("/run") / NAME

NODE_NAME = "node1"
NODE_INTERFACE = "node0"
NODE_IP = "10.88.0.1"
NODE_CIDR = "10.88.0.1/24"
POD_CIDR = "10.244.0.0/24"
SERVICE_CIDR = "10.96.0.0/16"
KUBERNETES_IP = "10.96.0.1"
DNS_IP = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"

# Ports inside the network namespace; they cannot collide with anything on the host.
API_PORT = 6443
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
CONTROLLER_MANAGER_PORT = 10257
SCHEDULER_PORT = 10259
KUBELET_PORT = 10250
KUBELET_HEALTH_PORT = 10248
PROXY_HEALTH_PORT = 10256
DNS_PORT = 1053
DNS_HEALTH_PORT = 10480
DNS_READY_PORT = 10481
METRICS_SERVER_PORT = 10444
REGISTRY_PORT = 5000
PROMETHEUS_PORT = 9090
ROLLOUTS_HEALTH_PORT = 10490
ROLLOUTS_METRICS_PORT = 10491
ISTIOD_HTTP_PORT = 15081
ISTIOD_XDS_PORT = 15010
ISTIOD_MONITORING_PORT = 15014
ENVOY_ADMIN_PORT = 15000
MESH_GATEWAY_PORT = 15080
REGISTRY = f"{NODE_IP}:{REGISTRY_PORT}"

PAUSE_IMAGE = "localhost/ml-model-sandbox/pause:1"

# The host's side of the forwarder; SANDBOX_API_PORT moves it when the port is taken.
DEFAULT_HOST_API_PORT = 16443

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Layout:
    """Every path of one sandbox below the project root `root` (absolute)."""

    root: Path
    host_api_port: int = DEFAULT_HOST_API_PORT

    @property
    def home(self) -> Path:
        """Everything the sandbox writes, except kernel objects; ignored by git."""
        return self.root / ".sandbox"

    @property
    def state(self) -> Path:
        """Data of the components (etcd, containerd, kubelet); removed by `down`."""
        return self.home / "state"

    @property
    def cache(self) -> Path:
        """What is expensive to rebuild (base image, registry data); kept by `down`."""
        return self.home / "cache"

    @property
    def run(self) -> Path:
        """Pid files, sockets and configuration files of what runs."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """`logs/<component>.log`; kept by `down`."""
        return self.home / "logs"

    @property
    def pki(self) -> Path:
        """Certificates and keys, mode 0700."""
        return self.home / "pki"

    @property
    def kubeconfig(self) -> Path:
        """Admin kubeconfig that works from the host, through the forwarder."""
        return self.home / "kubeconfig"

    @property
    def inner_kubeconfig(self) -> Path:
        """Admin kubeconfig for processes inside the network namespace."""
        return self.pki / "admin.kubeconfig"

    @property
    def bin(self) -> Path:
        """Pinned command-line tools, built by `python3 -m tools build`."""
        return self.root / ".tools" / "bin"

    @property
    def containerd_socket(self) -> Path:
        """The CRI socket of our containerd."""
        return self.run / "containerd" / "containerd.sock"

    @property
    def path(self) -> str:
        """PATH of every component: our containerd shim must win over an older Debian one."""
        return f"{self.bin}:{SYSTEM_PATH}"

    def tool(self, name: str) -> str:
        """Absolute path of a pinned tool (it need not exist yet)."""
        return str(self.bin / name)

    def pid_file(self, name: str) -> Path:
        """Record of the running process of a component."""
        return self.run / "pids" / f"{name}.json"

    def log_file(self, name: str) -> Path:
        """Output of a component since its last start."""
        return self.logs / f"{name}.log"

    def config(self, name: str) -> Path:
        """A configuration file that a component reads."""
        return self.run / "config" / name


def find_layout(environ: Mapping[str, str] = os.environ) -> Layout:
    """Return the layout of the project this package lies in.

    `SANDBOX_API_PORT` (1024..65535) moves the API server's port on the host.
    Raises SandboxError when the variable is not such a number.
    """
    text = environ.get("SANDBOX_API_PORT", str(DEFAULT_HOST_API_PORT))
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:
        raise SandboxError(
            "SANDBOX_API_PORT is not a valid port",
            found=repr(text),
            expected="a number from 1024 to 65535",
            fix=f"unset SANDBOX_API_PORT (default {DEFAULT_HOST_API_PORT}) or choose a free port",
        )
    return Layout(root=Path(__file__).resolve().parent.parent, host_api_port=int(text))
