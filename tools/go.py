"""The `go` command: its version, its environment, its command lines."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tools.errors import ToolsError
from tools.gomod import go_version

if TYPE_CHECKING:
    from tools.tool import Binary, Tool


def environ(tool: Tool | None = None) -> dict[str, str]:
    """Return the environment for Go: ours, without variables that would change the build."""
    result = {
        **os.environ,
        # A toolchain that Go downloads by itself would not be pinned.
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        # If empty, the user's `go env -w GOFLAGS` applies; readonly makes Go check go.sum.
        "GOFLAGS": "-mod=readonly",
    }
    if tool is not None and not tool.cgo:
        result["CGO_ENABLED"] = "0"
    return result


def require_go(tools: list[Tool]) -> None:
    """Raise ToolsError when Go is missing or older than the tools' go.mod files require."""
    modules = [tool for tool in tools if not tool.wheel]
    if not modules:
        return
    strictest = max(modules, key=lambda tool: go_version(tool.folder))
    required = go_version(strictest.folder)
    expected = f"Go >= {_dotted(required)} (tools/{strictest.name}/go.mod)"
    fix = "install it from https://go.dev/dl and put its bin folder first on PATH"
    try:
        installed = _run(["go", "env", "GOVERSION"], environ()).strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise ToolsError(
            "Go is missing", expected=expected, found="no working `go` on PATH", fix=fix
        ) from error
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", installed)
    if match is None or tuple(int(part or 0) for part in match.groups()) < required:
        raise ToolsError("Go is too old", expected=expected, found=installed, fix=fix)


def build_command(tool: Tool, binary: Binary) -> list[str]:
    """Return the command that builds one binary, without the output path."""
    flags = f"-s -w {tool.fill(tool.ldflags)}".rstrip()
    return [
        *("go", "build", "-trimpath", f"-tags={tool.tags}", f"-ldflags={flags}"),
        binary.package,
    ]


def module_folder(tool: Tool) -> Path:
    """Return the folder of the tool's source in the module cache."""
    argv = ["go", "list", "-m", "-f", "{{.Dir}}", tool.module]
    try:
        return Path(_run(argv, environ(tool), tool.folder).strip())
    except subprocess.CalledProcessError as error:
        raise ToolsError(
            f"{tool.module} is not in Go's module cache",
            found=error.stderr.strip(),
            fix=f"run `cd tools/{tool.name} && go mod download {tool.module}`",
        ) from error


def _run(argv: list[str], env: dict[str, str], cwd: Path | None = None) -> str:
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=True)
    return done.stdout


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
