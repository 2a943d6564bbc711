"""The pinned command-line tools of this repository: build them, list them, find them."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from tools import build, state
from tools.catalog import CATALOG, GROUPS, select
from tools.errors import ToolsError
from tools.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    places = state.Places()
    # A stopped build must end its compilers and remove its temporary files. SIGINT is named as
    # well because a shell that starts us in the background has it ignored.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _interrupt)
    try:
        if arguments.command == "build":
            build.build_all(select(arguments.names), places, Progress())
        elif arguments.command == "list":
            for tool in CATALOG:
                mark = "built" if state.is_built(tool, places) else "missing"
                print(f"{tool.name:<22}{tool.version:<12} {mark}")
        else:
            print(_path(arguments.binary, places))
    except ToolsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tools", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="build what is missing")
    builder.add_argument(
        "names", nargs="*", metavar="NAME", help=f"a tool or {' or '.join(GROUPS)}; none means all"
    )
    commands.add_parser("list", help="each tool, its pin and whether it is built")
    path = commands.add_parser("path", help="print where a binary is")
    path.add_argument("binary", metavar="NAME")
    return parser


def _path(name: str, places: state.Places) -> Path:
    for tool in CATALOG:
        if name in {binary.name for binary in tool.binaries}:
            if state.is_built(tool, places):
                return places.bin / name
            raise ToolsError(f"{name} is not built", fix=f"python3 -m tools build {tool.name}")
    known = ", ".join(binary.name for tool in CATALOG for binary in tool.binaries)
    raise ToolsError(f"no tool has a binary named {name}", expected=f"one of {known}")


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
