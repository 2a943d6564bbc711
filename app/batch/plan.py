"""The plan of a run: what is read, by which bundle, in which parts. Its SHA-256 is the run's id.

A plan is canonical JSON without times or machines, so that planning the same twice is one run.
Paths are relative to the folder of plan.json, into which the parts are written as well, unless one
of them is in a store.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import orjson

from app.batch.errors import BatchRefusedError
from app.model.bundle import canonical

if TYPE_CHECKING:
    from app.batch.folders import Folder

PLAN = "plan.json"
SCHEMA_VERSION = 1
AGAIN = "plan again with `modelctl batch plan`"
Format = Literal["parquet", "csv", "jsonl"]


@dataclass(frozen=True)
class PinnedBundle:
    """The bundle that predicts; without a path, whoever runs the plan says where it is."""

    path: str
    digest: str
    name: str
    version: str


@dataclass(frozen=True)
class InputFile:
    """One file below `root`; `columns` is the header of a CSV file.

    `etag` and `version` are what a store says of an object; it needs no hash then.
    """

    path: str
    format: Format
    bytes: int
    sha256: str
    rows: int
    columns: tuple[str, ...] = ()
    etag: str = ""
    version: str = ""


@dataclass(frozen=True)
class Shard:
    """The rows of one part: row groups of a Parquet file, or a range of bytes, from start to end.

    `sha256` is of exactly what is read for it: of a Parquet file the footer, then the chunks of the
    columns that are read, or nothing where an ETag pins them.
    """

    file: int
    start: int
    end: int
    first_row: int
    rows: int
    sha256: str


@dataclass(frozen=True)
class Plan:
    """What plan.json says.

    `passthrough`: columns that are written beside the predictions. `ignore`: columns that are no
    features. `probabilities`: whether probabilities or scores are written too; `explain`: whether
    explanations are. `root` is a path or a URL; `shard_rows` is what was asked for.
    """

    bundle: PinnedBundle
    root: str
    files: tuple[InputFile, ...]
    shards: tuple[Shard, ...]
    shard_rows: int
    chunk_rows: int
    passthrough: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    probabilities: bool = False
    explain: bool = False
    schema_version: int = SCHEMA_VERSION

    @cached_property
    def encoded(self) -> bytes:
        """The bytes of plan.json."""
        document = asdict(self)
        # The plans of before there were explanations stay the same runs.
        if not self.explain:
            del document["explain"]
        return canonical(document)

    @cached_property
    def run(self) -> str:
        """The id of the run."""
        return hashlib.sha256(self.encoded).hexdigest()

    @property
    def rows(self) -> int:
        """How many rows all shards have."""
        return sum(shard.rows for shard in self.shards)


def load(folder: Folder) -> Plan:
    """Read the plan.json of a folder. Raises BatchRefusedError unless planning wrote it."""
    path = folder.where(PLAN)
    try:
        raw = folder.read(PLAN)
        document: Any = orjson.loads(raw)
        plan = msgspec.convert(document, Plan)
    except (OSError, orjson.JSONDecodeError, msgspec.ValidationError) as error:
        raise BatchRefusedError(
            f"{path} is no plan of a batch run", found=str(error)[:300], fix=AGAIN
        ) from error
    if plan.schema_version != SCHEMA_VERSION:
        raise BatchRefusedError(
            f"{path} has an unsupported schema version",
            expected=str(SCHEMA_VERSION),
            found=str(plan.schema_version),
            fix=AGAIN,
        )
    if plan.encoded != raw:
        raise BatchRefusedError(
            f"{path} was changed after planning",
            expected=f"canonical JSON of SHA-256 {plan.run}",
            found=f"SHA-256 {hashlib.sha256(raw).hexdigest()}",
            fix=AGAIN,
        )
    return plan
