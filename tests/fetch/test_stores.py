"""Every kind of store delivers a bundle, and says why when it does not."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from app.model.bundle import verify
from tests.fetch.conftest import Made, asked, fetch, listing
from tests.fetch.servers import Server


def test_bundle_arrives_whole_and_verified(
    server: Server, place: str, bundle: Made, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    said = fetch(asked(server, bundle.put(server, place), bundle.digest, folder))
    assert said.code == 0, said
    assert [line["event"] for line in said.lines][:2] == ["fetch_started", "manifest_verified"]
    assert said.last["event"] == "fetch_completed"
    assert said.last["fetched_bytes"] == sum(
        len(data) for name, data in bundle.files.items() if name != "manifest.json"
    )
    assert listing(folder) == sorted(bundle.files)
    assert verify(folder, bundle.digest).manifest["name"] == "iris"


def test_bundle_that_is_not_there_is_refused_by_name(
    server: Server, bundle: Made, tmp_path: Path
) -> None:
    said = fetch(asked(server, f"{server.url}/nowhere", bundle.digest, tmp_path / "m"))
    assert said.code == 3
    assert said.last["event"] == "fetch_refused"
    assert said.last["what"] == f"{server.url}/nowhere/manifest.json does not exist"
    assert "404" in said.last["found"]
    assert "correct the path in the URL" in said.last["fix"]


def test_another_bundle_than_the_one_in_git_is_refused(
    server: Server, place: str, bundle: Made, tmp_path: Path
) -> None:
    wrong = "sha256:" + "0" * 64
    said = fetch(asked(server, bundle.put(server, place), wrong, tmp_path / "m"))
    assert said.code == 3
    assert (said.last["expected"], said.last["found"]) == (wrong, bundle.digest)
    assert listing(tmp_path / "m") == []


# The emulator of GCS says no more than "Not Found" of a bucket.
@pytest.mark.parametrize("kind", ["s3", "az"])
def test_bucket_that_does_not_exist_is_named(
    running: Callable[[str], Server], kind: str, bundle: Made, tmp_path: Path
) -> None:
    server = running(kind)
    said = fetch(asked(server, f"{kind}://no-such-bucket/iris", bundle.digest, tmp_path / "m"))
    assert said.code == 3
    assert said.last["what"] == f"the bucket of {kind}://no-such-bucket/iris does not exist"


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("s3", {"AWS_SECRET_ACCESS_KEY": "not-the-password"}),
        ("s3", {"FETCH_ANONYMOUS": "true"}),
        ("az", {"AZURE_STORAGE_ACCOUNT_KEY": base64.b64encode(b"x" * 64).decode()}),
        ("az", {"FETCH_ANONYMOUS": "true"}),
    ],
    ids=["s3-wrong-key", "s3-anonymous", "az-wrong-key", "az-anonymous"],
)
def test_store_that_lets_nobody_read_is_refused_without_a_secret_in_the_log(
    running: Callable[[str], Server],
    kind: str,
    wrong: dict[str, str],
    place: str,
    bundle: Made,
    tmp_path: Path,
) -> None:
    server = running(kind)
    url = bundle.put(server, place)
    said = fetch(asked(server, url, bundle.digest, tmp_path / "m", **wrong))
    assert said.code == 3
    assert said.last["what"] == f"access to {url}/manifest.json is denied"
    assert "403" in said.last["found"]
    assert not any(value in str(said.lines) for value in wrong.values() if value != "true")


def test_file_of_another_size_than_listed_is_refused_unread(
    server: Server, place: str, bundle: Made, tmp_path: Path
) -> None:
    url = bundle.put(server, place)
    server.put(f"{place}/model.onnx", b"short")
    said = fetch(asked(server, url, bundle.digest, tmp_path / "m"))
    assert said.code == 3
    assert said.last["what"] == f"{url}/model.onnx has the wrong size"
    assert (said.last["expected"], said.last["found"]) == ("20000 bytes", "5 bytes")


def test_file_of_another_content_is_refused_and_never_gets_its_name(
    server: Server, place: str, bundle: Made, tmp_path: Path
) -> None:
    url = bundle.put(server, place)
    server.put(f"{place}/model.onnx", b"evil" * 5000)
    said = fetch(asked(server, url, bundle.digest, tmp_path / "m"))
    assert said.code == 3
    assert said.last["what"] == f"{url}/model.onnx has the wrong hash"
    assert said.last["expected"] != said.last["found"]
    assert not {"model.onnx", "manifest.json"} & set(listing(tmp_path / "m"))
