"""How buildah is called: on a storage of our own, which leaves no mounts behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.buildah import Buildah, choose_driver

# Fields as in /proc/self/mountinfo.
MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - {root} /dev/vda rw
30 22 0:26 / /home rw shared:2 - nfs4 server:/home rw
31 22 0:27 / /data rw shared:3 - ext4 /dev/vdb rw
32 31 0:28 / /data rw shared:4 - overlay overlay rw
33 22 0:29 / /with\\040blank rw shared:5 - fuse.sshfs host: rw
"""


@pytest.mark.parametrize(
    ("folder", "root", "driver"),
    [
        ("/srv/x", "ext4", "overlay"),
        ("/srv/x", "xfs", "overlay"),
        ("/srv/x", "overlay", "vfs"),
        ("/home/user/x", "ext4", "vfs"),
        ("/homeless/x", "ext4", "overlay"),
        ("/data/x", "ext4", "vfs"),
        ("/with blank/x", "ext4", "vfs"),
    ],
    ids=["ext4", "xfs", "in-a-container", "nfs", "only-a-prefix", "covered", "fuse"],
)
def test_driver_is_overlay_unless_overlays_cannot_lie_there(
    folder: str, root: str, driver: str
) -> None:
    assert choose_driver(Path(folder), MOUNTS.format(root=root)) == driver


def test_every_call_gets_a_mount_namespace_and_our_storage() -> None:
    argv = Buildah(Path("/s"), "overlay").argv("images", Path("/x"))
    assert argv == [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "buildah",
        "--root",
        "/s/overlay",
        "--runroot",
        "/s/run",
        "--storage-driver",
        "overlay",
        "images",
        "/x",
    ]
