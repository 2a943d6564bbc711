"""What `verify` refuses about files and manifests, on bundles of a few bytes made here."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.errors import BundleRefusedError
from app.model import bundle
from app.model.bundle import Bundle, canonical, digest_of, parse, require_only_listed, verify

FILES = {"model.onnx": b"a model", "parts/one/data.bin": b"\0" * 100, "empty": b""}


def entry(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def manifest(**changes: Any) -> dict[str, Any]:
    files = {name: entry(data) for name, data in FILES.items()}
    return {"schema_version": 1, "name": "x", "files": files, **changes}


def write(folder: Path, **changes: Any) -> Path:
    """A bundle with a good manifest, or one that was changed."""
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "manifest.json").write_bytes(spelled(manifest(**changes)))
    return folder


def spelled(document: Any) -> bytes:
    """Canonical JSON as json.dumps has it: what `canonical` has to give."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bundle").mkdir()
    return write(tmp_path / "bundle")


def refusal(call: Callable[[], Any]) -> BundleRefusedError:
    with pytest.raises(BundleRefusedError) as refused:
        call()
    for text in (refused.value.what, refused.value.expected, refused.value.found):
        assert text
    assert refused.value.fix
    assert refused.value.event == "bundle_refused"
    return refused.value


def test_canonical_json_is_sorted_and_tight() -> None:
    document = {"b": [1, 2.5, "ä"], "a": {"d": None, "c": True}}
    assert canonical(document) == spelled(document)


def test_a_digest_is_the_sha256_of_the_manifest(folder: Path) -> None:
    raw = (folder / "manifest.json").read_bytes()
    expected = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    found = verify(folder, expected)
    assert (found.path, found.digest, found.manifest) == (folder, expected, manifest())
    assert digest_of(raw) == expected
    assert verify(folder).digest == expected


def test_another_digest_is_refused_with_both(folder: Path) -> None:
    wrong = "sha256:" + "0" * 64
    found = refusal(lambda: verify(folder, wrong))
    assert (found.expected, found.found) == (wrong, verify(folder).digest)


def test_an_empty_digest_is_no_digest(folder: Path) -> None:
    with pytest.raises(BundleRefusedError):
        verify(folder, "")


@pytest.mark.parametrize("name", FILES)
def test_what_is_read_are_the_bytes_that_were_hashed(folder: Path, name: str) -> None:
    opened = verify(folder)
    assert opened.read(name) == FILES[name]
    (folder / name).write_bytes(FILES[name] + b"x")
    refusal(lambda: opened.read(name))


@pytest.mark.parametrize("name", ["model.onnx", "parts/one/data.bin"])
@pytest.mark.parametrize("how", ["changed", "shorter", "longer", "gone", "folder"])
def test_a_file_that_is_not_what_is_listed_is_refused(folder: Path, name: str, how: str) -> None:
    path, data = folder / name, FILES[name]
    contents = {"changed": b"\1" + data[1:], "shorter": data[:-1], "longer": data + data[:1]}
    path.unlink()
    if how in contents:
        path.write_bytes(contents[how])
    elif how == "folder":
        path.mkdir()
    found = refusal(lambda: verify(folder))
    assert name in f"{found.what} {found.expected}"
    if how in ("changed", "shorter"):
        assert found.expected == f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert found.found == f"sha256:{hashlib.sha256(contents[how]).hexdigest()}"
    if how == "longer":
        assert str(len(data)) in found.expected
    if how == "folder":
        assert found.found == "drwxr-xr-x"


def test_no_more_of_a_file_is_read_than_is_listed(folder: Path) -> None:
    with (folder / "model.onnx").open("r+b") as stream:
        # Sparse: reading all of it would take more memory than there is.
        stream.truncate(1 << 42)
    refusal(lambda: verify(folder))


def test_a_file_that_nobody_lists_cannot_be_read(folder: Path) -> None:
    opened = verify(folder)
    assert refusal(lambda: opened.read("more.bin")).expected == "more.bin"
    assert refusal(lambda: opened.read("manifest.json")).expected == "manifest.json"


def test_a_file_that_may_not_be_read_is_refused_with_the_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    opened = verify(folder)
    monkeypatch.setattr(Path, "open", denied)
    found = refusal(lambda: opened.read("model.onnx"))
    assert found.found == "Permission denied"
    assert str(folder) in found.expected

    def broken(*_: Any, **__: Any) -> Any:
        raise OSError

    monkeypatch.setattr(Path, "open", broken)
    assert refusal(lambda: opened.read("model.onnx")).found == "OSError"


@pytest.mark.parametrize("name", ["stray.txt", "parts/stray", "parts/one/.hidden", "deep/er/x"])
def test_a_file_beside_the_listed_ones_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"")
    assert repr(name) in refusal(lambda: verify(folder)).found


@pytest.mark.parametrize("name", ["report.json", "model.sig"])
def test_what_is_never_hashed_may_lie_beside_the_manifest_only(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"anything")
    verify(folder)
    (folder / "parts" / name).write_bytes(b"anything")
    assert f"parts/{name}" in refusal(lambda: verify(folder)).found


def test_empty_folders_are_nobodys_harm(folder: Path) -> None:
    (folder / "nothing" / "in").mkdir(parents=True)
    verify(folder)


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "parts", "parts/one"])
def test_no_symbolic_link_is_followed(folder: Path, name: str) -> None:
    moved = folder.with_name("moved")
    digest = verify(folder).digest
    (folder / name).rename(moved)
    (folder / name).symlink_to(moved)
    assert "link" in refusal(lambda: verify(folder, digest)).what


