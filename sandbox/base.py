"""The base image: Debian with Python, made by debootstrap once, so that Docker Hub is not needed.

It replaces the official python image that the Dockerfile names by default.
Must not know what is built on it.
"""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

from sandbox.proc import run
from sandbox.task import run_task

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.buildah import Buildah
    from sandbox.layout import Layout

SUITE = "trixie"
PACKAGES = ("python3", "python3-venv", "ca-certificates")

# Caches, and what debootstrap copies from the host: an image must not reveal where it was built.
EXCLUDED = (
    "./etc/hostname",
    "./etc/resolv.conf",
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
    "./var/log/*",
)

_CONTAINERFILE = 'FROM scratch\nADD rootfs.tar /\nCMD ["python3"]\n'


def base_key() -> str:
    """Return the content key of the recipe: a changed recipe gives another image."""
    recipe = "\n".join([SUITE, *PACKAGES, *EXCLUDED, _CONTAINERFILE])
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def base_image() -> str:
    """Return the local name of the base image."""
    return f"localhost/ml-model-sandbox/python:{base_key()}"


def ensure_base(layout: Layout, buildah: Buildah) -> str:
    """Build the base image unless it exists; return its name. Raises CommandError."""
    name = base_image()
    if buildah.has_image(name):
        return name
    folder = layout.cache / "base" / base_key()
    ensure_rootfs(layout, folder / "rootfs.tar")
    (folder / "Containerfile").write_text(_CONTAINERFILE)
    seconds = buildah.build(
        "base image: import",
        folder,
        log=layout.logs / "base-import.log",
        tag=name,
        file="Containerfile",
    )
    print(f"  base image: imported in {seconds:.0f} s", flush=True)
    return name


def ensure_rootfs(layout: Layout, archive: Path) -> None:
    """Build the root file system as a tar file unless it exists; discard what a killed run left.

    Raises CommandError.
    """
    if archive.exists():
        return
    work = archive.with_name("work")
    # debootstrap's mounts ended with its task, so this never deletes through a mounted /proc.
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True)
    include = f"--include={','.join(PACKAGES)}"
    argv = ["debootstrap", "--variant=minbase", include, SUITE, str(work)]
    log = layout.logs / "base-debootstrap.log"
    seconds = run_task(f"base image: Debian {SUITE} with Python", argv, log=log)
    print(f"  base image: Debian {SUITE} with Python in {seconds:.0f} s", flush=True)
    pack(work, archive)
    shutil.rmtree(work)


def pack(folder: Path, archive: Path) -> None:
    """Write `folder` as the tar file `archive`, atomically. Raises CommandError."""
    temporary = archive.with_name(f"{archive.name}.tmp")
    options = [f"--exclude={pattern}" for pattern in EXCLUDED]
    argv = ["tar", "--create", "--numeric-owner", "--sort=name", "--anchored", *options]
    run([*argv, "--file", temporary, "--directory", folder, "."], timeout_seconds=300)
    temporary.replace(archive)
