"""What the cluster changes on the host outside its folders and namespace, and how to undo it.

The kubelet sets kernel parameters and leaves files in fixed places of /var; containerd and the
kubelet leave mounts. `record_settings` runs before they start, `restore_settings` after they end.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError
from sandbox.layout import NAME, Layout
from sandbox.proc import run
from sandbox.process import boot_id, write_file

# Set by every kubelet (k8s.io/component-helpers/node/util/sysctl); all others are per namespace.
KUBELET_SYSCTLS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)

# Fixed in the sources of the kubelet and the CNI library; inner ones first.
_MADE_FOLDERS = (
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/lib/cni/results",
    "/var/lib/cni",
)
_DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")

# `ip netns add` bind-mounts this folder onto itself, and nothing undoes that.
_NETNS_FOLDER = Path("/run/netns")


def record_settings(layout: Layout) -> None:
    """Record kernel parameters and which fixed folders exist already, once per boot."""
    if _read_record(layout) is not None:
        return
    values = {name: _sysctl(name).read_text().strip() for name in KUBELET_SYSCTLS}
    folders = [folder for folder in _MADE_FOLDERS if Path(folder).exists()]
    record = {
        "boot_id": boot_id(),
        "sysctls": values,
        "folders": folders,
        "netns_folder": _NETNS_FOLDER.exists(),
    }
    write_file(_record_file(layout), json.dumps(record))


def restore_settings(layout: Layout) -> None:
    """Restore kernel parameters and remove our files; call it when all processes have ended.

    Keeps what another kubelet or containerd has in the same places.
    """
    record = _read_record(layout)
    if record is None:
        return
    for name, value in record["sysctls"].items():
        if _sysctl(name).read_text().strip() != value:
            _sysctl(name).write_text(value)
    _remove_links(Path("/var/log/containers"), layout.state)
    for result in Path("/var/lib/cni/results").glob(f"{NAME}-*"):
        result.unlink()
    _remove_kubelet_files(_DEVICE_PLUGINS)
    for folder in map(Path, _MADE_FOLDERS):
        # Only when it is empty: another program may use it by now.
        if str(folder) not in record["folders"] and folder.exists() and not any(folder.iterdir()):
            folder.rmdir()
    if not record["netns_folder"]:
        _remove_netns_folder()
    _record_file(layout).unlink()


def unmount_all(layout: Layout) -> int:
    """Unmount everything below the sandbox's folder, deepest first; return how many there were.

    Raises SandboxError when something is still mounted after that.
    """
    mounts = mounts_below(layout.home)
    for mount in mounts:
        # Lazily, because a process that is ending may still have a file open.
        run(["umount", "--lazy", "--no-canonicalize", mount], check=False)
    if left := mounts_below(layout.home):
        raise SandboxError(
            "cannot unmount the sandbox's mounts",
            found=", ".join(map(str, left)),
            expected=f"no mount below {layout.home}",
            fix="find the process with `fuser -vm <path>`, stop it, then run `make down` again",
        )
    return len(mounts)


def mounts_below(folder: Path, mountinfo: str | None = None) -> list[Path]:
    """Return the mount points below `folder`, deepest and newest first."""
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    paths = [Path(_unescape(line.split()[4])) for line in text.splitlines()]
    return [path for path in reversed(paths) if folder in path.parents]


def _unescape(field: str) -> str:
    # The kernel writes blank, tab, newline and backslash as three octal digits.
    return field.encode().decode("unicode_escape").encode("latin-1").decode()


def _remove_links(folder: Path, below: Path) -> None:
    with suppress(FileNotFoundError):
        for link in folder.iterdir():
            if link.is_symlink() and below in link.readlink().parents:
                link.unlink()


def _remove_kubelet_files(folder: Path) -> None:
    """Remove a dead kubelet's socket and checkpoint, and nothing while a kubelet listens."""
    socket_file = folder / "kubelet.sock"
    with socket.socket(socket.AF_UNIX) as probe:
        # connect_ex gives no OSError for "nobody listens", only for a path that is too long.
        if probe.connect_ex(str(socket_file)) == 0:
            return
    socket_file.unlink(missing_ok=True)
    (folder / "kubelet_internal_checkpoint").unlink(missing_ok=True)


def _remove_netns_folder() -> None:
    if _NETNS_FOLDER.exists() and not any(_NETNS_FOLDER.iterdir()):
        # A bind mount of itself on the same device, which only the kernel's own list shows.
        for mount in mounts_below(_NETNS_FOLDER.parent):
            if mount == _NETNS_FOLDER:
                run(["umount", mount])
        _NETNS_FOLDER.rmdir()


def _sysctl(name: str) -> Path:
    return Path("/proc/sys") / name


def _record_file(layout: Layout) -> Path:
    return layout.home / "host.json"


def _read_record(layout: Layout) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(_record_file(layout).read_text())
    except (FileNotFoundError, ValueError):
        return None
    # A reboot has restored the parameters and emptied /run by itself.
    return record if record["boot_id"] == boot_id() else None
