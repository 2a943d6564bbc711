"""One process of each store for all tests, a bundle in it, and the program under test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.model.bundle import canonical, digest_of
from tests.fetch import servers
from tests.fetch.servers import Server
from tests.observability import loglines
from tests.paths import ROOT
from tests.ports import free_port

Start = Callable[[Path, int], AbstractContextManager[Server]]
STORES: dict[str, Start] = {
    "s3": servers.minio,
    "gs": servers.gcs,
    "az": servers.azurite,
    "http": servers.files,
}
# What Python needs to start; proxies and credentials of this machine are not for the program.
ENVIRON = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}


@dataclass(frozen=True)
class Made:
    """A bundle, as its files and the digest of its manifest."""

    files: dict[str, bytes]
    digest: str

    def put(self, server: Server, place: str) -> str:
        """Upload it below a path; returns the URL of its folder."""
        for name, data in self.files.items():
            server.put(f"{place}/{name}", data)
        return f"{server.url}/{place}"


def made(**contents: bytes) -> Made:
    """A bundle of these files, with dashes for the slashes in their names."""
    import hashlib

    files = {name.replace("__", "/"): data for name, data in contents.items()}
    entries = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
    }
    manifest = canonical({"schema_version": 1, "name": "iris", "files": entries})
    return Made({**files, "manifest.json": manifest}, digest_of(manifest))


@dataclass(frozen=True)
class Said:
    """How a run of the program ended, and its lines."""

    code: int
    lines: list[dict[str, Any]]
    errors: str

    @property
    def last(self) -> dict[str, Any]:
        return self.lines[-1]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == name]


def start(environ: dict[str, str], **options: Any) -> subprocess.Popen[str]:
    """The program with these variables and no others."""
    return subprocess.Popen(
        [sys.executable, "-m", "app.fetch"],
        env=ENVIRON | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def heard(process: subprocess.Popen[str]) -> Said:
    """Everything it says until its end."""
    output, errors = process.communicate(timeout=120)
    lines = [orjson.loads(line) for line in output.splitlines()]
    loglines.check(lines)
    return Said(process.returncode, lines, errors)


def fetch(environ: dict[str, str], **options: Any) -> Said:
    """Run it to its end. Whatever it does, it prints no stack trace."""
    said = heard(start(environ, **options))
    assert said.errors == "", said.errors
    return said


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Starts a store at its first use."""
    from contextlib import ExitStack

    started: dict[str, Server] = {}
    with ExitStack() as stack:

        def get(kind: str) -> Server:
            if kind not in started:
                entered = STORES[kind](tmp_path_factory.mktemp(kind), free_port())
                started[kind] = stack.enter_context(entered)
            return started[kind]

        yield get


@pytest.fixture(params=STORES)
def server(request: pytest.FixtureRequest, running: Callable[[str], Server]) -> Server:
    """Each store."""
    return running(request.param)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """A folder in a store that no other test uses."""
    return "".join(c if c.isalnum() else "-" for c in request.node.name)


@pytest.fixture
def bundle() -> Made:
    """A small one, with a file in a folder and an empty one."""
    return made(sample_json=b"[1]", **{"model.onnx": b"onnx" * 5000, "parts__a": b""})


def asked(server: Server, url: str, digest: str, folder: Path, **more: str) -> dict[str, str]:
    """The variables that ask for a bundle."""
    return {
        **server.environ,
        "MODEL_URL": url,
        "MODEL_DIGEST": digest,
        "MODEL_DIR": str(folder),
        **more,
    }


def listing(folder: Path) -> list[str]:
    """Every file below a folder."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def text(value: Any) -> str:
    """A value as people would search in it."""
    return json.dumps(value)
