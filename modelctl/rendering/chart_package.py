"""Package the chart so that the same content gives the same bytes, wherever and whenever.

Helm packages (it knows `.helmignore` and what a chart has to have), but stamps every file with the
time of the packaging, so no two of its packages are equal. What it made is repacked here: sorted,
owned by nobody, and as old as the last commit that changed the chart.
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
    """Write `<name>-<version>.tgz` into `out`, all of it or nothing.

    Raises ModelctlError when Helm refuses the chart, or when nothing says how old it is.
    """
    seconds = epoch(chart, environ)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".chart-", dir=out) as scratch:
        proc.run([helm, "package", str(chart), "--destination", scratch])
        (made,) = Path(scratch).glob("*.tgz")
        content = normalised(made.read_bytes(), seconds)
        made.write_bytes(content)
        path = out / made.name
        made.replace(path)
    return ChartPackage(path, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))


def epoch(chart: Path, environ: Mapping[str, str] = os.environ) -> int:
    """The time that the package's files get, in seconds since 1970.

    `SOURCE_DATE_EPOCH` (reproducible-builds.org), else the last commit that changed the chart.
    """
    if given := environ.get("SOURCE_DATE_EPOCH", ""):
        if given.isdigit():
            return int(given)
        raise ModelctlError(
            "SOURCE_DATE_EPOCH is not a time", found=given, expected="seconds since 1970"
        )
    try:
        answer = gitrepo.git(chart, "log", "-1", "--format=%ct", "--", ".").strip()
    except proc.CommandError as error:
        raise ModelctlError(
            f"{chart} is in no git repository, so nothing says how old it is",
            fix="set SOURCE_DATE_EPOCH to seconds since 1970",
        ) from error
    if not answer:
        raise ModelctlError(
            f"{chart} is in no commit yet, so nothing says how old it is",
            fix="commit it, or set SOURCE_DATE_EPOCH to seconds since 1970",
        )
    return int(answer)


def normalised(archive: bytes, seconds: int) -> bytes:
    """The same files in an archive that depends on nothing but them and the given time."""
    files = dict(sorted(_files(archive), key=_place))
    packed = io.BytesIO()
    # Without a name, which gzip would put into its header.
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
    """Name and content of everything in a package; it holds nothing but files."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        found = []
        for entry in tar:
            content = tar.extractfile(entry)
            if not entry.isreg() or content is None:
                raise ModelctlError(f"'{entry.name}' in the chart is not a regular file")
            found.append((entry.name, content.read()))
    return found


def _place(file: tuple[str, bytes]) -> tuple[int, str]:
    """Chart.yaml first, as Helm has it: who only wants to know what it is reads no further."""
    name = file[0]
    return (name.count("/") if name.endswith("/Chart.yaml") else 99, name)
