"""The pause image is a valid OCI archive, the same for the same binary."""

import hashlib
import io
import json
import tarfile

from sandbox.pause_image import oci_archive


def unpack(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        files = {entry.name: opened.extractfile(entry) for entry in opened}
        return {name: stream.read() for name, stream in files.items() if stream}


def test_every_blob_is_named_by_its_digest_and_referred_to() -> None:
    files = unpack(oci_archive(b"binary", "localhost/pause:1"))
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"] == {"io.containerd.image.name": "localhost/pause:1"}
    manifest = json.loads(files[f"blobs/sha256/{entry['digest'][7:]}"])
    for descriptor in [manifest["config"], *manifest["layers"]]:
        blob = files[f"blobs/sha256/{descriptor['digest'][7:]}"]
        assert f"sha256:{hashlib.sha256(blob).hexdigest()}" == descriptor["digest"]
        assert len(blob) == descriptor["size"]


def test_the_layer_holds_the_binary_executable_and_the_config_runs_it_without_root() -> None:
    files = unpack(oci_archive(b"binary", "localhost/pause:1"))
    blobs = [content for name, content in files.items() if name.startswith("blobs/")]
    config = next(json.loads(blob) for blob in blobs if b'"rootfs"' in blob)
    assert config["config"] == {"Entrypoint": ["/pause"], "User": "65535:65535"}
    layer = files[f"blobs/sha256/{config['rootfs']['diff_ids'][0][7:]}"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as opened:
        (entry,) = opened.getmembers()
        assert (entry.name, entry.mode) == ("pause", 0o755)


def test_the_same_binary_gives_the_same_archive() -> None:
    assert oci_archive(b"binary", "i") == oci_archive(b"binary", "i")
    assert oci_archive(b"binary", "i") != oci_archive(b"other", "i")
