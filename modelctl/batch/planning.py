"""Files -> a plan: which shards there are, and the hash of everything that a run will read."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.batch import parts
from app.batch.plan import PLAN, InputFile, PinnedBundle, Plan, Shard, load
from app.model import manifest as manifests
from modelctl.batch import scanning
from modelctl.batch.refusals import translated
from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging.bundles import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.batch.plan import Format
    from app.model.contract import Contract

FORMATS: dict[str, Format] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
# Columns that every part has.
OWN = ("file", "row", "reason", "errors")


@dataclass(frozen=True)
class Request:
    """What a plan is asked for."""

    bundle: Path
    inputs: tuple[str, ...]
    out: Path
    shard_rows: int
    chunk_rows: int
    passthrough: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    probabilities: bool = False


def make(request: Request) -> Plan:
    """Read every file once and plan its shards. Raises ModelctlError."""
    bundle = verify_bundle(request.bundle)
    with translated():
        described, contract = manifests.verify(bundle.manifest)
        _require_free_names(request.passthrough, contract)
        paths = find_files(request.inputs)
        root = Path(os.path.commonpath([path.parent for path in paths]))
        columns = scanning.Columns(contract, request.passthrough, request.ignore)
        files: list[InputFile] = []
        shards: list[Shard] = []
        for path in paths:
            name = path.relative_to(root).as_posix()
            scan = scanning.Request(path, name, len(files), request.shard_rows, columns)
            file, found = scanning.scan(scan, FORMATS[path.suffix.lower()])
            files.append(file)
            shards += found
    if not shards:
        raise ModelctlError("the input has no rows", found=f"{len(files)} files without any")
    out = request.out.resolve()
    pinned = PinnedBundle(
        _relative(request.bundle.resolve(), out), bundle.digest, described.name, described.version
    )
    return Plan(
        bundle=pinned,
        root=_relative(root, out),
        files=tuple(files),
        shards=tuple(shards),
        chunk_rows=request.chunk_rows,
        passthrough=request.passthrough,
        ignore=request.ignore,
        probabilities=request.probabilities,
    )


def write(plan: Plan, out: Path) -> Path:
    """Write plan.json, unless the folder has parts of another run. Raises RefusedError."""
    with translated():
        for part in sorted(out.glob("part-*.parquet")):
            parts.read_facts(part, plan.run)
    path = out / PLAN
    parts.write_whole(path, plan.encoded)
    return path


def read(path: Path) -> tuple[Plan, Path]:
    """A plan and its file, from the file or its folder. Raises RefusedError."""
    file = path / PLAN if path.is_dir() else path
    with translated():
        return load(file), file


def find_files(inputs: Sequence[str]) -> list[Path]:
    """The files of paths, folders and patterns, sorted. Raises ModelctlError.

    Of a folder, those with a known ending; a name with a leading dot or underscore is no input.
    """
    found: set[Path] = set()
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            listed = [file for file in path.rglob("*") if _is_input(file.relative_to(path), file)]
        elif path.exists():
            listed = [path]
        else:
            listed = [Path(name) for name in glob.glob(given, recursive=True)]  # noqa: PTH207 - of any root
            listed = [file for file in listed if file.is_file()]
        if not listed:
            raise ModelctlError(
                f"no input at {given}",
                expected=f"a file, a folder or a pattern of {', '.join(FORMATS)}",
                found="no such file",
            )
        found |= {file.resolve() for file in listed}
    wrong = sorted(file for file in found if file.suffix.lower() not in FORMATS)
    if wrong:
        raise ModelctlError(
            f"{wrong[0]} has an unknown ending",
            expected=", ".join(FORMATS),
            found=wrong[0].suffix or "none",
        )
    return sorted(found)


def _is_input(name: Path, file: Path) -> bool:
    is_hidden = any(part.startswith((".", "_")) for part in name.parts)
    return file.is_file() and not is_hidden and file.suffix.lower() in FORMATS


def _require_free_names(passthrough: Sequence[str], contract: Contract) -> None:
    from app.batch.answers import AnswerWriter

    written = [field.name for field in AnswerWriter(contract.output, with_numbers=True).fields]
    taken = [name for name in passthrough if name in (*OWN, *written)]
    if taken:
        raise RefusedError(
            f"the column {taken[0]!r} cannot be passed through",
            expected="a name that the parts do not have themselves",
            found=", ".join(taken),
            fix="rename it in the input, or join by `file` and `row`",
        )


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
