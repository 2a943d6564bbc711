"""A tool is built once for its pin, and installed whole or not at all."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.paths import ROOT
from tests.tools.conftest import write_script
from tools import build, state
from tools.errors import ToolsError
from tools.progress import BuildProgress
from tools.state import ToolPaths
from tools.tool import Tool


def output_of(path: Path) -> str:
    return subprocess.run([path], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def real_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own Go, which cannot reach any network."""
    monkeypatch.setenv("GOPROXY", "off")


@pytest.mark.usefixtures("real_go")
def test_a_module_is_built_with_its_version_and_its_assets(
    asset_tool: Tool, paths: ToolPaths, progress: BuildProgress, printed: Callable[[], str]
) -> None:
    build.build_all((asset_tool,), paths, progress)
    share = paths.share(asset_tool)
    assert output_of(paths.bin / "hello") == "hello v1.2.3\n"
    assert output_of(share / "bin" / "wrap.sh") == "wrapped\n"
    assert (share / "manifests" / "one.yaml").read_text(encoding="utf-8") == "kind: One\n"
    assert output_of(share / "bin" / "hi") == "hello v1.2.3\n"
    assert (share / "bin" / "hi").resolve() == (paths.bin / "hello").resolve()
    # A second build must be able to replace what the first copied from a read-only folder.
    assert (share / "manifests" / "one.yaml").stat().st_mode & 0o200
    assert (share / "manifests").stat().st_mode & 0o777 == 0o755
    assert "[1/1] hello v1.2.3: 0 s of about 1 s\n[1/1] hello v1.2.3: built in" in printed()
    assert state.is_built(asset_tool, paths)


@pytest.mark.usefixtures("real_go")
def test_all_that_the_compiler_says_is_shown_and_the_old_binary_stays(
    tool: Tool, paths: ToolPaths, progress: BuildProgress
) -> None:
    build.build_all((tool,), paths, progress)
    main = tool.folder / "source" / "main.go"
    main.write_text(main.read_text(encoding="utf-8") + "func broken( {\n", encoding="utf-8")
    changed = dataclasses.replace(tool, tags="other")
    with pytest.raises(ToolsError) as caught:
        build.build_all((changed,), paths, progress)
    text = str(caught.value)
    assert "building [1/1] hello v1.2.3 failed (exit code 1)\n  command: cd " in text
    assert "main.go:8:" in text
    assert output_of(paths.bin / "hello") == "hello v1.2.3\n"
    assert sorted(path.name for path in paths.home.iterdir()) == ["bin", "lock", "share", "stamps"]


@pytest.mark.usefixtures("real_go")
def test_a_link_flag_that_names_no_variable_is_found_out(
    tool: Tool, paths: ToolPaths, progress: BuildProgress
) -> None:
    wrong = dataclasses.replace(tool, ldflags="-X main.renamed={version}")
    with pytest.raises(ToolsError, match=r"expected: hello v1\.2\.3\n  found: hello unknown\n"):
        build.build_all((wrong,), paths, progress)
    assert not paths.bin.exists()


def test_what_is_built_is_not_built_again(
    tool: Tool, paths: ToolPaths, progress: BuildProgress, fake_go: Path, printed: Callable[[], str]
) -> None:
    build.build_all((tool,), paths, progress)
    fake_go.unlink()
    build.build_all((tool,), paths, progress)
    assert printed().endswith("all 1 tools are already built\n")


@pytest.mark.parametrize("name", ["go.mod", "go.sum"])
def test_a_changed_pin_counts_as_missing(
    tool: Tool, paths: ToolPaths, progress: BuildProgress, fake_go: Path, name: str
) -> None:
    build.build_all((tool,), paths, progress)
    # Not the version itself, which the link flags hold as well: any dependency counts.
    with (tool.folder / name).open("a", encoding="utf-8") as file:
        file.write("// changed\n")
    assert not state.is_built(tool, paths)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param({"ldflags": "-X main.version=v9"}, False, id="ldflags"),
        pytest.param({"tags": "other"}, False, id="tags"),
        pytest.param({"cgo": True}, False, id="cgo"),
        pytest.param({"seconds": 900}, True, id="the estimate alone"),
    ],
)
def test_the_pin_covers_what_decides_the_binary(
    tool: Tool, change: dict[str, object], same: bool
) -> None:
    changed = dataclasses.replace(tool, **change)  # type: ignore[arg-type]
    assert (state.fingerprint(tool) == state.fingerprint(changed)) is same


def test_the_pin_is_the_same_in_every_checkout(tool: Tool, tmp_path: Path) -> None:
    tool.folder.parent.rename(tmp_path / "elsewhere")
    moved = dataclasses.replace(tool, root=tmp_path / "elsewhere")
    before = state.fingerprint(moved)
    (tmp_path / "elsewhere").rename(tool.folder.parent)
    assert state.fingerprint(tool) == before


