"""Copies of what git does not hold: save them with their hashes, verify, put them back.

Knows folders and files; must not know clusters. The hash of every file is taken from the source and
compared with the copy, so that a copy that was cut short is found before anything relies on it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MANIFEST = "copies.json"
# A manifest of an image or chart: small, and the only blobs that are read as JSON.
_MANIFEST_TYPES = ("manifest.v1+json", "manifest.v2+json", "index.v1+json", "list.v2+json")


@dataclass(frozen=True)
class Part:
    """A file or folder that is saved under `name`; `purpose` says what it is for."""

    name: str
    source: Path
    purpose: str

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of every file, by its path below the source."""
        return hashes(self.source)


@dataclass(frozen=True)
class Saved:
    """What a copy consists of: seconds of the Unix clock, bytes, and hashes by part and path."""

    taken_at: float
    size: int
    parts: dict[str, dict[str, str]]


def hashes(source: Path) -> dict[str, str]:
    """Return the SHA-256 of a file, or of every file in a folder, by relative path."""
    files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    base = source.parent if source.is_file() else source
    return {str(path.relative_to(base)): _hash(path) for path in files}


def save(parts: Sequence[Part], target: Path) -> Saved:
    """Copy every part into the new folder `target`, readable by the owner alone.

    An older copy is replaced only when the new one is complete. Raises SandboxError.
    """
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    taken_at, recorded = time.time(), {}
    for part in parts:
        # Before the copy: what changes meanwhile makes the two differ.
        recorded[part.name] = part.hashes()
        copy = partial / part.name
        if part.source.is_dir():
            shutil.copytree(part.source, copy)
        else:
            copy.mkdir()
            shutil.copy2(part.source, copy)
    size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
    saved = Saved(taken_at, size, recorded)
    (partial / MANIFEST).write_text(json.dumps(asdict(saved), indent=1))
    verify(partial)
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)
    return saved


def verify(target: Path) -> Saved:
    """Return what the copy in `target` holds. Raises SandboxError unless every file is as saved."""
    try:
        saved = Saved(**json.loads((target / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise _broken(target, f"no readable {MANIFEST}: {error}") from error
    wrong = []
    for name, expected in saved.parts.items():
        found = hashes(target / name)
        paths = sorted(expected.keys() | found.keys())
        wrong += [f"{name}/{path}" for path in paths if expected.get(path) != found.get(path)]
    if wrong:
        raise _broken(target, f"differs from what was saved: {', '.join(wrong[:4])}")
    return saved


def restore(target: Path, part: Part) -> None:
    """Put a part's folder back where it came from. Raises SandboxError when the copy is broken."""
    verify(target)
    shutil.rmtree(part.source, ignore_errors=True)
    shutil.copytree(target / part.name, part.source)


def missing_blobs(registry: Path, digests: Sequence[str]) -> list[str]:
    """Return what a registry's folder lacks of these images: blobs absent, or with another hash.

    Follows each manifest to its configuration, its layers and, of an index, its manifests. Starts
    at digests from git, so that a copy of an incomplete registry is not called complete.
    """
    wanted, seen, missing = list(digests), set(), []
    while wanted:
        digest = wanted.pop()
        if digest in seen:
            continue
        seen.add(digest)
        blob = _blob(registry, digest)
        if not blob.is_file() or f"sha256:{_hash(blob)}" != digest:
            missing.append(digest)
            continue
        wanted += _references(blob)
    return sorted(missing)


def _references(blob: Path) -> list[str]:
    """The digests that a blob refers to, if it is a manifest."""
    content = blob.read_bytes()
    if not content.startswith(b"{"):
        return []
    document = json.loads(content)
    if not str(document.get("mediaType", "")).endswith(_MANIFEST_TYPES):
        return []
    entries = [*document.get("layers", []), *document.get("manifests", [])]
    entries += [document["config"]] if "config" in document else []
    return [entry["digest"] for entry in entries]


def _blob(registry: Path, digest: str) -> Path:
    value = digest.removeprefix("sha256:")
    return registry / "docker/registry/v2/blobs/sha256" / value[:2] / value / "data"


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _broken(target: Path, found: str) -> SandboxError:
    return SandboxError(
        "the saved copy cannot be used",
        found=f"{target}: {found}",
        expected="every file as it was saved",
        fix="save it again while the cluster is healthy: `make drill` does",
    )
