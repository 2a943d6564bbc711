"""Both cgroup versions and their hybrid are read from the mount table."""

import signal
import subprocess
from pathlib import Path

import pytest

from sandbox import cgroup
from sandbox.cgroup import (
    Hierarchy,
    component_procs,
    flavour,
    hierarchies,
    kill,
    members,
    prepare,
)
from sandbox.errors import SandboxError
from sandbox.layout import NAME
from sandbox.wait import Answer, wait_until

V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0\n"
V1 = (
    "tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0\n"
    "cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0\n"
    "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,relatime,cpu,cpuacct 0 0\n"
)
UNIFIED = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n"


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        pytest.param(V2, "v2", id="v2"),
        pytest.param(V1, "v1", id="v1"),
        pytest.param(V1 + UNIFIED, "v1 (hybrid)", id="hybrid"),
        pytest.param("/dev/vda / ext4 rw 0 0\n", "none", id="none"),
    ],
)
def test_the_flavour_is_told(mounts: str, expected: str) -> None:
    assert flavour(hierarchies(mounts)) == expected


def test_controllers_of_a_v1_tree_are_known() -> None:
    cpuset, cpu = hierarchies(V1)
    assert cpuset == Hierarchy(Path("/sys/fs/cgroup/cpuset"), 1, ("cpuset",))
    assert {"cpu", "cpuacct"} <= set(cpu.controllers)


def test_members_are_collected_from_the_whole_tree(tmp_path: Path) -> None:
    (tmp_path / "pods" / "one").mkdir(parents=True)
    (tmp_path / "cgroup.procs").write_text("")
    (tmp_path / "pods" / "cgroup.procs").write_text("3\n")
    (tmp_path / "pods" / "one" / "cgroup.procs").write_text("4\n5\n")
    assert members(tmp_path) == {3, 4, 5}


def test_a_cgroup_that_does_not_exist_has_no_members(tmp_path: Path) -> None:
    assert members(tmp_path / "absent") == set()


def test_only_the_named_program_is_killed_when_its_children_shall_live(tmp_path: Path) -> None:
    victim = subprocess.Popen(["sleep", "600"])
    bystander = subprocess.Popen(["tail", "-f", "/dev/null"])
    try:
        (tmp_path / "cgroup.procs").write_text(f"{victim.pid}\n{bystander.pid}\n")
        # A process has its command line a moment after Popen has returned.
        wait_until("it runs sleep", lambda: runs(victim.pid, "sleep"), 60, interval_seconds=0.01)
        assert kill(tmp_path, 60, "sleep") == 1
        assert victim.wait(60) == -signal.SIGKILL
        assert bystander.poll() is None
    finally:
        for process in (victim, bystander):
            process.kill()
            process.wait()


def runs(pid: int, program: str) -> Answer:
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    return Answer(command.startswith(program.encode()), repr(command))


def test_processes_that_survive_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").write_text("4194305\n")  # above the kernel's largest pid
    with pytest.raises(SandboxError) as caught:
        kill(tmp_path, 0)
    assert caught.value.found == f"pids [4194305] in {tmp_path} after SIGKILL"


@pytest.fixture
def fake_trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Hierarchy]:
    """Trees in a temporary folder: the code sees them as the mounted ones."""
    trees: list[Hierarchy] = []
    monkeypatch.setattr(cgroup, "hierarchies", lambda: trees)
    # The kernel puts these files into every new cgroup.
    plain_mkdir = Path.mkdir

    def mkdir(path: Path, *args: object, **options: object) -> None:
        plain_mkdir(path, *args, **options)  # type: ignore[arg-type]
        if path.parent == tmp_path / "v2":
            (path / "cgroup.controllers").write_text("cpu memory pids\n")
            (path / "cgroup.subtree_control").write_text("\n")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    return trees


def test_on_v2_the_controllers_are_handed_down_to_the_pods(
    tmp_path: Path, fake_trees: list[Hierarchy]
) -> None:
    root = tmp_path / "v2"
    root.mkdir()
    (root / "cgroup.controllers").write_text("cpuset cpu io memory pids rdma\n")
    (root / "cgroup.subtree_control").write_text("cpuset cpu io memory\n")
    fake_trees.append(Hierarchy(root, 2))
    prepare()
    # A plain file keeps only the last word written; the kernel adds each.
    assert (root / "cgroup.subtree_control").read_text() == "+pids"
    assert (root / NAME / "cgroup.subtree_control").read_text() == "+pids"
    procs = component_procs("etcd")
    assert procs == root / NAME / "components" / "etcd" / "cgroup.procs"


def test_on_the_hybrid_the_v2_tree_only_holds_processes(
    tmp_path: Path, fake_trees: list[Hierarchy]
) -> None:
    for name, files in {
        "v2": {"cgroup.subtree_control": "before"},
        "cpuset": {"cpuset.cpus": "0-1", "cpuset.mems": "0"},
    }.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    fake_trees += [Hierarchy(tmp_path / "cpuset", 1, ("cpuset",)), Hierarchy(tmp_path / "v2", 2)]
    prepare()
    assert (tmp_path / "v2" / "cgroup.subtree_control").read_text() == "before"
    assert (tmp_path / "cpuset" / NAME / "cpuset.cpus").read_text() == "0-1"
    assert tmp_path / "v2" in component_procs("etcd").parents


def test_without_any_tree_the_reason_is_told(fake_trees: list[Hierarchy]) -> None:
    with pytest.raises(SandboxError) as caught:
        component_procs("etcd")
    assert caught.value.found == "cgroup none"