def test_a_link_that_nobody_lists_is_refused(folder: Path) -> None:
    (folder / "more").symlink_to("/etc")
    found = refusal(lambda: require_only_listed(folder, set(FILES)))
    assert "link" in found.what
    assert found.found == "'more'"


def test_a_link_that_appears_after_the_check_is_not_followed(folder: Path) -> None:
    opened = verify(folder)
    (folder / "parts" / "one").rename(folder / "parts" / "two")
    (folder / "parts" / "one").symlink_to(folder / "parts" / "two")
    found = refusal(lambda: opened.read("parts/one/data.bin"))
    assert "link" in found.what
    assert found.found == "'parts/one/data.bin'"


def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx", 0o644)
    assert refusal(lambda: verify(folder)).found.startswith("p")


def test_a_bundle_that_is_not_there_is_refused(tmp_path: Path) -> None:
    found = refusal(lambda: verify(tmp_path / "nowhere"))
    assert str(tmp_path / "nowhere") in found.expected
    assert found.found == "No such file or directory"


def test_a_manifest_of_endless_size_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (folder / "manifest.json").stat().st_size
    monkeypatch.setattr(bundle, "MAX_MANIFEST_BYTES", size)
    verify(folder)
    monkeypatch.setattr(bundle, "MAX_MANIFEST_BYTES", size - 1)
    assert str(size - 1) in refusal(lambda: verify(folder)).expected


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        spelled(manifest())[:-1],
        spelled(manifest()) + b"\n",
        spelled(manifest()).replace(b":", b": ", 1),
        json.dumps(manifest(), separators=(",", ":")).encode(),
        spelled(manifest()).replace(b'"name":"x"', b'"name":"x","name":"x"'),
        b"\xff",
    ],
)
def test_what_is_no_canonical_object_is_refused(raw: bytes) -> None:
    refusal(lambda: parse(raw))


def test_what_stands_in_place_of_an_object_is_said() -> None:
    assert refusal(lambda: parse(b"[]")).found == "list"
    assert refusal(lambda: parse(b'"x"')).found == "str"
    # The parser's own words: where it stopped.
    assert "column 1" in refusal(lambda: parse(b"nothing")).found


@pytest.mark.parametrize("version", [0, 3, "1", None, 1.5, True, "x" * 1000])
def test_another_schema_version_is_refused(version: Any) -> None:
    found = refusal(lambda: parse(spelled(manifest(schema_version=version))))
    assert found.expected == "1 or 2"
    assert found.found == repr(version)[:100]


def test_a_manifest_without_version_or_files_is_refused() -> None:
    for name in ("schema_version", "files"):
        document = manifest()
        del document[name]
        refusal(partial(parse, spelled(document)))


@pytest.mark.parametrize("files", [{}, [], None, "model.onnx", 1, ["x" * 500]])
def test_files_have_to_be_listed(files: Any) -> None:
    found = refusal(lambda: parse(spelled(manifest(files=files))))
    assert found.found == repr(files)[:100]


@pytest.mark.parametrize(
    "name",
    [
        *["", ".", "..", "/model.onnx", "/etc/passwd", "../model.onnx", "a/../../b", "a/.."],
        *["./model.onnx", "a//b", "a/", "a/./b", "a\\b", "\\\\server\\x"],
        *["manifest.json", "report.json", "model.sig"],
        "../" + "x" * 1000,
    ],
)
def test_a_path_that_is_not_inside_is_refused(name: str) -> None:
    found = refusal(lambda: parse(spelled(manifest(files={name: entry(b"")}))))
    assert found.found == repr(name)[:200]


@pytest.mark.parametrize("name", ["a", "a/b/c", "a..b", ".hidden", "manifest.json.bak", "ä b"])
def test_a_path_inside_is_accepted(name: str) -> None:
    document = manifest(files={name: entry(b"")})
    assert parse(spelled(document)) == document


GOOD = entry(b"x")


@pytest.mark.parametrize(
    "wrong",
    [
        *[None, [], "x", 1, {}],
        {"sha256": GOOD["sha256"]},
        {"bytes": 1},
        {**GOOD, "mode": 1},
        {**GOOD, "bytes": -1},
        {**GOOD, "bytes": 1.0},
        {**GOOD, "bytes": True},
        {**GOOD, "bytes": "1"},
        {**GOOD, "bytes": None},
        {**GOOD, "sha256": GOOD["sha256"].upper()},
        {**GOOD, "sha256": GOOD["sha256"][1:]},
        {**GOOD, "sha256": GOOD["sha256"] + "0"},
        {**GOOD, "sha256": f"sha256:{GOOD['sha256']}"},
        {**GOOD, "sha256": "g" * 64},
        {**GOOD, "sha256": None},
        {**GOOD, "sha256": 64 * [0]},
    ],
)
def test_an_entry_that_is_none_is_refused(wrong: Any) -> None:
    found = refusal(lambda: parse(spelled(manifest(files={"good": GOOD, "wrong": wrong}))))
    assert "'wrong'" in found.expected
    in_order = dict(sorted(wrong.items())) if isinstance(wrong, dict) else wrong
    assert found.found == repr(in_order)[:100]


def test_bundles_are_values(folder: Path) -> None:
    opened = verify(folder)
    assert opened == Bundle(opened.path, opened.manifest, opened.digest)
