"""A tool small enough to be built in a test, and machines that have one Go, another, or none."""

from __future__ import annotations

import dataclasses
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.progress import BuildProgress
from tools.state import ToolPaths
from tools.tool import Asset, Binary, Tool

MODULE = "example.org/hello"
GO_MOD = f"""\
module tools/hello

go 1.21

tool {MODULE}

require {MODULE} v1.2.3 // indirect

replace {MODULE} => ./source
"""
MAIN = """\
package main

import "os"

var version = "unknown"

func main() { os.Stdout.WriteString("hello " + version + "\\n") }
"""


def write_script(path: Path, body: str) -> Path:
    """Make an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def paths(tmp_path: Path) -> ToolPaths:
    return ToolPaths(tmp_path / "built")


@pytest.fixture
def progress() -> BuildProgress:
    return BuildProgress(io.StringIO())


@pytest.fixture
def printed(progress: BuildProgress) -> Callable[[], str]:
    """Everything that was printed so far."""
    stream = progress.stream
    assert isinstance(stream, io.StringIO)
    return stream.getvalue


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """A real Go module without dependencies, so nothing is downloaded."""
    source = tmp_path / "catalog" / "hello" / "source"
    source.mkdir(parents=True)
    (source.parent / "go.mod").write_text(GO_MOD, encoding="utf-8")
    (source.parent / "go.sum").touch()
    (source / "go.mod").write_text(f"module {MODULE}\n\ngo 1.21\n", encoding="utf-8")
    (source / "main.go").write_text(MAIN, encoding="utf-8")
    return Tool(
        "hello",
        MODULE,
        (Binary("hello", MODULE, ("--version",), "hello {version}", alias="hi"),),
        seconds=1,
        ldflags="-X main.version={version}",
        cgo=False,
        root=tmp_path / "catalog",
    )


@pytest.fixture
def asset_tool(tool: Tool) -> Tool:
    """The same tool with a script and a folder of its module."""
    source = tool.folder / "source"
    (source / "hack").mkdir()
    (source / "hack" / "wrap.sh").write_text("#!/bin/sh\necho wrapped\n", encoding="utf-8")
    (source / "manifests").mkdir()
    (source / "manifests" / "one.yaml").write_text("kind: One\n", encoding="utf-8")
    # As in the module cache.
    (source / "manifests" / "one.yaml").chmod(0o444)
    (source / "manifests").chmod(0o555)
    return dataclasses.replace(
        tool,
        assets=(
            Asset("hack/wrap.sh", "bin/wrap.sh", executable=True),
            Asset("manifests", "manifests"),
        ),
    )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH: a machine with nothing but what a test puts there."""
    folder = tmp_path / "machine"
    folder.mkdir()
    for name in ("sh", "chmod", "sleep"):
        (folder / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def fake_go(machine: Path) -> Path:
    """A Go that links a script which reports the version it was linked with."""
    return write_script(
        machine / "go",
        """\
if [ "$1" = env ]; then echo go1.30.0; exit; fi
while [ $# -gt 0 ]; do
  case "$1" in
    -ldflags=*) version="${1##*=}" ;;
    -o) output="$2" ;;
  esac
  shift
done
printf '#!/bin/sh\\necho hello %s\\n' "$version" > "$output"
chmod 755 "$output"
""",
    )
