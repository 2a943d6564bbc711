"""Real stores on loopback: minio, fake-gcs-server, azurite, and Python's own file server.

Each is started once and holds what tests put into it. None of them is a mock of ours: what
`app.fetch` reads here is what these programs send.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import obstore
import pytest
from obstore import store

from sandbox import pki
from sandbox.layout import Layout
from sandbox.wait import Answer, wait_until
from tests import rendering
from tests.paths import ROOT

if TYPE_CHECKING:
    from obstore.store import ClientConfig

AZURITE = ROOT / ".tools" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
BUCKET = "bundles"
PUBLIC = "public"
# A bucket that keeps what is overwritten or deleted; azurite cannot have one.
VERSIONED = "versioned"
KEY, SECRET = "minio-user", "minio-password"
# Those of every azurite: https://github.com/Azure/Azurite#default-storage-account
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
CLIENT: ClientConfig = {"allow_http": True}


@dataclass(frozen=True)
class Server:
    """A running store: how a bundle is put there, and how the program is told to find it."""

    url: str
    port: int
    put: Callable[[str, bytes], object]
    environ: dict[str, str] = field(default_factory=dict)


@contextmanager
def running(argv: list[str | Path], probe: str, log: Path, **environ: str) -> Iterator[None]:
    """A process meanwhile, from the moment it answers at the address `probe`."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [str(part) for part in argv],
            stdout=output,
            stderr=output,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(log.parent), **environ},
        ) as process,
    ):
        try:

            def answer() -> Answer:
                assert process.poll() is None, log.read_text()
                return Answer(answers(probe), log.read_text()[-300:])

            wait_until(f"{argv[0]} answers", answer, 120, interval_seconds=0.1)
            yield
        finally:
            process.terminate()


def answers(url: str) -> bool:
    """Does a server answer there, whatever?"""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError as error:
        # A certificate that we do not know is an answer too.
        return isinstance(error.reason, ssl.SSLError)
    except OSError:
        return False
    return True


@contextmanager
def minio(folder: Path, port: int, authority: Path | None = None) -> Iterator[Server]:
    """An S3 store, over TLS with an authority. It makes a bucket of every folder that it finds."""
    (folder / "data" / BUCKET).mkdir(parents=True)
    scheme = "https" if authority else "http"
    trusted: ClientConfig = {"root_certificate": authority.read_bytes()} if authority else {}
    address = f"{scheme}://127.0.0.1:{port}"
    argv: list[str | Path] = [
        *(rendering.tool("minio"), "server", folder / "data"),
        *("--address", f"127.0.0.1:{port}", "--certs-dir", folder / "certs"),
    ]
    own = {"MINIO_ROOT_USER": KEY, "MINIO_ROOT_PASSWORD": SECRET, "MINIO_BROWSER": "off"}
    with running(argv, f"{address}/minio/health/ready", folder / "minio.log", **own):
        yield Server(
            f"s3://{BUCKET}",
            port,
            partial(
                obstore.put,
                store.S3Store(
                    BUCKET,
                    endpoint=address,
                    access_key_id=KEY,
                    secret_access_key=SECRET,
                    client_options=CLIENT | trusted,
                ),
            ),
            {
                "FETCH_ENDPOINT": address,
                "FETCH_ALLOW_HTTP": "true",
                "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET,
            },
        )


def certificates(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 where minio looks for them; returns the authority's."""
    layout = Layout(folder.parent)
    pki.make_pki(layout)
    folder.mkdir()
    shutil.copy(layout.pki / "apiserver.crt", folder / "public.crt")
    shutil.copy(layout.pki / "apiserver.key", folder / "private.key")
    return layout.pki / "ca.crt"


@contextmanager
def gcs(folder: Path, port: int) -> Iterator[Server]:
    """A Google Cloud Storage emulator. It takes no writes of the kind that obstore makes."""
    address = f"http://127.0.0.1:{port}"
    argv: list[str | Path] = [
        *(rendering.tool("fake-gcs-server"), "-scheme", "http", "-backend", "memory"),
        *("-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}"),
    ]

    def put(name: str, data: bytes, bucket: str = BUCKET) -> None:
        asked = urlencode({"uploadType": "media", "name": name})
        post(f"{address}/upload/storage/v1/b/{bucket}/o?{asked}", data)

    with running(argv, f"{address}/_internal/healthcheck", folder / "gcs.log"):
        post(f"{address}/storage/v1/b", f'{{"name": "{BUCKET}"}}'.encode())
        versioned = f'{{"name": "{VERSIONED}", "versioning": {{"enabled": true}}}}'
        post(f"{address}/storage/v1/b", versioned.encode())
        environ = {"FETCH_ENDPOINT": address, "FETCH_ALLOW_HTTP": "true", "FETCH_ANONYMOUS": "true"}
        yield Server(f"gs://{BUCKET}", port, put, environ)


def post(url: str, data: bytes) -> None:
    """Send something that has to be taken."""
    headers = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data=data, headers=headers)
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


@contextmanager
def azurite(folder: Path, port: int) -> Iterator[Server]:
    """An emulator of Azure's blob storage."""
    if shutil.which("npm") is None:
        pytest.skip("the emulator of Azure needs npm; tests/run.py says so too")
    assert AZURITE.exists(), "azurite is missing: run `make azurite`"
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    argv: list[str | Path] = [
        *(AZURITE, "--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", str(port)),
        *("--skipApiVersionCheck", "--disableTelemetry"),
    ]
    with running(argv, endpoint, folder / "azurite.log"):
        make_container(endpoint, BUCKET)
        # Anybody reads it by https, as from a web server that knows ranges and ETags.
        make_container(endpoint, PUBLIC, is_public=True)
        yield Server(
            f"az://{BUCKET}",
            port,
            partial(
                obstore.put,
                store.AzureStore(
                    BUCKET,
                    endpoint=endpoint,
                    account_name=ACCOUNT,
                    account_key=ACCOUNT_KEY,
                    client_options=CLIENT,
                ),
            ),
            {
                "FETCH_ENDPOINT": endpoint,
                "FETCH_ALLOW_HTTP": "true",
                "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
                "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY,
            },
        )


def make_container(endpoint: str, name: str, *, is_public: bool = False) -> None:
    """Azure has no objects without a container, and obstore makes none."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    if is_public:
        headers = {"x-ms-blob-public-access": "blob", **headers}
    lines = [f"{key}:{value}" for key, value in headers.items()]
    resource = [f"/{ACCOUNT}/{ACCOUNT}/{name}", "restype:container"]
    text = "\n".join(["PUT", *[""] * 11, *lines, *resource])
    signature = hmac.new(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
    headers["Content-Length"] = "0"
    request = urllib.request.Request(
        f"{endpoint}/{name}?restype=container", method="PUT", headers=headers
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


@contextmanager
def files(folder: Path, port: int) -> Iterator[Server]:
    """Python's file server, which knows no ranges."""
    (folder / "data").mkdir()
    argv = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    url = f"http://127.0.0.1:{port}"
    with running([*argv, "--directory", folder / "data"], url, folder / "files.log"):
        yield Server(
            url,
            port,
            partial(obstore.put, store.LocalStore(folder / "data")),
            {"FETCH_ALLOW_HTTP": "true"},
        )
