"""The base image's root file system: made in one step, or not at all."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from sandbox import base
from sandbox.errors import CommandError
from sandbox.layout import Layout


@pytest.fixture
def debootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in on PATH, which writes what its file `body` says into the target folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "debootstrap"
    script.write_text('#!/bin/sh\nfor target; do :; done\n. "$0.body"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder / "debootstrap.body"


def test_rootfs_holds_what_debootstrap_made_and_nothing_of_the_host(
    tmp_path: Path, debootstrap: Path
) -> None:
    debootstrap.write_text(
        'mkdir -p "$target/etc" "$target/var/log" "$target/var/cache/apt/archives"\n'
        'echo host > "$target/etc/hostname"; echo ns > "$target/etc/resolv.conf"\n'
        'echo trixie > "$target/etc/debian_version"; echo log > "$target/var/log/dpkg.log"\n'
        'echo deb > "$target/var/cache/apt/archives/x.deb"\n'
    )
    archive = tmp_path / "cache" / "rootfs.tar"
    base.ensure_rootfs(Layout(tmp_path), archive)
    with tarfile.open(archive) as tar:
        files = [member.name for member in tar if member.isfile()]
    assert files == ["./etc/debian_version"]
    assert [path.name for path in archive.parent.iterdir()] == ["rootfs.tar"]


def test_rootfs_of_a_killed_run_is_thrown_away(tmp_path: Path, debootstrap: Path) -> None:
    debootstrap.write_text('echo whole > "$target/file"\n')
    archive = tmp_path / "cache" / "rootfs.tar"
    (archive.parent / "work").mkdir(parents=True)
    (archive.parent / "work" / "half").write_text("half\n")
    (archive.parent / "rootfs.tar.tmp").write_text("half\n")
    base.ensure_rootfs(Layout(tmp_path), archive)
    with tarfile.open(archive) as tar:
        assert [member.name for member in tar] == [".", "./file"]


def test_rootfs_does_not_exist_after_debootstrap_failed(tmp_path: Path, debootstrap: Path) -> None:
    debootstrap.write_text("echo 'E: no mirror'; exit 1\n")
    archive = tmp_path / "cache" / "rootfs.tar"
    with pytest.raises(CommandError) as caught:
        base.ensure_rootfs(Layout(tmp_path), archive)
    assert caught.value.details == "E: no mirror"
    assert not archive.exists()


def test_rootfs_is_made_once(tmp_path: Path, debootstrap: Path) -> None:
    debootstrap.write_text("exit 1\n")
    archive = tmp_path / "rootfs.tar"
    archive.write_text("made before\n")
    base.ensure_rootfs(Layout(tmp_path), archive)
    assert archive.read_text() == "made before\n"
