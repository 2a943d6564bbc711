"""A service calls nobody, starts nothing beside itself and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import trained
from tests.app.traffic import BODY

if TYPE_CHECKING:
    from tests.app.live import LiveService

LOCAL = {"0100007F", "00000000"}


def open_files(pid: int) -> list[str]:
    """What the file descriptors of a process point to."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return found


def remote_peers(pid: int) -> set[str]:
    """The far ends (hexadecimal IPv4) of a process's TCP and UDP sockets; IPv6 ones as they are."""
    inodes = {path[8:-1] for path in open_files(pid) if path.startswith("socket:[")}
    peers = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                peers.add(fields[2].split(":")[0])
    return peers


def threads(pid: int) -> list[str]:
    """The names of a process's threads."""
    names = [(task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()]
    # Where pyarrow is installed, as for developing, pandas imports it, and its allocator has one.
    return [name for name in names if name != "jemalloc_bg_thd"]


@pytest.mark.parametrize("engine", ["onnx", "sklearn"])
def test_a_service_has_no_threads_files_or_connections_of_others(
    start: Callable[..., LiveService], tmp_path: Path, engine: str
) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    environ = {"HOME": str(home), "TMPDIR": str(temporary), "WORKERS": "1"}
    service = start(trained.bundle("iris", engine), **environ)
    for _ in range(20):
        assert service.client.post("/predict", json=BODY).status_code == 200
    (worker,) = service.workers()
    for pid in (service.process.pid, worker):
        assert remote_peers(pid) <= LOCAL
        files = [path for path in open_files(pid) if path.startswith("/")]
        # Its log, its metrics and its heartbeat: nothing in anybody's home.
        strangers = [
            path
            for path in files
            if not path.startswith(("/dev/", str(temporary), str(service.log_path)))
        ]
        assert strangers == []
    assert len(threads(service.process.pid)) == 1
    # The event loop, and one thread for predictions that take long.
    assert len(threads(worker)) <= 2
    assert list(home.rglob("*")) == []
    assert service.terminate() == 0
    assert list(temporary.iterdir()) == []
