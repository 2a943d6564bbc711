"""Requests to minio that are signed as AWS has it, and the XML of GCS in front of them.

fake-gcs-server takes none of the writes of obstore, which are those of GCS's XML API. Google has
made that API one that clients of S3 can use: the same requests but for credentials and conditions,
which is all that the front translates. What an upload in several requests means is then minio's
word and not Google's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from tests.fetch.servers import BUCKET, KEY, SECRET, VERSIONED, Server


def signed(port: int, method: str, path: str, query: str, body: bytes) -> dict[str, str]:
    """The headers of a request by Signature Version 4; path and query are encoded and sorted."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    sha256 = hashlib.sha256(body).hexdigest()
    host = f"127.0.0.1:{port}"
    headers = {"host": host, "x-amz-content-sha256": sha256, "x-amz-date": now}
    names = ";".join(headers)
    lines = [f"{name}:{value}" for name, value in headers.items()]
    request = "\n".join([method, path, query, *lines, "", names, sha256])
    scope = [now[:8], "us-east-1", "s3", "aws4_request"]
    key = f"AWS4{SECRET}".encode()
    for word in scope:
        key = hmac.digest(key, word.encode(), "sha256")
    hashed = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", now, "/".join(scope), hashed])
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={KEY}/{'/'.join(scope)}"
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


def s3(server: Server, method: str, path: str, query: str = "", body: bytes = b"") -> bytes:
    """A request that minio takes; its answer."""
    headers = signed(server.port, method, path, query, body)
    url = f"http://127.0.0.1:{server.port}{path}?{query}".rstrip("?")
    asked = urllib.request.Request(url, data=body or None, method=method, headers=headers)
    with urllib.request.urlopen(asked) as answer:
        content: bytes = answer.read()
        return content


def make_versioned(server: Server) -> None:
    """A second bucket of minio, which keeps versions. obstore can neither make one nor set it."""
    setting = (
        b'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Status>Enabled</Status></VersioningConfiguration>"
    )
    s3(server, "PUT", f"/{VERSIONED}")
    s3(server, "PUT", f"/{VERSIONED}", "versioning=", setting)


class _Front(ThreadingHTTPServer):
    daemon_threads = True
    target: int

    def handle_error(self, request: Any, client_address: Any) -> None:
        """No traceback for a client that was killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Front

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        path = quote(unquote(path), safe="/-_.~")
        pairs = sorted(parse_qsl(query, keep_blank_values=True))
        query = urlencode(pairs, quote_via=quote, safe="-_.~")
        headers = signed(self.server.target, self.command, path, query, body)
        if wanted := self.headers.get("Range"):
            headers["range"] = wanted
        if self.headers.get("x-goog-if-generation-match") == "0":
            headers["if-none-match"] = "*"
        store = HTTPConnection("127.0.0.1", self.server.target, timeout=60)
        store.request(self.command, f"{path}?{query}".rstrip("?"), body, headers)
        answer = store.getresponse()
        content = answer.read()
        kept = {name.lower(): value for name, value in answer.getheaders()}
        store.close()
        kept.setdefault("content-length", str(len(content)))
        self.send_response_only(answer.status)
        for name, value in kept.items():
            if name not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle


@contextmanager
def gcs_front(minio: Server, folder: Path) -> Iterator[Server]:
    """A Google bucket meanwhile that takes writes: the one of minio."""
    front = _Front(("127.0.0.1", 0), _Handler)
    front.target = minio.port
    port: int = front.server_address[1]
    endpoint = f"http://127.0.0.1:{port}"
    # The account that emulators are used with: nobody is asked for a token.
    account = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
    key = folder / "account.json"
    key.write_text(json.dumps({**account, "gcs_base_url": endpoint, "disable_oauth": True}))
    threading.Thread(target=front.serve_forever, daemon=True).start()
    environ = {
        "FETCH_ENDPOINT": endpoint,
        "FETCH_ALLOW_HTTP": "true",
        "GOOGLE_SERVICE_ACCOUNT": str(key),
    }
    try:
        yield Server(f"gs://{BUCKET}", port, minio.put, environ)
    finally:
        front.shutdown()
        front.server_close()
