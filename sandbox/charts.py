"""The chart in the registry: all environments but the first use it from there, by its version.

A version is pushed once and never replaced: a release must not change without a commit.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from typing import TYPE_CHECKING

from sandbox import netns, web
from sandbox.bundles import run_modelctl
from sandbox.layout import REGISTRY, Layout
from sandbox.proc import run
from sandbox.process import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.gitops import GitOps

# Charts are next to the images, in a separate folder.
CHARTS = f"{REGISTRY}/charts"
NAME = "ml-model"


def ensure_chart(layout: Layout, gitops: GitOps) -> list[str]:
    """Push the chart of the branch unless its version is pushed already; return lines to print.

    Raises CommandError.
    """
    archive = package(layout, gitops)
    version = archive.stem.removeprefix(f"{NAME}-")
    key = content_key(archive)
    record = layout.cache / "charts" / f"{version}.json"
    if in_registry(version):
        if read_record(record) == key:
            return [f"{NAME} {version} already pushed"]
        return [
            f"warning: charts/{NAME} differs from the pushed {NAME} {version}; only the first",
            "environment uses your changes: increase `version` in its Chart.yaml",
        ]
    argv = [layout.tool("helm4"), "push", str(archive), f"oci://{CHARTS}", "--plain-http"]
    # A proxy of the user's shell cannot reach the namespace.
    env = {"NO_PROXY": REGISTRY, "no_proxy": REGISTRY, "HELM_CONFIG_HOME": str(archive.parent)}
    run(netns.enter_argv(argv), env=env)
    write_file(record, json.dumps({"content": key}) + "\n", 0o644)
    return [f"{CHARTS}/{NAME}:{version}"]


def package(layout: Layout, gitops: GitOps) -> Path:
    """Return the archive of the committed chart. Raises CommandError."""
    folder = layout.cache / "charts" / "packaged"
    for old in folder.glob("*.tgz"):
        old.unlink()
    run_modelctl(layout, gitops.worktree, "package-chart", "--out", folder)
    (archive,) = folder.glob("*.tgz")
    return archive


def content_key(archive: Path) -> str:
    """Return one hash of every file in a packaged chart, whatever its times and order."""
    digest = hashlib.sha256()
    with tarfile.open(archive) as packed:
        members = sorted((entry for entry in packed if entry.isfile()), key=lambda e: e.name)
        for member in members:
            stream = packed.extractfile(member)
            content = stream.read() if stream else b""
            digest.update(f"{member.name}\0{hashlib.sha256(content).hexdigest()}\0".encode())
    return digest.hexdigest()


def in_registry(version: str) -> bool:
    """Return whether the registry has that version of the chart."""
    url = f"http://{CHARTS.replace('/', '/v2/', 1)}/{NAME}/manifests/{version}"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    return web.request("HEAD", url, headers=accept, in_netns=True).status == 200


def read_record(path: Path) -> str:
    """Return the content key that was pushed; empty without a record."""
    try:
        return str(json.loads(path.read_text())["content"])
    except (FileNotFoundError, ValueError, KeyError):
        return ""
