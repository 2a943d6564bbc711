"""What decides between continuing and starting anew, and what `up` refuses before it starts."""

import json
import os
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import cgroup, cluster, kube, lock, netns, process
from sandbox.cluster import (
    claim_machine,
    clean_up_after_crash,
    require_free_port,
    require_tools,
    up_steps,
)
from sandbox.errors import SandboxError
from sandbox.layout import Layout
from sandbox.wait import Answer


def test_the_list_of_steps_can_be_made_without_touching_anything(layout: Layout) -> None:
    titles = [step.title for step in up_steps(layout)]
    assert titles[0] == "leftovers of earlier runs"
    assert len(set(titles)) == len(titles)
    assert list(layout.root.iterdir()) == []


def test_every_missing_tool_is_named_before_anything_starts(layout: Layout) -> None:
    components = [step.component for step in up_steps(layout) if step.component]
    layout.bin.mkdir(parents=True)
    (layout.bin / "etcd").touch()
    with pytest.raises(SandboxError) as caught:
        require_tools(layout, components)
    for name in ("kubelet", "containerd-shim-runc-v2", "kubectl", "ctr", "coredns"):
        assert name in caught.value.found
    assert "etcd" not in caught.value.found


def test_a_taken_port_is_refused_before_anything_starts(layout: Layout) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SandboxError) as caught:
            require_free_port(replace(layout, host_api_port=port))
    assert caught.value.found.startswith(f"127.0.0.1:{port}: ")
    require_free_port(replace(layout, host_api_port=port))


@pytest.fixture
def torn_down(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> list[Layout]:
    """Collect calls of `tear_down`; the namespace is there and nothing runs."""
    calls: list[Layout] = []
    monkeypatch.setattr(cluster, "tear_down", calls.append)
    monkeypatch.setattr(lock, "_OWNER", layout.root / "owner")
    monkeypatch.setattr(cgroup, "all_members", set)
    monkeypatch.setattr(netns, "exists", lambda: True)
    return calls


def record(layout: Layout, boot_id: str) -> None:
    text = {"name": "etcd", "pid": 1, "start_time": 1, "boot_id": boot_id, "fingerprint": ""}
    process.write_file(layout.pid_file("etcd"), json.dumps(text))


def test_a_crash_within_this_boot_is_continued(layout: Layout, torn_down: list[Layout]) -> None:
    record(layout, process.boot_id())
    assert clean_up_after_crash(layout) == "reused"
    assert torn_down == []


def test_what_is_left_of_another_boot_is_removed(layout: Layout, torn_down: list[Layout]) -> None:
    record(layout, "another")
    assert clean_up_after_crash(layout) == "removed"
    assert torn_down == [layout]


def test_processes_without_any_record_are_removed(
    layout: Layout, torn_down: list[Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup, "all_members", lambda: {1234})
    assert clean_up_after_crash(layout) == "removed"
    assert torn_down == [layout]


def test_leftovers_without_their_namespace_are_removed(
    layout: Layout, torn_down: list[Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netns, "exists", lambda: False)
    record(layout, process.boot_id())
    assert clean_up_after_crash(layout) == "removed"
    assert torn_down == [layout]


def test_a_sandbox_of_another_checkout_that_runs_is_left_alone(
    layout: Layout, torn_down: list[Layout], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(layout, root=tmp_path / "other")
    other.root.mkdir()
    lock.set_owner(other)
    monkeypatch.setattr(cgroup, "all_members", lambda: {1234})
    with pytest.raises(SandboxError) as caught:
        claim_machine(layout)
    assert caught.value.found == f"the sandbox of {other.root}"
    assert torn_down == []
    assert lock.owner() == other.root


@pytest.mark.parametrize(
    ("folder_exists", "members"),
    [pytest.param(True, set(), id="dead"), pytest.param(False, {1234}, id="folder-deleted")],
)
def test_what_another_checkout_left_is_removed_and_said(
    layout: Layout,
    torn_down: list[Layout],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder_exists: bool,
    members: set[int],
) -> None:
    other = replace(layout, root=layout.root / "other")
    if folder_exists:
        other.root.mkdir()
    lock.set_owner(other)
    monkeypatch.setattr(cgroup, "all_members", lambda: members)
    claim_machine(layout)
    assert torn_down == [other]
    assert lock.owner() == layout.root
    assert capsys.readouterr().out == f"removing leftovers of the sandbox of {other.root}\n"


def test_the_own_sandbox_is_claimed_without_a_word(
    layout: Layout, torn_down: list[Layout], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        claim_machine(layout)
    assert (torn_down, capsys.readouterr().out) == ([], "")


def ready_node(heartbeat: str) -> dict[str, object]:
    entry = {"type": "Ready", "status": "True", "message": "m", "lastHeartbeatTime": heartbeat}
    return {"status": {"conditions": [entry]}}


def test_the_node_is_ready_only_by_a_report_of_the_kubelet_that_runs() -> None:
    judge = kube.condition("Ready", since=1_700_000_000)
    assert judge(ready_node("2023-11-14T22:13:19Z")).ready is False
    assert judge(ready_node("2023-11-14T22:13:20Z")).ready is True
    assert judge({}) == Answer(False, "no condition Ready yet")


def test_the_start_of_a_process_is_known_in_seconds_of_the_clock() -> None:
    before = time.time()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as cat:
        after = time.time()
        stat = Path(f"/proc/{cat.pid}/stat").read_text().rpartition(")")[2].split()
        found = process.Record("cat", cat.pid, int(stat[19]), process.boot_id(), "")
        # The kernel says when it booted in whole seconds.
        assert before - 2 <= process.started_at(found) <= after + 2
    later = replace(found, start_time=found.start_time + 100 * os.sysconf("SC_CLK_TCK"))
    assert process.started_at(later) - process.started_at(found) == 100
