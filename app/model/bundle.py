"""A bundle on disk: its manifest, its digest, and the refusal to use anything that differs.

The digest is the SHA-256 of manifest.json, which is canonical JSON and lists the SHA-256 of every
other file; so one short text in git pins every byte that a pod may load. Knows files and hashes,
not what a model is.
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

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
# Who signed the bundle, in the format of OpenSSF model signing; checked before the service starts.
SIGNATURE = "model.sig"
# Beside the manifest and never loaded by the service, so not hashed: timings of one machine, and
# what is made of the hashes.
UNHASHED = frozenset({"report.json", SIGNATURE})
# Far above any real manifest; a larger one is read from a disk that lies.
MAX_MANIFEST_BYTES = 16 * 1024 * 1024
HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
REPACKAGE = "package the model again with `modelctl package` and release the new digest"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: where it is, what its manifest says, and the digest of both."""

    path: Path
    manifest: dict[str, Any]
    digest: str

    def read(self, name: str) -> bytes:
        """The bytes of a listed file, hashed again as they are read: what is used is what counts.

        Raises BundleRefusedError.
        """
        return _read_listed(self.path, name, self.manifest["files"].get(name))


def canonical(document: Any) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8. Equal documents give equal bytes."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def digest_of(data: bytes) -> str:
    """`sha256:<hex>` of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def verify(path: Path, expected_digest: str | None = None) -> Bundle:
    """Check the folder against its manifest and the manifest against the digest, if one is given.

    Raises BundleRefusedError at the first thing that differs.
    """
    raw = _read_regular(path, MANIFEST, limit=MAX_MANIFEST_BYTES)
    digest = digest_of(raw)
    if expected_digest is not None and digest != expected_digest:
        raise BundleRefusedError(
            f"bundle at {path} is not the one that was asked for",
            expected=expected_digest,
            found=digest,
            fix="release the bundle and the version file together, or correct the digest in git",
        )
    manifest = parse(raw)
    files = manifest["files"]
    refuse_strays(path, set(files))
    for name, entry in files.items():
        _read_listed(path, name, entry)
    return Bundle(path=path, manifest=manifest, digest=digest)


def parse(raw: bytes) -> dict[str, Any]:
    """The manifest in these bytes, every listed path and hash of it well-formed.

    Raises BundleRefusedError.
    """
    try:
        manifest = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _malformed("a JSON object", str(error)) from error
    if not isinstance(manifest, dict):
        raise _malformed("a JSON object", type(manifest).__name__)
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION:
        raise BundleRefusedError(
            "manifest.json has a schema version this server does not know",
            expected=str(SCHEMA_VERSION),
            found=repr(version)[:100],
            fix="serve it with the image version it was packaged for, or package it again",
        )
    if canonical(manifest) != raw:
        raise _malformed("canonical JSON (sorted keys, no spaces)", "another spelling")
    files = manifest.get("files")
    if not isinstance(files, dict) or not files:
        raise _malformed("`files` with at least one entry", repr(files)[:100])
    for name, entry in files.items():
        _check_entry(name, entry)
    return manifest


def _check_entry(name: str, entry: Any) -> None:
    parts = PurePosixPath(name).parts
    inside = parts and not name.startswith("/") and ".." not in parts and "\\" not in name
    if not inside or str(PurePosixPath(name)) != name or name == MANIFEST or name in UNHASHED:
        raise BundleRefusedError(
            "manifest.json lists a path that is not inside the bundle",
            expected="a relative path of a file in the bundle",
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
        raise _malformed(f"sha256 and bytes for {name!r}", repr(entry)[:100])


def _malformed(expected: str, found: str) -> BundleRefusedError:
    return BundleRefusedError(
        "manifest.json cannot be used", expected=expected, found=found, fix=REPACKAGE
    )


def refuse_strays(path: Path, listed: set[str]) -> None:
    """Refuse a folder that holds a symbolic link or a file that is not listed.

    Raises BundleRefusedError.
    """
    for folder, directories, files in os.walk(path):
        for name in [*directories, *files]:
            full = Path(folder, name)
            relative = full.relative_to(path).as_posix()
            if full.is_symlink():
                raise _symlink(relative)
            if name in files and relative not in listed | UNHASHED | {MANIFEST}:
                raise BundleRefusedError(
                    "the bundle holds a file that its manifest does not list",
                    expected="only listed files",
                    found=repr(relative),
                    fix=f"remove it, or {REPACKAGE}",
                )


def _read_listed(path: Path, name: str, entry: dict[str, Any] | None) -> bytes:
    if entry is None:
        raise BundleRefusedError(
            "the manifest does not list a file that its engine needs",
            expected=name,
            found="no such entry",
            fix=REPACKAGE,
        )
    data = _read_regular(path, name, limit=entry["bytes"])
    found = hashlib.sha256(data).hexdigest()
    if found != entry["sha256"]:
        raise BundleRefusedError(
            f"file {name!r} of the bundle has the wrong hash",
            expected=f"sha256:{entry['sha256']}",
            found=f"sha256:{found}",
            fix="copy the bundle again; it was damaged or changed after packaging",
        )
    return data


def _read_regular(root: Path, name: str, limit: int) -> bytes:
    """Read a file of at most `limit` bytes without following a symlink on the way."""
    full = root
    try:
        for part in PurePosixPath(name).parts:
            full = full / part
            if full.is_symlink():
                raise _symlink(name)
        mode = full.stat().st_mode
        if not stat.S_ISREG(mode):
            raise BundleRefusedError(
                f"{name!r} of the bundle is not a file",
                expected="a regular file",
                found=stat.filemode(mode),
                fix=REPACKAGE,
            )
        with full.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise BundleRefusedError(
            f"file {name!r} of the bundle cannot be read",
            expected=f"a readable file in {root}",
            found=error.strerror or type(error).__name__,
            fix="check that the whole bundle is mounted there and readable by this user",
        ) from error
    if len(data) > limit:
        raise BundleRefusedError(
            f"file {name!r} of the bundle has the wrong size",
            expected=f"at most {limit} bytes",
            found="more",
            fix="copy the bundle again; it was damaged or changed after packaging",
        )
    return data


def _symlink(name: str) -> BundleRefusedError:
    return BundleRefusedError(
        "the bundle holds a symbolic link",
        expected="regular files only",
        found=repr(name),
        fix="copy the file itself into the bundle",
    )
