"""What an image is made of decides whether it is built again."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sandbox import images
from sandbox.bundles import Bundle
from sandbox.errors import SandboxError
from sandbox.gitops import GitOps
from sandbox.images import Image, content_key, host_ca_bundle, inputs_of, read_record

BASE = "localhost/base:1"
CONTEXT_FILES = (".dockerignore", "Dockerfile", "app/__main__.py")
FILES = {
    ".dockerignore": "*\n",
    "Dockerfile": "FROM scratch\n",
    "app/__main__.py": "print('served')\n",
    "requirements/uv.txt": "uv\n",
    "requirements/serve.txt": "flask\n",
    "requirements/serve-sklearn.txt": "scikit-learn\n",
    "requirements/dev.txt": "pytest\n",
    "README.md": "hello\n",
}


def commit(project: Path, name: str, text: str) -> None:
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    identity = ["-c", "user.name=User", "-c", "user.email=user@example.com"]
    subprocess.run(["git", "add", name], cwd=project, check=True)
    subprocess.run(["git", *identity, "commit", "-qm", name], cwd=project, check=True)


@pytest.fixture
def gitops(tmp_path: Path) -> GitOps:
    project = tmp_path / "project"
    project.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    for name, text in FILES.items():
        commit(project, name, text)
    return GitOps(project, tmp_path / "g.git", tmp_path / "g", tmp_path / "config")


def bundle(digest: str = "sha256:one", engine: str = "onnx") -> Bundle:
    return Bundle(Path("bundle"), "iris", "1.0.0", engine, digest)


def key(gitops: GitOps, of: Bundle, base: str = BASE) -> str:
    gitops.prepare()
    return content_key(inputs_of(gitops, base, of))


@pytest.mark.parametrize(
    "name",
    [*CONTEXT_FILES, "requirements/uv.txt", "requirements/serve.txt"],
)
def test_content_key_changes_with_every_file_that_the_build_reads(
    gitops: GitOps, name: str
) -> None:
    before = key(gitops, bundle())
    commit(gitops.project, name, "changed\n")
    assert key(gitops, bundle()) != before


@pytest.mark.parametrize(
    "name", ["README.md", "requirements/dev.txt", "requirements/serve-sklearn.txt"]
)
def test_content_key_stays_when_another_file_changes(gitops: GitOps, name: str) -> None:
    before = key(gitops, bundle())
    commit(gitops.project, name, "changed\n")
    assert key(gitops, bundle()) == before


def test_content_key_follows_bundle_engine_and_base_image(gitops: GitOps) -> None:
    keys = {
        key(gitops, bundle()),
        key(gitops, bundle(digest="sha256:two")),
        key(gitops, bundle(engine="sklearn")),
        key(gitops, bundle(), base="localhost/base:2"),
    }
    assert len(keys) == 4


def test_content_key_ignores_files_that_are_not_committed(gitops: GitOps) -> None:
    before = key(gitops, bundle())
    (gitops.project / "Dockerfile").write_text("FROM elsewhere\n")
    assert key(gitops, bundle()) == before


def test_content_key_does_not_depend_on_the_order_of_the_inputs() -> None:
    assert content_key({"a": "1", "b": "2"}) == content_key({"b": "2", "a": "1"})
    assert content_key({"a": "1", "b": "2"}) != content_key({"a": "2", "b": "1"})


def test_an_unknown_engine_is_refused_before_anything_is_built() -> None:
    with pytest.raises(SandboxError) as caught:
        images.requirements_of(bundle(engine="torch"))
    assert caught.value.what == "unknown engine in the bundle of iris"
    assert caught.value.found == "torch"
    assert caught.value.expected == "onnx or sklearn"


@pytest.mark.parametrize("text", ["", "{", '{"repository": "r"}'], ids=["empty", "torn", "partial"])
def test_a_torn_record_counts_as_none(tmp_path: Path, text: str) -> None:
    record = tmp_path / "record.json"
    record.write_text(text)
    assert read_record(record) is None


def test_a_record_gives_the_image_back(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    document = {"repository": "10.88.0.1:5000/iris", "tag": "1.0.0-abc", "digest": "sha256:12"}
    record.write_text(json.dumps(document))
    image = read_record(record)
    assert image == Image(**document)
    assert str(image) == "10.88.0.1:5000/iris:1.0.0-abc@sha256:12"


def test_the_users_own_ca_bundle_wins_over_the_systems(tmp_path: Path) -> None:
    own = tmp_path / "company.pem"
    own.write_text("certificates\n")
    environ = {"SSL_CERT_FILE": str(tmp_path / "absent.pem"), "REQUESTS_CA_BUNDLE": str(own)}
    assert host_ca_bundle(environ) == own
