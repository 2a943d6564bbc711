"""The arguments and variables of `python -m app.batch`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from app.batch import CHUNK_ROWS, SHARD_ROWS
from app.batch.errors import BatchRefusedError
from app.batch.pod import Limits, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INDEX = "JOB_COMPLETION_INDEX"
PLAN_TIMEOUT_SECONDS = 1800.0


@dataclass(frozen=True)
class Arguments:
    """What a pod is asked for."""

    inputs: tuple[str, ...]
    out: str
    shard_rows: int
    chunk_rows: int
    passthrough: tuple[str, ...]
    ignore: tuple[str, ...]
    probabilities: bool
    explain: bool
    place: Place
    limits: Limits


class _Parser(argparse.ArgumentParser):
    """Refuses what it does not understand, as everything else: a retry would not help."""

    def error(self, message: str) -> NoReturn:
        raise BatchRefusedError(
            f"{self.prog}: {message}", fix=f"see `{self.prog} --help`", found=self.format_usage()
        )


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Arguments:
    """Read the arguments. Raises BatchRefusedError."""
    given = _parser().parse_args(argv)
    return Arguments(
        inputs=tuple(given.input),
        out=given.out,
        shard_rows=given.shard_rows,
        chunk_rows=given.chunk_rows,
        passthrough=tuple(given.passthrough),
        ignore=tuple(given.ignore),
        probabilities=given.probabilities,
        explain=given.explain,
        place=_place(environ.get(INDEX, ""), given.pods),
        limits=Limits(given.plan_timeout, given.max_rejected),
    )


def _parser() -> _Parser:
    parser = _Parser("python -m app.batch", description="Predict files as one pod of several.")
    parser.add_argument(
        "--input", action="append", required=True, help="file, folder, pattern or URL; repeatable"
    )
    parser.add_argument("--out", required=True, help="folder or URL for plan.json and the parts")
    parser.add_argument("--shard-rows", type=_count, default=SHARD_ROWS, help="rows per part")
    parser.add_argument("--chunk-rows", type=_count, default=CHUNK_ROWS, help="rows at a time")
    parser.add_argument(
        "--passthrough", action="append", default=[], help="column to write too; repeatable"
    )
    parser.add_argument(
        "--ignore", action="append", default=[], help="column that is no feature; repeatable"
    )
    parser.add_argument("--probabilities", action="store_true", help="probabilities or scores too")
    parser.add_argument("--explain", action="store_true", help="what each feature adds, too")
    parser.add_argument("--pods", type=_count, default=1, help="how many pods share the parts")
    parser.add_argument(
        "--plan-timeout",
        type=_seconds,
        default=PLAN_TIMEOUT_SECONDS,
        help="seconds to wait for the plan of pod 0",
    )
    parser.add_argument(
        "--max-rejected", type=_share, help="share of rows that may be rejected, from 0 to 1"
    )
    return parser


def _place(index: str, pods: int) -> Place:
    if not index and pods == 1:
        return Place(0, 1)
    if not index.isdecimal() or int(index) >= pods:
        raise BatchRefusedError(
            f"environment variable {INDEX} is invalid",
            expected=f"an integer from 0 to {pods - 1}",
            found=repr(index),
            fix="run it as an indexed Job with as many completions as --pods",
        )
    return Place(int(index), pods)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {value}")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds, found {text}")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to 1, found {text}")
    return value
