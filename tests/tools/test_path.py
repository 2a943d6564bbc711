"""A binary of the machine is used only when it is exactly the pinned one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.conftest import write_script
from tools import build, state
from tools.errors import ToolsError
from tools.progress import BuildProgress
from tools.state import ToolPaths
from tools.tool import Tool


@pytest.mark.parametrize("name", ["hello", "hi"])
def test_the_pinned_version_on_path_is_linked_without_any_go(
    tool: Tool,
    paths: ToolPaths,
    progress: BuildProgress,
    machine: Path,
    printed: Callable[[], str],
    name: str,
) -> None:
    found = write_script(machine / name, "echo 'hello v1.2.3 (built elsewhere)'")
    build.build_all((tool,), paths, progress)
    assert (paths.bin / "hello").readlink() == found
    assert (paths.share(tool) / "bin" / "hi").resolve() == found
    assert printed() == "hello v1.2.3: using the one on PATH\n"
    assert state.is_built(tool, paths)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("echo hello v1.2.4", id="another version"),
        pytest.param("echo hello v1.2.30", id="the version as a prefix"),
        pytest.param("echo hello v1.2.3+k3s1", id="a fork of the version"),
        pytest.param("echo hello v1.2.3-rc.1", id="a candidate of the version"),
        pytest.param("echo needs hello v1.2.3", id="the version of something else"),
        pytest.param("exit 1", id="nothing"),
    ],
)
def test_any_other_version_on_path_is_not_used(
    tool: Tool, paths: ToolPaths, progress: BuildProgress, fake_go: Path, machine: Path, body: str
) -> None:
    write_script(machine / "hello", body)
    build.build_all((tool,), paths, progress)
    assert not (paths.bin / "hello").is_symlink()


def test_the_right_one_is_found_behind_a_wrong_one_of_another_name(
    tool: Tool, paths: ToolPaths, progress: BuildProgress, machine: Path
) -> None:
    write_script(machine / "hello", "echo hello v1.0.0")
    right = write_script(machine / "hi", "echo hello v1.2.3")
    build.build_all((tool,), paths, progress)
    assert (paths.bin / "hello").readlink() == right


def test_a_link_whose_target_was_upgraded_counts_as_missing(
    tool: Tool, paths: ToolPaths, progress: BuildProgress, machine: Path
) -> None:
    found = write_script(machine / "hello", "echo hello v1.2.3")
    build.build_all((tool,), paths, progress)
    write_script(found, "echo hello v1.3.0, newer")
    assert not state.is_built(tool, paths)
    with pytest.raises(ToolsError, match="Go is missing"):
        build.build_all((tool,), paths, progress)


def test_our_own_folder_on_path_is_not_searched(
    tool: Tool,
    paths: ToolPaths,
    progress: BuildProgress,
    fake_go: Path,
    machine: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", f"{paths.bin}:{machine}")
    write_script(paths.bin / "hello", "echo hello v1.2.3")
    build.build_all((tool,), paths, progress)
    assert not (paths.bin / "hello").is_symlink()


def test_a_tool_with_assets_is_never_taken_from_path(
    asset_tool: Tool, paths: ToolPaths, progress: BuildProgress, machine: Path
) -> None:
    write_script(machine / "hello", "echo hello v1.2.3")
    with pytest.raises(ToolsError, match="Go is missing"):
        build.build_all((asset_tool,), paths, progress)
