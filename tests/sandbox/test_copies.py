"""A copy is complete and unchanged, or it is refused before anything relies on it."""

import hashlib
import json
from pathlib import Path

import pytest

from sandbox import copies
from sandbox.copies import Part
from sandbox.errors import SandboxError


@pytest.fixture
def part(tmp_path: Path) -> Part:
    source = tmp_path / "registry"
    (source / "deep").mkdir(parents=True)
    (source / "deep/a").write_bytes(b"a")
    (source / "b").write_bytes(b"b")
    return Part("registry", source, "images")


def test_what_is_saved_comes_back(part: Part, tmp_path: Path) -> None:
    copies.save([part], tmp_path / "copy")
    before = part.hashes()
    (part.source / "b").unlink()
    (part.source / "stranger").write_bytes(b"x")
    copies.restore(tmp_path / "copy", part)
    assert part.hashes() == before


def test_a_single_file_is_saved(tmp_path: Path) -> None:
    file = tmp_path / "argocd.yaml"
    file.write_text("kind: Secret\n")
    saved = copies.save([Part("argocd", file, "secrets")], tmp_path / "copy")
    assert (tmp_path / "copy/argocd/argocd.yaml").read_text() == "kind: Secret\n"
    assert saved == copies.verify(tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("registry/b", b"B", "registry/b"),
        ("registry/deep/a", None, "registry/deep/a"),
        ("registry/new", b"x", "registry/new"),
        (copies.MANIFEST, b"{", copies.MANIFEST),
        (copies.MANIFEST, None, copies.MANIFEST),
    ],
)
def test_a_changed_copy_is_refused_and_nothing_is_touched(
    part: Part, tmp_path: Path, name: str, content: bytes | None, named: str
) -> None:
    copies.save([part], tmp_path / "copy")
    file = tmp_path / "copy" / name
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)
    before = part.hashes()
    with pytest.raises(SandboxError) as caught:
        copies.restore(tmp_path / "copy", part)
    assert named in caught.value.found
    assert part.hashes() == before


def test_a_failed_save_keeps_the_copy_before(part: Part, tmp_path: Path) -> None:
    first = copies.save([part], tmp_path / "copy")
    with pytest.raises(FileNotFoundError):
        copies.save([part, Part("gone", tmp_path / "gone", "")], tmp_path / "copy")
    assert copies.verify(tmp_path / "copy") == first


class Registry:
    """A registry's folder, laid out as distribution lays it out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, content: bytes) -> str:
        value = hashlib.sha256(content).hexdigest()
        path = self.folder / "docker/registry/v2/blobs/sha256" / value[:2] / value / "data"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        return f"sha256:{value}"

    def manifest(self, kind: str, **content: object) -> str:
        document = {"mediaType": f"application/vnd.oci.image.{kind}.v1+json", **content}
        return self.add(json.dumps(document).encode())

    def path(self, digest: str) -> Path:
        value = digest.removeprefix("sha256:")
        return self.folder / "docker/registry/v2/blobs/sha256" / value[:2] / value / "data"


def test_every_blob_behind_a_digest_is_looked_for(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    config, layer = registry.add(b"{}"), registry.add(b"layer")
    image = registry.manifest("manifest", config={"digest": config}, layers=[{"digest": layer}])
    index = registry.manifest("index", manifests=[{"digest": image}])
    assert copies.missing_blobs(tmp_path, [index]) == []
    registry.path(layer).write_bytes(b"other")
    assert copies.missing_blobs(tmp_path, [index]) == [layer]
    registry.path(config).unlink()
    assert copies.missing_blobs(tmp_path, [index, "sha256:" + "0" * 64]) == sorted(
        [layer, config, "sha256:" + "0" * 64]
    )
