"""Every entry of the catalog is pinned, with hashes, by files that fit it."""

from __future__ import annotations

import re

import pytest

from tools import go
from tools.catalog import CATALOG, GROUPS, select
from tools.errors import ToolsError
from tools.tool import Tool

MODULES = [tool for tool in CATALOG if not tool.wheel]
WHEELS = [tool for tool in CATALOG if tool.wheel]
each_tool = pytest.mark.parametrize("tool", CATALOG, ids=lambda tool: tool.name)
each_module = pytest.mark.parametrize("tool", MODULES, ids=lambda tool: tool.name)
each_wheel = pytest.mark.parametrize("tool", WHEELS, ids=lambda tool: tool.name)


@each_module
def test_go_mod_names_every_package_as_a_tool(tool: Tool) -> None:
    text = (tool.folder / "go.mod").read_text(encoding="utf-8")
    block = re.search(r"^tool \(\n(.*?)^\)", text, re.MULTILINE | re.DOTALL)
    named = block[1].split() if block else re.findall(r"^tool (\S+)$", text, re.MULTILINE)
    assert sorted(named) == sorted(binary.package for binary in tool.binaries)


@each_module
def test_go_sum_holds_the_pinned_version(tool: Tool) -> None:
    text = (tool.folder / "go.sum").read_text(encoding="utf-8")
    assert f"\n{tool.module} {tool.version} h1:" in f"\n{text}"


@each_module
def test_every_placeholder_is_filled(tool: Tool) -> None:
    for binary in tool.binaries:
        for part in [*go.build_command(tool, binary), tool.fill(binary.prints)]:
            assert not re.search(r"\{|\}", part)


@each_module
def test_nothing_is_replaced_by_a_folder_of_one_machine(tool: Tool) -> None:
    text = (tool.folder / "go.mod").read_text(encoding="utf-8")
    assert not re.search(r"=> [./]", text)


@each_wheel
def test_a_wheel_is_the_pinned_version_with_its_hashes(tool: Tool) -> None:
    wanted = (tool.folder / "requirements.in").read_text(encoding="utf-8").splitlines()[-1]
    locked = (tool.folder / "requirements.txt").read_text(encoding="utf-8")
    assert wanted == f"{tool.wheel}=={tool.version.removeprefix('v')}"
    assert re.search(rf"^{re.escape(wanted)} \\\n    --hash=sha256:", locked, re.MULTILINE)
    # One project, nothing that it would drag in, and no address of an index.
    assert len(re.findall(r"^[\w.-]+==", locked, re.MULTILINE)) == 1
    assert "://" not in locked


@each_tool
def test_a_binary_is_asked_for_its_version_and_known_by_the_answer(tool: Tool) -> None:
    for binary in tool.binaries:
        assert bool(binary.version) == bool(binary.prints)


def test_no_two_tools_write_the_same_binary() -> None:
    names = [binary.name for tool in CATALOG for binary in tool.binaries]
    assert len(names) == len(set(names))


def test_every_staging_module_of_kubernetes_is_of_one_release() -> None:
    (tool,) = select(["kubernetes"])
    text = (tool.folder / "go.mod").read_text(encoding="utf-8")
    replaces = re.findall(r"^\t(k8s\.io/\S+) => (\S+) v0(\.\S+)$", text, re.MULTILINE)
    assert len(replaces) == 33
    assert {(old == new, f"v1{patch}") for old, new, patch in replaces} == {(True, tool.version)}


def test_a_group_is_selected_in_the_order_of_the_catalog() -> None:
    names = [tool.name for tool in select(["kustomize", "cluster"])]
    assert names == [tool.name for tool in CATALOG if tool.name in GROUPS["cluster"]]


def test_no_name_selects_everything() -> None:
    assert select([]) == CATALOG


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ToolsError, match=r"unknown tool: helm5\n  expected: some of cluster, "):
        select(["helm4", "helm5"])


def test_a_pin_that_is_not_in_go_mod_is_refused(tool: Tool) -> None:
    (tool.folder / "go.mod").write_text("module tools/hello\n", encoding="utf-8")
    with pytest.raises(ToolsError, match=r"hello/go.mod does not require example.org/hello"):
        _ = tool.version
