"""GitHub's GraphQL API as far as commit statuses go, on this machine.

The answers have the form of its public schema (`Commit.status.contexts` of `StatusContext`, whose
`creator` is an `Actor`): https://docs.github.com/graphql/reference/objects. A question that is no
query of ours, or has no token, is refused as GitHub refuses it.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BOT = {"__typename": "Bot", "login": "argocd"}
TOKEN = "token-of-the-workflow"  # noqa: S105 - of no account


def status(
    state: str = "SUCCESS",
    at: str = "2026-01-01T00:00:00Z",
    context: str = "argocd/staging-iris",
    creator: dict[str, str] | None = BOT,
    description: str | None = None,
) -> dict[str, Any]:
    """A `StatusContext`."""
    return {
        "context": context,
        "state": state,
        "createdAt": at,
        "description": description,
        "creator": creator,
    }


@dataclass
class GitHub:
    """The statuses by commit, and the commits of each question; `raw` answers in their place."""

    url: str
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[list[str]] = field(default_factory=list)
    raw: tuple[int, dict[str, str], str] | None = None
    release: threading.Event | None = None

    def answer(self, token: str, question: dict[str, Any]) -> tuple[int, dict[str, str], str]:
        if self.release is not None:
            self.release.wait(30)
        if self.raw is not None:
            return self.raw
        if token != f"Bearer {TOKEN}":
            return 401, {}, json.dumps({"message": "Bad credentials", "status": "401"})
        if question["variables"] != {"owner": "Some-Owner", "name": "models"}:
            name = "/".join(question["variables"].values())
            message = f"Could not resolve to a Repository with the name '{name}'."
            return 200, {}, _json({"data": {"repository": None}, "errors": [{"message": message}]})
        objects = re.findall(r'(c\d+): object\(oid: "([0-9a-f]{40})"\)', question["query"])
        self.asked.append([oid for _, oid in objects])
        found = {
            alias: {"status": {"contexts": self.statuses[oid]}} if self.statuses.get(oid) else None
            for alias, oid in objects
        }
        return 200, {}, _json({"data": {"repository": found}})


def _json(content: object) -> str:
    return json.dumps(content)


@contextmanager
def github() -> Iterator[GitHub]:
    """Serve it on a loopback port."""
    forge = GitHub("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            code, headers, text = forge.answer(self.headers.get("Authorization", ""), question)
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def do_GET(self) -> None:
            raise AssertionError("a question for statuses is never a GET")

        def log_message(self, *_: object) -> None:
            """Nothing on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    forge.url = f"http://127.0.0.1:{server.server_address[1]}/graphql"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield forge
    finally:
        if forge.release is not None:
            forge.release.set()
        server.shutdown()
        server.server_close()
