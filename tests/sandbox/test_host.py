"""What the cluster leaves on the host is found and undone, and nothing else is touched."""

import socket
from pathlib import Path

import pytest

from sandbox import host
from sandbox.layout import Layout

MOUNTINFO = r"""
25 30 0:23 / /proc rw,relatime - proc proc rw
90 30 0:50 / /srv/my\040project/.sandbox/state/kubelet/pods/a rw - tmpfs tmpfs rw
91 30 0:51 / /srv/my\040project/.sandbox/run/containerd/rootfs rw - overlay overlay rw
92 91 0:52 / /srv/my\040project/.sandbox/run/containerd/rootfs/dev rw - tmpfs tmpfs rw
93 30 0:53 / /srv/my\040project/.sandbox-of-another rw - tmpfs tmpfs rw
""".lstrip()


def test_mounts_below_the_sandbox_are_found_deepest_first() -> None:
    home = Path("/srv/my project/.sandbox")
    assert host.mounts_below(home, MOUNTINFO) == [
        home / "run/containerd/rootfs/dev",
        home / "run/containerd/rootfs",
        home / "state/kubelet/pods/a",
    ]


@pytest.fixture
def fake_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point every fixed path into a temporary folder; one of two folders exists before."""
    (tmp_path / "proc/vm").mkdir(parents=True)
    (tmp_path / "proc/vm/overcommit_memory").write_text("0\n")
    (tmp_path / "there-before").mkdir()
    folders = (str(tmp_path / "there-before"), str(tmp_path / "made"))
    monkeypatch.setattr(host, "KUBELET_SYSCTLS", ("vm/overcommit_memory",))
    monkeypatch.setattr(host, "_MADE_FOLDERS", folders)
    monkeypatch.setattr(host, "_DEVICE_PLUGINS", tmp_path / "made")
    monkeypatch.setattr(host, "_NETNS_FOLDER", tmp_path / "netns")
    monkeypatch.setattr(host, "_sysctl", lambda name: tmp_path / "proc" / name)
    return tmp_path


def test_what_was_changed_is_put_back_and_what_was_there_stays(
    layout: Layout, fake_host: Path
) -> None:
    host.record_settings(layout)
    setting = fake_host / "proc/vm/overcommit_memory"
    setting.write_text("1\n")
    (fake_host / "made").mkdir()
    host.restore_settings(layout)
    assert setting.read_text() == "0"
    assert not (fake_host / "made").exists()
    assert (fake_host / "there-before").exists()


def test_a_folder_that_somebody_else_uses_by_now_stays(layout: Layout, fake_host: Path) -> None:
    host.record_settings(layout)
    (fake_host / "made" / "of-another").mkdir(parents=True)
    host.restore_settings(layout)
    assert (fake_host / "made" / "of-another").exists()


def test_a_dead_kubelets_files_are_removed_and_a_living_ones_stay(
    layout: Layout, fake_host: Path
) -> None:
    host.record_settings(layout)
    folder = fake_host / "made"
    folder.mkdir()
    files = [folder / "kubelet.sock", folder / "kubelet_internal_checkpoint"]
    with socket.socket(socket.AF_UNIX) as kubelet:
        kubelet.bind(str(files[0]))
        kubelet.listen()
        files[1].touch()
        host.restore_settings(layout)
        assert sorted(folder.iterdir()) == files
    host.record_settings(layout)
    host._remove_kubelet_files(folder)
    assert list(folder.iterdir()) == []


def test_a_second_up_does_not_remember_what_the_first_one_changed(
    layout: Layout, fake_host: Path
) -> None:
    host.record_settings(layout)
    setting = fake_host / "proc/vm/overcommit_memory"
    setting.write_text("1\n")
    host.record_settings(layout)
    host.restore_settings(layout)
    assert setting.read_text() == "0"


def test_restore_does_nothing_when_nothing_is_remembered(layout: Layout, fake_host: Path) -> None:
    (fake_host / "made").mkdir()
    host.restore_settings(layout)
    assert (fake_host / "made").exists()


def test_only_links_into_our_folder_are_removed(tmp_path: Path) -> None:
    links = tmp_path / "containers"
    links.mkdir()
    (links / "ours").symlink_to(tmp_path / "state" / "pod-logs" / "0.log")
    (links / "foreign").symlink_to("/var/log/pods/0.log")
    host._remove_links(links, tmp_path / "state")
    assert [link.name for link in links.iterdir()] == ["foreign"]
