"""A bundle on disk: verify its files against the manifest and the manifest against the digest.

The digest is the SHA-256 of manifest.json, which is canonical JSON and lists the SHA-256 of every
other file, so one digest in git pins every byte that a pod may load. Knows files and hashes, not
models.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from app.errors import BundleRefusedError

SCHEMA_VERSION = 2
# Version 1 has no `unseen`, no `rows`: its strings are closed lists or free text.
READABLE_VERSIONS = (1, SCHEMA_VERSION)
MANIFEST = "manifest.json"
# Signature in the format of OpenSSF model signing; verified before the service starts.
SIGNATURE = "model.sig"
# Never loaded by the service and therefore not hashed: timings of one machine, and the signature,
# which is computed from the hashes.
UNHASHED = frozenset({"report.json", SIGNATURE})
# Far above any real manifest; bounds the memory that a hostile one can take.
MAX_MANIFEST_BYTES = 16 * 1024 * 1024
HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
REPACKAGE = "package the model again with `modelctl package` and release the new digest"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: its folder, manifest and digest."""

    path: Path
    manifest: dict[str, Any]
    digest: str

    def read(self, name: str) -> bytes:
        """Read a listed file and hash it again, so that the bytes used are the bytes verified.

        Raises BundleRefusedError.
        """
        return _read_listed(self.path, name, self.manifest["files"].get(name))


def canonical(document: Any) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8. Equal documents yield equal bytes."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def digest_of(data: bytes) -> str:
    """`sha256:<hex>` of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def verify(path: Path, expected_digest: str | None = None) -> Bundle:
    """Verify the folder against its manifest, and the manifest against the digest if one is given.

    Raises BundleRefusedError at the first difference.
    """
    raw = _read_regular(path, MANIFEST, limit=MAX_MANIFEST_BYTES)
    digest = digest_of(raw)
    if expected_digest is not None and digest != expected_digest:
        raise BundleRefusedError(
            f"the bundle at {path} has the wrong digest",
            expected=expected_digest,
            found=digest,
            fix="release the bundle and the version file together, or correct the digest in git",
        )
    manifest = parse(raw)
    files = manifest["files"]
    require_only_listed(path, set(files))
    for name, entry in files.items():
        _read_listed(path, name, entry)
    return Bundle(path=path, manifest=manifest, digest=digest)


def parse(raw: bytes) -> dict[str, Any]:
    """Parse a manifest and check that every listed path and hash is well-formed.

    Raises BundleRefusedError.
    """
    try:
        manifest = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _manifest_error("a JSON object", str(error)) from error
    if not isinstance(manifest, dict):
        raise _manifest_error("a JSON object", type(manifest).__name__)
    version = manifest.get("schema_version")
    if version not in READABLE_VERSIONS or isinstance(version, bool):
        raise BundleRefusedError(
            "manifest.json has an unsupported schema version",
            expected=" or ".join(map(str, READABLE_VERSIONS)),
            found=repr(version)[:100],
            fix="use the image version it was packaged for, or package the model again",
        )
    if canonical(manifest) != raw:
        raise _manifest_error(
            "canonical JSON (sorted keys, no spaces)", "JSON that is not canonical"
        )
    files = manifest.get("files")
    if not isinstance(files, dict) or not files:
        raise _manifest_error("`files` with at least one entry", repr(files)[:100])
    for name, entry in files.items():
        _require_valid_entry(name, entry)
    return manifest


def _require_valid_entry(name: str, entry: Any) -> None:
    parts = PurePosixPath(name).parts
    inside = parts and not name.startswith("/") and ".." not in parts and "\\" not in name
    if not inside or str(PurePosixPath(name)) != name or name == MANIFEST or name in UNHASHED:
        raise BundleRefusedError(
            "manifest.json lists a path outside of the bundle",
            expected="the relative path of a file in the bundle",
            found=repr(name)[:200],
            fix=REPACKAGE,
        )
    well_formed = (
        isinstance(entry, dict)
        and set(entry) == {"sha256", "bytes"}
        and isinstance(entry["sha256"], str)
        and HEX_SHA256.fullmatch(entry["sha256"]) is not None
        and type(entry["bytes"]) is int
        and entry["bytes"] >= 0
    )
    if not well_formed:
        raise _manifest_error(f"sha256 and bytes for {name!r}", repr(entry)[:100])


def _manifest_error(expected: str, found: str) -> BundleRefusedError:
    return BundleRefusedError(
        "manifest.json is invalid", expected=expected, found=found, fix=REPACKAGE
    )


def require_only_listed(path: Path, listed: set[str]) -> None:
    """Raise BundleRefusedError if the folder holds a symbolic link or a file that is not listed."""
    for folder, directories, files in os.walk(path):
        for name in [*directories, *files]:
            full = Path(folder, name)
            relative = full.relative_to(path).as_posix()
            if full.is_symlink():
                raise _symlink_error(relative)
            if name in files and relative not in listed | UNHASHED | {MANIFEST}:
                raise BundleRefusedError(
                    "the bundle contains a file that its manifest does not list",
                    expected="listed files only",
                    found=repr(relative),
                    fix=f"remove it, or {REPACKAGE}",
                )


def _read_listed(path: Path, name: str, entry: dict[str, Any] | None) -> bytes:
    if entry is None:
        raise BundleRefusedError(
            "manifest.json does not list a file that the engine requires",
            expected=name,
            found="no entry",
            fix=REPACKAGE,
        )
    data = _read_regular(path, name, limit=entry["bytes"])
    actual = hashlib.sha256(data).hexdigest()
    if actual != entry["sha256"]:
        raise BundleRefusedError(
            f"file {name!r} of the bundle has the wrong hash",
            expected=f"sha256:{entry['sha256']}",
            found=f"sha256:{actual}",
            fix="copy the bundle again: it was corrupted or modified after packaging",
        )
    return data


def _read_regular(root: Path, name: str, limit: int) -> bytes:
    """Read a file of at most `limit` bytes without following symbolic links."""
    full = root
    try:
        for part in PurePosixPath(name).parts:
            full = full / part
            if full.is_symlink():
                raise _symlink_error(name)
        found = full.stat()
        mode = found.st_mode
        if not stat.S_ISREG(mode):
            raise BundleRefusedError(
                f"{name!r} of the bundle is not a regular file",
                expected="a regular file",
                found=stat.filemode(mode),
                fix=REPACKAGE,
            )
        with full.open("rb") as stream:
            # A manifest may list any size: no more than the file has is asked for.
            data = stream.read(min(limit, found.st_size) + 1)
    except OSError as error:
        raise BundleRefusedError(
            f"file {name!r} of the bundle cannot be read",
            expected=f"a readable file in {root}",
            found=error.strerror or type(error).__name__,
            fix="mount the whole bundle there, readable by this user",
        ) from error
    if len(data) > limit:
        raise BundleRefusedError(
            f"file {name!r} of the bundle has the wrong size",
            expected=f"at most {limit} bytes",
            found=f"more than {limit} bytes",
            fix="copy the bundle again: it was corrupted or modified after packaging",
        )
    return data


def _symlink_error(name: str) -> BundleRefusedError:
    return BundleRefusedError(
        "the bundle contains a symbolic link",
        expected="regular files only",
        found=repr(name),
        fix="copy the file itself into the bundle",
    )
