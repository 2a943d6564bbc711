"""Files -> a plan: which shards there are, and what pins everything that a run will read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.batch import parts, results, scanning
from app.batch.answers import AnswerWriter
from app.batch.errors import BatchError, BatchRefusedError
from app.batch.explaining import fields_of
from app.batch.inputs import open_root
from app.batch.listing import format_of, listed
from app.batch.model import require_background
from app.batch.plan import PLAN, InputFile, PinnedBundle, Plan, Shard, load
from app.model import manifest as manifests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.batch.folders import Folder
    from app.model.bundle import Bundle
    from app.model.contract import Contract

# Columns that every part has.
OWN = ("file", "row", "reason", "errors")


@dataclass(frozen=True)
class Request:
    """What a plan is asked for; `path` is where the plan says that the bundle is."""

    bundle: Bundle
    path: str
    inputs: tuple[str, ...]
    shard_rows: int
    chunk_rows: int
    passthrough: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    probabilities: bool = False
    explain: bool = False

    @property
    def pinned(self) -> PinnedBundle:
        """The bundle as the plan pins it. Raises BundleRefusedError."""
        described, _ = manifests.verify(self.bundle.manifest)
        return PinnedBundle(self.path, self.bundle.digest, described.name, described.version)


def make(request: Request, out: Folder) -> Plan:
    """Plan the shards of every file. Raises BatchError, BundleRefusedError."""
    _, contract = manifests.verify(request.bundle.manifest)
    if request.explain:
        require_background(request.bundle, contract)
    require_free_names(request.passthrough, contract, explain=request.explain)
    listing = listed(request.inputs, out)
    inputs = open_root(listing.root, out)
    columns = scanning.Columns(contract, request.passthrough, request.ignore)
    files: list[InputFile] = []
    shards: list[Shard] = []
    for name in listing.names:
        source = inputs.open(name)
        try:
            scan = scanning.Request(source, name, len(files), request.shard_rows, columns)
            file, found = scanning.scan(scan, format_of(name))
        finally:
            source.close()
        files.append(file)
        shards += found
    if not shards:
        raise BatchError("the input has no rows", found=f"{len(files)} files without any")
    return Plan(
        bundle=request.pinned,
        root=listing.root,
        files=tuple(files),
        shards=tuple(shards),
        shard_rows=request.shard_rows,
        chunk_rows=request.chunk_rows,
        passthrough=request.passthrough,
        ignore=request.ignore,
        probabilities=request.probabilities,
        explain=request.explain,
    )


def write(plan: Plan, out: Folder) -> None:
    """Write plan.json, unless the folder has parts of another run. Raises BatchRefusedError."""
    require_own_parts(plan, out)
    out.write(PLAN, plan.encoded)


def require_own_parts(plan: Plan, out: Folder) -> None:
    """Raises BatchRefusedError if the folder has parts of another run."""
    for name in sorted(name for name in out.names() if results.PART.fullmatch(name)):
        parts.read_facts(out, name, plan.run)


def find(out: Folder) -> Plan | None:
    """The plan of a folder, if it has one. Raises BatchRefusedError, StoreError."""
    try:
        return load(out)
    except BatchRefusedError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def require_fit(plan: Plan, request: Request, out: Folder) -> None:
    """Raises BatchRefusedError unless the plan is one that the request asks for.

    The input is compared by what is there, not by what is in it: who reads a file does that.
    """
    asked = request.pinned
    pairs = {
        "bundle": (asked.digest, plan.bundle.digest),
        "--shard-rows": (request.shard_rows, plan.shard_rows),
        "--chunk-rows": (request.chunk_rows, plan.chunk_rows),
        "--passthrough": (", ".join(request.passthrough), ", ".join(plan.passthrough)),
        "--ignore": (", ".join(request.ignore), ", ".join(plan.ignore)),
        "--probabilities": (request.probabilities, plan.probabilities),
        "--explain": (request.explain, plan.explain),
    }
    for name, (wanted, planned) in pairs.items():
        if wanted != planned:
            raise _misfit(out, name, str(planned), str(wanted))
    listing = listed(request.inputs, out)
    if listing.root != plan.root:
        raise _misfit(out, "input", plan.root, listing.root)
    planned_names = tuple(file.path for file in plan.files)
    if listing.names != planned_names:
        differing = sorted(set(listing.names) ^ set(planned_names))
        found = f"{len(listing.names)} files; other: {', '.join(differing[:5])}"
        raise _misfit(out, "input", f"{len(planned_names)} files", found)


def _misfit(out: Folder, what: str, planned: str, asked: str) -> BatchRefusedError:
    return BatchRefusedError(
        f"{out.where(PLAN)} was planned with another {what}",
        expected=planned or "none",
        found=asked or "none",
        fix="use another folder for each run, or ask for what was planned",
    )


def require_free_names(
    passthrough: Sequence[str], contract: Contract, *, explain: bool = False
) -> None:
    """Raise BatchRefusedError for columns that would have the same name in a part."""
    written = [field.name for field in AnswerWriter(contract.output, with_numbers=True).fields]
    if explain:
        explained = [field.name for field in fields_of(contract)]
        _require_distinct(explained)
        written += explained
    taken = [name for name in passthrough if name in (*OWN, *written)]
    if taken:
        raise BatchRefusedError(
            f"the column {taken[0]!r} cannot be passed through",
            expected="a name that the parts do not have themselves",
            found=", ".join(taken),
            fix="rename it in the input, or join by `file` and `row`",
        )


def _require_distinct(explained: Sequence[str]) -> None:
    """Raise BatchRefusedError where feature and class put together are another feature's."""
    twice = sorted({name for name in explained if explained.count(name) > 1})
    if twice:
        raise BatchRefusedError(
            f"two columns of explanations would be called {twice[0]!r}",
            expected="features and classes whose names differ when they are put together",
            found=", ".join(twice[:5]),
            fix="rename a feature, or leave --explain out",
        )
