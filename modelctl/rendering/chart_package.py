"""Package the chart reproducibly: the same content gives the same bytes.

Helm packages (it applies `.helmignore` and validates the chart), but stamps every file with the
current time. The archive is repacked here: sorted, without owners, and with the time of the last
commit that changed the chart.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.errors import ModelctlError
from modelctl.repository import gitrepo

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ChartPackage:
    """A packaged chart on disk; `digest` is that of the file, and of its layer in a registry."""

    path: Path
    digest: str
    size: int


def package(
    chart: Path, out: Path, helm: str, environ: Mapping[str, str] = os.environ
) -> ChartPackage:
    """Write `<name>-<version>.tgz` into `out` atomically.

    Raises ModelctlError if Helm refuses the chart, or without a timestamp for the files.
    """
    seconds = epoch(chart, environ)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".chart-", dir=out) as scratch:
        proc.run([helm, "package", str(chart), "--destination", scratch])
        (archive,) = Path(scratch).glob("*.tgz")
        content = normalised(archive.read_bytes(), seconds)
        archive.write_bytes(content)
        # Helm writes it into the manifest when it pushes the file.
        os.utime(archive, (seconds, seconds))
        path = out / archive.name
        archive.replace(path)
    return ChartPackage(path, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))


def epoch(chart: Path, environ: Mapping[str, str] = os.environ) -> int:
    """The modification time of the package's files, in seconds since 1970.

    `SOURCE_DATE_EPOCH` (reproducible-builds.org), else the last commit that changed the chart.
    """
    if given := environ.get("SOURCE_DATE_EPOCH", ""):
        if given.isdigit():
            return int(given)
        raise ModelctlError(
            "SOURCE_DATE_EPOCH is not a timestamp", found=given, expected="seconds since 1970"
        )
    try:
        committed_at = gitrepo.git(chart, "log", "-1", "--format=%ct", "--", ".").strip()
    except proc.CommandError as error:
        raise ModelctlError(
            f"no timestamp for the package: {chart} has no commits",
            fix="commit it, or set SOURCE_DATE_EPOCH to seconds since 1970",
        ) from error
    if not committed_at:
        raise ModelctlError(
            f"no timestamp for the package: {chart} has no commits",
            fix="commit it, or set SOURCE_DATE_EPOCH to seconds since 1970",
        )
    return int(committed_at)


def normalised(archive: bytes, seconds: int) -> bytes:
    """The same files in an archive that depends only on their content and the given time."""
    files = dict(sorted(_files(archive), key=_sort_key))
    packed = io.BytesIO()
    # An empty name: gzip would otherwise write it into its header.
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=9, mtime=seconds) as gz,
        tarfile.open(fileobj=gz, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(content), seconds, 0o644
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _files(archive: bytes) -> list[tuple[str, bytes]]:
    """Name and content of every file in a package. Raises ModelctlError for anything else."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        files = []
        for entry in tar:
            content = tar.extractfile(entry)
            if not entry.isreg() or content is None:
                raise ModelctlError(f"'{entry.name}' in the chart is not a regular file")
            files.append((entry.name, content.read()))
    return files


def _sort_key(file: tuple[str, bytes]) -> tuple[int, str]:
    """Chart.yaml first, as Helm writes it: readers of the metadata stop there."""
    name = file[0]
    return (name.count("/") if name.endswith("/Chart.yaml") else 99, name)
