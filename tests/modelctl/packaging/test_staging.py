"""A bundle is there as a whole or not at all, wherever writing it fails."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.errors import BundleRefusedError
from app.model.bundle import MANIFEST, canonical, digest_of, verify
from modelctl.cli import cli
from modelctl.packaging import package
from modelctl.packaging.package import Plan, write
from tests import trained

FILES = {"model.onnx": b"a model", "sample.json": b"{}"}
ENTRIES = {
    name: {"sha256": digest_of(data).removeprefix("sha256:"), "bytes": len(data)}
    for name, data in FILES.items()
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def planned(version: str = "2", **changes: Any) -> Plan:
    manifest = {
        "schema_version": 1,
        "name": "x",
        "version": version,
        "engine": "onnx",
        "environment": {"foreign_modules": []},
        "files": ENTRIES,
        **changes,
    }
    return Plan(manifest, dict(FILES), {"timings": {}}, [], [], [])


def listing(folder: Path) -> list[str]:
    """Everything below a folder, hidden files too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


WRITTEN = sorted(["bundle", *(f"bundle/{name}" for name in (*FILES, MANIFEST, "report.json"))])


def fail_at(number: int, call: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose call of that number finds the disk full."""
    calls = iter(range(1, sys.maxsize))

    def failing(*arguments: Any, **options: Any) -> Any:
        if next(calls) == number:
            raise OSError(28, "No space left on device")
        return call(*arguments, **options)

    return failing


# Every call that touches the disk while a bundle of four files is written.
STEPS = [
    *(("mkdir", number) for number in (1, 2)),
    *(("chmod", number) for number in range(1, 6)),
    *(("write_bytes", number) for number in range(1, 5)),
    ("rename", 1),
]


@pytest.mark.parametrize(("call", "number"), STEPS)
def test_a_step_that_fails_leaves_nothing_behind(
    call: str, number: int, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Path, call, fail_at(number, getattr(Path, call)))
        with pytest.raises(OSError, match="No space left"):
            write(planned(), place / "bundle")
    assert listing(place) == []
    # The next one is in nobody's way.
    assert write(planned(), place / "bundle") == planned().digest
    assert listing(place) == WRITTEN


def test_an_interrupt_leaves_nothing_behind(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(planned(), place / "bundle")
    assert listing(place) == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"schema_version": 99}, id="manifest"),
        pytest.param({"files": {"model.onnx": ENTRIES["model.onnx"]}}, id="file-not-listed"),
        pytest.param({"files": {**ENTRIES, "more.bin": ENTRIES["model.onnx"]}}, id="file-missing"),
        pytest.param({"files": {**ENTRIES, "model.onnx": ENTRIES["sample.json"]}}, id="wrong-hash"),
    ],
)
def test_what_does_not_verify_is_not_put_in_place(changes: dict[str, Any], place: Path) -> None:
    out = place / "bundle"
    digest = write(planned("1"), out)
    with pytest.raises(BundleRefusedError):
        write(planned(**changes), out)
    assert listing(place) == WRITTEN
    assert verify(out).digest == digest


# The second rename puts the new bundle in the place of the older one, which was moved aside.
@pytest.mark.parametrize(("call", "number"), [*STEPS[2:], ("rename", 2)])
def test_an_older_bundle_stays_when_a_new_one_cannot_be_written(
    call: str, number: int, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = place / "bundle"
    digest = write(planned("1"), out)
    with monkeypatch.context() as patched:
        patched.setattr(Path, call, fail_at(number, getattr(Path, call)))
        with pytest.raises(OSError, match="No space left"):
            write(planned("2"), out)
    assert listing(place) == WRITTEN
    assert verify(out).digest == digest


def test_a_bundle_is_readable_by_another_user(place: Path) -> None:
    out = place / "deep" / "bundle"
    write(planned(), out)
    assert oct(out.stat().st_mode & 0o777) == "0o755"
    assert {oct(path.stat().st_mode & 0o777) for path in out.iterdir()} == {"0o644"}
    assert (out / MANIFEST).read_bytes() == canonical(planned().manifest)


@pytest.mark.parametrize(
    "broken", ["plan", "attempt_all", "seconds_per_call", "prediction_reference"]
)
def test_the_command_that_fails_while_planning_writes_nothing(
    broken: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise MemoryError(broken)

    monkeypatch.setattr(package, broken, failing)
    shutil.copytree(trained.training("iris"), place / "training")
    out = place / "bundles" / "iris"
    config = trained.config("iris")
    arguments = ["package", str(place / "training"), "--config", str(config)]
    result = CliRunner().invoke(cli, [*arguments, "--out", str(out)])
    assert isinstance(result.exception, MemoryError)
    assert [path.name for path in place.iterdir()] == ["training"]