@pytest.mark.parametrize("damage", ["removed", "overwritten"])
def test_a_binary_that_is_not_what_was_installed_is_built_again(
    tool: Tool, paths: ToolPaths, progress: BuildProgress, fake_go: Path, damage: str
) -> None:
    build.build_all((tool,), paths, progress)
    binary = paths.bin / "hello"
    binary.unlink()
    if damage == "overwritten":
        write_script(binary, "echo hello from elsewhere")
    build.build_all((tool,), paths, progress)
    assert output_of(binary) == "hello v1.2.3\n"


BUILD_IN_ANOTHER_PROCESS = """\
import sys
from pathlib import Path
from tools import __main__
from tools.tool import Binary, Tool
from tools.state import ToolPaths

hello = Tool("hello", "example.org/hello", (Binary("hello", "example.org/hello"),), 1,
             root=Path(sys.argv[1]))
__main__.select = lambda names: (hello,)
__main__.state.ToolPaths = lambda: ToolPaths(Path(sys.argv[2]))
sys.exit(__main__.main(["build", "hello"]))
"""


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(signal.SIGINT, 130, id="interrupted"),
        pytest.param(signal.SIGTERM, 130, id="terminated"),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, id="killed"),
    ],
)
def test_a_build_that_is_stopped_leaves_no_half_binary(
    tool: Tool,
    paths: ToolPaths,
    progress: BuildProgress,
    fake_go: Path,
    sent: signal.Signals,
    code: int,
) -> None:
    linking = fake_go.read_text(encoding="utf-8")
    half = (
        'if [ "$1" = env ]; then echo go1.30.0; exit; fi\n'
        'while [ "$1" != -o ]; do shift; done\nprintf half > "$2"\n'
        # Like Go, whose compilers are processes of their own.
        'sleep 600 &\necho $! > "$2.pid"\n[ -d "$GOTMPDIR" ] || exit\n: > "$GOTMPDIR/left"\nwait'
    )
    write_script(fake_go, half)
    argv = [sys.executable, "-c", BUILD_IN_ANOTHER_PROCESS, str(tool.root), str(paths.home)]
    with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        pid = int(wait_for_one(paths.home, "new-*/hello.pid").read_text(encoding="utf-8"))
        process.send_signal(sent)
        _, errors = process.communicate(timeout=60)
    if sent == signal.SIGKILL:
        os.kill(pid, signal.SIGKILL)
    else:
        assert errors == "interrupted; run the same command again to resume\n"
        assert not list(paths.home.glob("new-*"))
        wait_until_ended(pid)
    assert process.returncode == code
    assert not paths.bin.exists()
    fake_go.write_text(linking, encoding="utf-8")
    build.build_all((tool,), paths, progress)
    assert output_of(paths.bin / "hello") == "hello v1.2.3\n"
    assert not list(paths.home.glob("new-*"))


def wait_for_one(folder: Path, pattern: str) -> Path:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for path in folder.glob(pattern):
            if path.stat().st_size:
                return path
        time.sleep(0.01)
    raise AssertionError(f"no {pattern} in {folder}")


def wait_until_ended(pid: int) -> None:
    deadline = time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    # One that nobody has asked for its exit code is still listed, as a zombie.
    return ") Z " not in status


def test_a_stop_between_two_binaries_leaves_the_tool_missing(
    tool: Tool,
    paths: ToolPaths,
    progress: BuildProgress,
    fake_go: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build.build_all((tool,), paths, progress)
    newer = dataclasses.replace(tool, tags="other")

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(state, "write_stamp", stopped)
        with pytest.raises(KeyboardInterrupt):
            build.build_all((newer,), paths, progress)
    # The binary is already the newer one, so going back must build as well.
    assert not state.is_built(newer, paths)
    assert not state.is_built(tool, paths)


@pytest.mark.usefixtures("real_go")
def test_a_tool_without_its_assets_is_built_again(
    asset_tool: Tool, paths: ToolPaths, progress: BuildProgress
) -> None:
    build.build_all((asset_tool,), paths, progress)
    shutil.rmtree(paths.share(asset_tool))
    build.build_all((asset_tool,), paths, progress)
    assert (paths.share(asset_tool) / "bin" / "wrap.sh").exists()


def test_a_second_build_waits_for_the_first_and_says_so(
    tool: Tool, paths: ToolPaths, progress: BuildProgress, fake_go: Path, printed: Callable[[], str]
) -> None:
    paths.home.mkdir()
    second = threading.Thread(target=build.build_all, args=((tool,), paths, progress))
    with (paths.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second.start()
        deadline = time.monotonic() + 60
        while "another build is running; waiting for it\n" not in printed():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not paths.bin.exists()
    second.join(timeout=60)
    assert state.is_built(tool, paths)
