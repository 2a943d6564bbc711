"""Files of a finished model by URL: downloaded once, and only if they are what git names."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.model.bundle import verify
from modelctl.errors import ModelctlError
from modelctl.packaging import candidates, remote_file, sources
from modelctl.packaging.remote_file import download
from tests import trained
from tests.modelctl.conftest import commit_all, run

HTTP = {"FETCH_ALLOW_HTTP": "true", "FETCH_ATTEMPTS": "2"}


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and counts."""

    asked: list[str]

    def do_GET(self) -> None:
        """Serve a file."""
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def asked() -> list[str]:
    """The paths that were asked for."""
    return []


@pytest.fixture
def url(tmp_path: Path, asked: list[str]) -> Iterator[str]:
    """The address of a server of iris's files."""
    handler = type("Counting", (Handler,), {"asked": asked})
    folder = str(trained.training("iris"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_downloaded_once(url: str, asked: list[str], tmp_path: Path) -> None:
    sample = trained.training("iris") / "sample.csv"
    sha256 = sources.sha256_of(sample)
    for _ in range(2):
        path = download(f"{url}/sample.csv", sha256, tmp_path / "cache", HTTP)
        assert path.read_bytes() == sample.read_bytes()
    assert asked == ["/sample.csv"]
    path.write_bytes(b"damaged")
    assert (
        download(f"{url}/sample.csv", sha256, tmp_path / "cache", HTTP).read_bytes() != b"damaged"
    )
    assert [each.name for each in (tmp_path / "cache").iterdir()] == [sha256]


def test_another_file_than_git_names_is_refused_and_not_kept(url: str, tmp_path: Path) -> None:
    with pytest.raises(ModelctlError, match="is not the file that") as refused:
        download(f"{url}/sample.csv", "a" * 64, tmp_path / "cache", HTTP)
    assert refused.value.expected == f"SHA-256 {'a' * 64}"
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_missing_file_and_an_address_without_tls_are_explained(url: str, tmp_path: Path) -> None:
    with pytest.raises(ModelctlError, match="/nothing does not exist") as refused:
        download(f"{url}/nothing", "a" * 64, tmp_path, HTTP)
    assert refused.value.fix.startswith("correct `source` in model.yaml")
    with pytest.raises(ModelctlError, match="has no TLS"):
        download(f"{url}/sample.csv", None, tmp_path, {})
    with pytest.raises(ModelctlError, match="FETCH_ATTEMPTS is invalid"):
        download(f"{url}/sample.csv", None, tmp_path, {"FETCH_ATTEMPTS": "many"})
    with pytest.raises(ModelctlError, match="is too large"):
        download(f"{url}/sample.csv", None, tmp_path, {**HTTP, "FETCH_MAX_BYTES": "10"})


def test_a_store_that_does_not_answer_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_file, "PAUSE_SECONDS", 0)
    with pytest.raises(ModelctlError, match="cannot download http://127") as refused:
        download("http://127.0.0.1:1/x", None, tmp_path, HTTP)
    assert refused.value.expected == "success within 2 attempts"


def test_a_finished_model_may_stay_in_its_store(
    repo: Path, url: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "PERTURBED_ROWS", 100)
    for name, value in HTTP.items():
        monkeypatch.setenv(name, value)
    files = ("--from", f"{url}/model.joblib", "--sample", f"{url}/sample.csv")
    metrics = ("--metrics", f"{url}/evaluation.json")
    printed = run("new", "churn", *files, *metrics, "--target", "species")
    assert f"the model stays at {url}/model.joblib, SHA-256" in printed
    assert sorted(path.name for path in (repo / "models/churn").iterdir()) == [
        "baseline.yaml",
        "data.yaml",
        "model.yaml",
    ]
    commit_all(repo, "churn")
    run("build", "churn")
    metrics_of = verify(repo / "build/bundles/churn").manifest["metrics"]
    assert set(metrics_of) == {"accuracy", "f1_macro"}
    # `new` has left them in the cache, which is verified as a download is.
    assert len(asked) == 3
