"""A Go that cannot build the pinned modules is refused before anything is downloaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.conftest import write_script
from tools import build, go
from tools.catalog import CATALOG
from tools.errors import ToolsError
from tools.progress import BuildProgress
from tools.state import ToolPaths
from tools.tool import Tool


def test_an_old_go_is_refused_with_what_is_wanted_and_why(
    tool: Tool, paths: ToolPaths, progress: BuildProgress, machine: Path
) -> None:
    write_script(machine / "go", "echo go1.20.14")
    with pytest.raises(ToolsError) as caught:
        build.build_all((tool,), paths, progress)
    assert str(caught.value) == (
        "Go is too old\n"
        "  expected: Go >= 1.21 (tools/hello/go.mod)\n"
        "  found: go1.20.14\n"
        "  fix: install it from https://go.dev/dl and put its bin folder first on PATH"
    )
    assert not paths.bin.exists()


def test_a_missing_go_is_refused(
    tool: Tool, paths: ToolPaths, progress: BuildProgress, machine: Path
) -> None:
    with pytest.raises(ToolsError, match=r"Go is missing\n  expected: Go >= 1\.21 "):
        build.build_all((tool,), paths, progress)


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        pytest.param("go1.21", True, id="no patch version"),
        pytest.param("go1.21.0", True, id="exactly"),
        pytest.param("go1.100.1", True, id="newer by number, not by text"),
        pytest.param("go1.21rc2", True, id="release candidate of it"),
        pytest.param("go1.9.7", False, id="older by number, not by text"),
        pytest.param("devel +0123", False, id="no version"),
    ],
)
def test_versions_are_compared_by_number(
    tool: Tool, machine: Path, answer: str, accepted: bool
) -> None:
    write_script(machine / "go", f"echo '{answer}'")
    if accepted:
        go.require_go([tool])
    else:
        with pytest.raises(ToolsError, match="Go is too old"):
            go.require_go([tool])


def test_the_strictest_of_several_tools_decides(machine: Path) -> None:
    write_script(machine / "go", "echo go1.26.2")
    with pytest.raises(ToolsError, match=r"expected: Go >= 1\.26\.8 \(tools/containerd/go\.mod\)"):
        go.require_go(list(CATALOG))


def test_go_may_not_fetch_another_toolchain_nor_change_go_mod(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOTOOLCHAIN", "auto")
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    environ = go.environ(tool)
    assert environ["GOTOOLCHAIN"] == "local"
    assert environ["GOFLAGS"] == "-mod=readonly"
    assert environ["CGO_ENABLED"] == "0"
