"""The pause image: one static binary of 20 lines of Go, packed as an OCI archive for containerd.

Built here because no image can be pulled; Go is needed for the other tools anyway. Cached by the
hash of its source, so it is built once.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

from sandbox.layout import PAUSE_IMAGE, Layout
from sandbox.proc import run

_SOURCE = Path(__file__).with_name("pause") / "main.go"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def import_pause_image(layout: Layout) -> str:
    """Import the pause image into containerd, building it when it is not cached."""
    ctr = [layout.tool("ctr"), "--address", str(layout.containerd_socket), "-n", "k8s.io"]
    listed = run([*ctr, "images", "list", "-q", f"name=={PAUSE_IMAGE}"]).stdout.split()
    if PAUSE_IMAGE in listed:
        return "present"
    archive = build_archive(layout)
    run([*ctr, "images", "import", archive])
    return "imported"


def build_archive(layout: Layout) -> Path:
    """Return the cached OCI archive, built when the source changed. Raises CommandError."""
    name = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    archive = layout.cache / f"pause-{name}.tar"
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    binary = archive.with_suffix(".bin")
    run(
        ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, _SOURCE],
        env={"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""},
        timeout_seconds=300,
    )
    temporary = archive.with_suffix(".tmp")
    temporary.write_bytes(oci_archive(binary.read_bytes(), PAUSE_IMAGE))
    binary.unlink()
    temporary.replace(archive)
    return archive


def oci_archive(binary: bytes, image: str) -> bytes:
    """Return a one-layer OCI archive that runs `binary` as /pause, named `image`."""
    layer = _tar({"pause": binary}, mode=0o755)
    architecture = _ARCHITECTURES[platform.machine()]
    config = _json(
        {
            "architecture": architecture,
            "os": "linux",
            # No root inside either: the restricted profile applies to the pause container too.
            "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    prefix = "application/vnd.oci.image"
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{prefix}.manifest.v1+json",
            "config": _descriptor(config, f"{prefix}.config.v1+json"),
            "layers": [_descriptor(layer, f"{prefix}.layer.v1.tar")],
        }
    )
    index = {
        "schemaVersion": 2,
        "manifests": [
            {
                **_descriptor(manifest, f"{prefix}.manifest.v1+json"),
                "platform": {"architecture": architecture, "os": "linux"},
                "annotations": {"io.containerd.image.name": image},
            }
        ],
    }
    blobs = {f"blobs/sha256/{_digest(blob)[7:]}": blob for blob in (layer, config, manifest)}
    return _tar(
        {
            "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
            "index.json": _json(index),
            **blobs,
        },
        mode=0o644,
    )


def _tar(files: dict[str, bytes], mode: int) -> bytes:
    # TarInfo's times and owners are zero, so the same source gives the same digest.
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _descriptor(blob: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
