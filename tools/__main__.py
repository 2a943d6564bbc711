"""The pinned command-line tools of this repository: build them, list them, find them."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from tools import build, state
from tools.catalog import CATALOG, GROUPS, select
from tools.errors import ToolsError
from tools.progress import BuildProgress

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    paths = state.ToolPaths()
    # An interrupted build must end its compilers and remove its temporary files. SIGINT is listed
    # because a shell ignores it in background processes.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        if arguments.command == "build":
            build.build_all(select(arguments.names), paths, BuildProgress())
        elif arguments.command == "list":
            for tool in CATALOG:
                mark = "built" if state.is_built(tool, paths) else "missing"
                print(f"{tool.name:<22}{tool.version:<12} {mark}")
        else:
            print(_path(arguments.binary, paths))
    except ToolsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to resume", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tools", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="build missing tools")
    builder.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"tool or group ({', '.join(GROUPS)}); default: all",
    )
    commands.add_parser("list", help="list the tools, their versions and whether they are built")
    path = commands.add_parser("path", help="print the path of a binary")
    path.add_argument("binary", metavar="NAME")
    return parser


def _path(name: str, paths: state.ToolPaths) -> Path:
    for tool in CATALOG:
        if name in {binary.name for binary in tool.binaries}:
            if state.is_built(tool, paths):
                return paths.bin / name
            raise ToolsError(
                f"{name} is not built", fix=f"run `python3 -m tools build {tool.name}`"
            )
    known = ", ".join(binary.name for tool in CATALOG for binary in tool.binaries)
    raise ToolsError(f"unknown binary: {name}", expected=f"one of {known}")


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
