"""containerd, with the pods' CNI network and the registry that it pulls from over plain HTTP."""

from __future__ import annotations

from pathlib import Path

from sandbox.component import Component, as_json
from sandbox.layout import NAME, PAUSE_IMAGE, POD_CIDR, REGISTRY, RUN_FOLDER, Layout
from sandbox.probes import Command

CNI_PLUGINS = Path("/usr/lib/cni")


def containerd(layout: Layout) -> Component:
    """Return containerd with its own folders, socket and shim."""
    config = layout.config("containerd.toml")
    socket = layout.containerd_socket
    return Component(
        name="containerd",
        argv=(layout.tool("containerd"), f"--config={config}"),
        ready=Command((layout.tool("ctr"), "--address", str(socket), "version")),
        files={
            config: config_toml(layout),
            cni_folder(layout) / "10-pods.conflist": as_json(cni_network(layout)),
            registry_folder(layout) / REGISTRY / "hosts.toml": hosts_toml(),
        },
        leaves_children=True,
    )


def cni_folder(layout: Layout) -> Path:
    """Return the folder of CNI networks; the first file in it is the pods' network."""
    return layout.config("cni")


def registry_folder(layout: Layout) -> Path:
    """Return the folder with the settings of each registry."""
    return layout.config("registries")


def config_toml(layout: Layout) -> str:
    """Return containerd's configuration (version 3).

    Without CAP_SYS_RESOURCE no process may lower its OOM score, hence the two oom settings.
    Nothing is in /run/containerd or /run/netns, which another containerd may use: runc's state, the
    shims' sockets and the pods' network namespaces have our own folders.
    """
    state, run = layout.state / "containerd", layout.containerd_socket.parent
    return f"""\
version = 3
root = "{state}"
state = "{run}"
oom_score = 0
disabled_plugins = [
  "io.containerd.nri.v1.nri",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
]

[grpc]
address = "{layout.containerd_socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "{state}/opt"

[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{CNI_PLUGINS}"]
conf_dir = "{cni_folder(layout)}"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
Root = "{layout.run}/runc"

[plugins."io.containerd.shim.v1.manager"]
socket_dir = "{RUN_FOLDER}/s"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.images".registry]
config_path = "{registry_folder(layout)}"
"""


def hosts_toml() -> str:
    """Return the settings of the registry inside the namespace: plain HTTP."""
    return f"""\
server = "http://{REGISTRY}"

[host."http://{REGISTRY}"]
capabilities = ["pull", "resolve"]
"""


def cni_network(layout: Layout) -> dict[str, object]:
    """Return the pods' network: a routed pair of interfaces for each pod.

    Routed (`ptp`) and not bridged: on a bridge the answer of a pod to another pod's call
    through a Service skips the translation back, unless the host loads br_netfilter.
    """
    return {
        "cniVersion": "1.0.0",
        "name": NAME,
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(layout.state / "cni"),
                    "ranges": [[{"subnet": POD_CIDR}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
