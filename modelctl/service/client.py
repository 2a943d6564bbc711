"""HTTP client of a running service: one connection per thread, retries on 429 and 503."""

from __future__ import annotations

import json
import random
import threading
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, urlsplit

from modelctl.errors import ModelctlError

TIMEOUT_SECONDS = 30.0
RETRIES = 10
# Between two attempts without a Retry-After header; grows with each attempt.
BACKOFF_SECONDS = 0.2
RETRIED = frozenset({429, 503})


class RefusedRequestError(ModelctlError):
    """The service refused the request as the client's error, such as 422."""


class Client:
    """A service by its base URL. Thread-safe; leaving the context closes all connections."""

    def __init__(self, url: str) -> None:
        """Raises ModelctlError for anything but an http(s) URL."""
        self._url: SplitResult = urlsplit(url if "//" in url else f"http://{url}")
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise ModelctlError(f"{url!r} is not a service URL", expected="http://host:port")
        self._local = threading.local()
        self._open: list[HTTPConnection] = []
        self.retries = 0
        self._answered = 0

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._open:
            connection.close()

    @property
    def url(self) -> str:
        """The base URL, with a scheme and without a slash at its end."""
        return self._url.geturl().rstrip("/")

    def get(self, path: str) -> Any:
        """The JSON document at a path. Raises ModelctlError."""
        return self._request("GET", path, None)

    def post(self, path: str, document: Any) -> Any:
        """The JSON response to a JSON document. Raises ModelctlError."""
        return self._request("POST", path, json.dumps(document).encode())

    def _request(self, method: str, path: str, body: bytes | None) -> Any:
        problem = ""
        attempt, answered = 0, self._answered
        while attempt < RETRIES:
            if self._answered != answered:
                # It answers other threads: it is busy, by this client's own requests, and not gone.
                attempt, answered = 0, self._answered
            attempt += 1
            try:
                status, headers, content = self._send(method, path, body)
            except (OSError, HTTPException) as error:
                self._disconnect()
                problem = str(error) or type(error).__name__
                self._back_off(attempt, None)
                continue
            if status not in RETRIED:
                self._answered += 1
                return self._parse(path, status, content)
            problem = f"HTTP {status}"
            self._back_off(attempt, headers.get("Retry-After"))
        raise ModelctlError(
            f"{self._url.geturl()}{path} failed after {RETRIES} attempts",
            found=problem,
            fix="check that the service is running, or use fewer connections",
        )

    def _send(self, method: str, path: str, body: bytes | None) -> tuple[int, Any, bytes]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
            connection = kind(self._url.hostname or "", self._url.port, timeout=TIMEOUT_SECONDS)
            self._local.connection = connection
            self._open.append(connection)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        connection.request(method, self._url.path.rstrip("/") + path, body, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    def _disconnect(self) -> None:
        """Close this thread's connection; the next request opens a new one."""
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()
            self._open.remove(connection)

    def _back_off(self, attempt: int, retry_after: str | None) -> None:
        self.retries += 1
        seconds = BACKOFF_SECONDS * attempt
        if retry_after and retry_after.isdigit():
            seconds = float(retry_after)
        # Threads that were refused together shall not come back together.
        time.sleep(min(seconds, TIMEOUT_SECONDS) * random.uniform(0.75, 1.25))  # noqa: S311

    def _parse(self, path: str, status: int, content: bytes) -> Any:
        try:
            document = json.loads(content)
        except ValueError as error:
            raise ModelctlError(
                f"the response of {self._url.geturl()}{path} is not JSON",
                found=content[:200].decode(errors="replace"),
                fix="pass the base URL of a model service, without a path",
            ) from error
        if status != 200:
            kind = RefusedRequestError if 400 <= status < 500 else ModelctlError
            raise kind(
                f"the service refused the request: {document.get('title', status)}",
                found=str(document.get("detail", document))[:500],
            )
        return document
