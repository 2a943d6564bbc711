"""A small repository with three environments, as a user's checkout would be."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.model.bundle import canonical, digest_of
from modelctl.cli import cli

ENVIRONMENTS = """\
# the order is the way of a version
environments:
  - name: dev
    namespace: ml-dev
    cluster: in-cluster
    promotion: auto
  - name: staging
    namespace: ml-staging
    cluster: in-cluster
    promotion: pull-request
  - name: production
    namespace: ml-production
    cluster: in-cluster
    promotion: pull-request
"""

VALUES = """\
# -- Where the image comes from.
# @file version
image:
  repository: ""
  digest: ""
  tag: ""
  # @file settings
  pullPolicy: IfNotPresent
# @file version
model:
  version: ""
  digest: ""
# @file version
chart:
  version: ""
# @file capacity
replicaCount: 1
# @file settings
config:
  logLevel: info
# @file settings
httpRoute:
  enabled: false
  implementation: ""
  unit:
    header: ""
    cookie: ""
# @file variant
variants: {}
"""

DIGEST_A = "sha256:" + "a" * 64
DIGEST_B = "sha256:" + "b" * 64
VERSION = f"""\
image:
  repository: registry.example/iris
  tag: 1.0.0
  digest: {DIGEST_A}
model:
  version: 1.0.0
  digest: {DIGEST_B}
chart:
  version: 0.1.0
"""


def variant(name: str, share: int = 0, version: str = VERSION) -> str:
    """A variant file: the image and the model of a version file, and a share."""
    artifacts = version.partition("chart:")[0].replace("\n", "\n    ").rstrip()
    return f"variants:\n  {name}:\n    {artifacts}\n    share: {share}\n"


def run(*arguments: str) -> str:
    """What `modelctl ARGUMENTS` prints; an error is raised as it is."""
    result = CliRunner().invoke(cli, arguments)
    if result.exception:
        raise result.exception
    return result.output


def commit_all(root: Path, message: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "-C", str(root), "add", "-A"], check=True)
    subprocess.run(["git", "-C", str(root), *identity, "commit", "-qm", message], check=True)


def git(root: Path, *words: str) -> str:
    """What `git WORDS` prints, without the last line break."""
    argv = ["git", "-C", str(root), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def make_bundle(folder: Path, version: str, engine: str = "onnx", **more: Any) -> str:
    """A small bundle of iris that verifies, with more in its manifest; returns its digest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(b"model")
    entry = {"sha256": digest_of(b"model").removeprefix("sha256:"), "bytes": 5}
    manifest = {
        "schema_version": 1,
        "name": "iris",
        "version": version,
        "engine": engine,
        "files": {"model.onnx": entry},
        **more,
    }
    (folder / "manifest.json").write_bytes(canonical(manifest))
    return digest_of((folder / "manifest.json").read_bytes())


@pytest.fixture(autouse=True)
def no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster of whoever runs these tests is none of their business."""
    empty = tmp_path / "kubeconfig"
    empty.write_text("apiVersion: v1\nkind: Config\n")
    monkeypatch.setenv("KUBECONFIG", str(empty))
    monkeypatch.delenv("GIT_DIR", raising=False)
    # Commits made by the commands themselves need an identity.
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.org")
    # Every commit would start a process that looks for something to tidy up.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "maintenance.auto")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "false")


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkout, committed and clean; the current folder is inside it."""
    folder = tmp_path / "repo"
    (folder / "charts/ml-model").mkdir(parents=True)
    (folder / "charts/ml-model/values.yaml").write_text(VALUES)
    (folder / "charts/ml-model/Chart.yaml").write_text("name: ml-model\nversion: 0.1.0\n")
    for environment in ("dev", "staging", "production"):
        model = folder / "environments" / environment / "iris"
        model.mkdir(parents=True)
        (model.parent / "common.yaml").write_text("{}\n")
        (model / "settings.yaml").write_text("config:\n  logLevel: info\n")
        (model / "capacity.yaml").write_text("replicaCount: 1\n")
    (folder / "environments/environments.yaml").write_text(ENVIRONMENTS)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    commit_all(folder, "start")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def released(repo: Path) -> Path:
    """The same with iris 1.0.0 released in dev."""
    (repo / "environments/dev/iris/version.yaml").write_text(VERSION)
    commit_all(repo, "release iris in dev")
    return repo
