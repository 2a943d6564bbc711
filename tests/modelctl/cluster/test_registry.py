"""Is the image still there? A real HTTP server plays the registry; wrong alarms are the enemy."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelctl.cluster import registry
from modelctl.cluster.registry import Presence
from tests import standin
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, VERSION, commit_all, run

MANIFEST = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
JSON = {"Content-Type": "application/json; charset=utf-8"}
V2 = {"Docker-Distribution-Api-Version": "registry/2.0"}
HTML = {"Content-Type": "text/html"}


def errors(code: str) -> bytes:
    """An error as the distribution specification writes it."""
    return json.dumps({"errors": [{"code": code, "message": "m", "detail": {}}]}).encode()


# What answers at an address, by the first part of a repository's name: status, headers, body.
ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    # Registries, as their sources and trackers show: distribution, GitLab and zot send the header
    # with everything; GHCR, ECR and Artifact Registry only the body; Harbor a code of its own.
    "distribution": (404, JSON | V2, errors("MANIFEST_UNKNOWN")),
    "ghcr": (404, JSON, errors("MANIFEST_UNKNOWN")),
    "ecr": (404, JSON, errors("NAME_UNKNOWN")),
    "harbor": (404, JSON | V2, errors("NOT_FOUND")),
    "no-body": (404, V2, b""),
    # Others.
    "portal": (200, HTML, b"<h1>Log in</h1>"),
    "portal-json": (200, JSON, b"{}"),
    "proxy": (404, HTML, b"<h1>404 Not Found</h1>"),
    "nothing": (404, {}, b""),
    "api": (404, JSON, b'{"message": "Not Found"}'),
    "framework": (404, JSON, errors("NOT_FOUND")),
    "list": (404, JSON, b'["errors"]'),
    "text": (404, JSON, b'{"errors": "MANIFEST_UNKNOWN"}'),
    "denied": (401, {"WWW-Authenticate": 'Basic realm="registry"'}, errors("UNAUTHORIZED")),
    "denied-403": (403, JSON, errors("DENIED")),
    "portal-login": (511, HTML, b"<h1>Log in</h1>"),
    "busy": (429, JSON, errors("TOOMANYREQUESTS")),
    "broken": (500, {}, b""),
    "gateway": (502, HTML, b"<h1>Bad gateway</h1>"),
    "overwritten": (200, MANIFEST | {"Docker-Content-Digest": DIGEST_B}, b"{}"),
}


class Handler(standin.Quiet):
    """A registry that has one manifest, by digest, and everything else that may answer instead."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        status, headers, body = ANSWERS.get(self.path.split("/")[2], (404, {}, b""))
        if self.path == f"/v2/iris/manifests/{DIGEST_A}":
            status, headers, body = 200, MANIFEST | {"Docker-Content-Digest": DIGEST_A}, b"{}"
        elif self.path.startswith("/v2/iris/"):
            status, headers, body = ANSWERS["distribution"]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with standin.serving(Handler) as host:
        yield host


def look(host: str, name: str = "iris", digest: str = DIGEST_A) -> tuple[Presence, str]:
    return registry.check(f"{host}/{name}", digest)


def test_a_manifest_is_there(host: str) -> None:
    assert look(host) == (Presence.THERE, "")


@pytest.mark.parametrize("name", ["distribution", "ghcr", "ecr", "harbor", "no-body"])
def test_gone_is_what_a_registry_says(host: str, name: str) -> None:
    assert look(host, name) == (Presence.GONE, "")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("portal", "answered HTTP 200, but not with a manifest"),
        ("portal-json", "answered HTTP 200, but not with a manifest"),
        ("overwritten", "answered HTTP 200, but not with a manifest"),
        ("proxy", "answered HTTP 404, but not as a registry"),
        ("nothing", "answered HTTP 404, but not as a registry"),
        ("api", "answered HTTP 404, but not as a registry"),
        ("framework", "answered HTTP 404, but not as a registry"),
        ("list", "answered HTTP 404, but not as a registry"),
        ("text", "answered HTTP 404, but not as a registry"),
        ("denied", "requires credentials"),
        ("denied-403", "requires credentials"),
        ("portal-login", "HTTP 511"),
        ("busy", "HTTP 429"),
        ("broken", "HTTP 500"),
        ("gateway", "HTTP 502"),
    ],
)
def test_what_no_registry_said_is_unknown(host: str, name: str, reason: str) -> None:
    presence, found = look(host, name)
    assert presence is Presence.UNKNOWN
    assert found.removeprefix(host).lstrip(": ") == reason


@pytest.mark.parametrize(
    ("code", "presence"),
    [("MANIFEST_UNKNOWN", Presence.GONE), ("NAME_UNKNOWN", Presence.UNKNOWN)],
)
def test_a_registry_with_accounts_may_hide_a_repository_but_no_manifest(
    host: str, code: str, presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An anonymous token, and then what it shows of a repository that may be private."""
    monkeypatch.setattr(registry, "_anonymous_token", lambda _: "anonymous")
    refused = {"WWW-Authenticate": 'Bearer realm="https://registry.example/token"'}
    answers = iter([(401, refused, b""), (404, JSON, b""), (404, JSON, errors(code))])
    monkeypatch.setattr(Handler, "do_GET", lambda self: send(self, *next(answers)))
    assert look(host, "private")[0] is presence


def send(handler: standin.Quiet, status: int, headers: dict[str, str], body: bytes) -> None:
    handler.reply(status, body, **headers)


def test_a_registry_that_does_not_answer_is_no_alarm() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found, reason = look(f"127.0.0.1:{free.getsockname()[1]}")
    assert found is Presence.UNKNOWN
    assert "is not reachable: " in reason


def test_a_registry_that_hangs_is_left_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "TIMEOUT_SECONDS", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        found, _ = look(f"127.0.0.1:{silent.getsockname()[1]}")
    assert found is Presence.UNKNOWN


@pytest.mark.parametrize(
    ("digest", "note"),
    [
        pytest.param(DIGEST_A, "", id="there"),
        pytest.param(DIGEST_B, "is missing from its registry: new pods will not start", id="gone"),
    ],
)
def test_rollback_warns_of_an_image_that_is_gone(
    released: Path, host: str, digest: str, note: str
) -> None:
    path = released / "environments/dev/iris/version.yaml"
    older = VERSION.replace("registry.example", host).replace(DIGEST_A, digest)
    path.write_text(older)
    commit_all(released, "older")
    path.write_text(VERSION.replace("1.0.0", "2.0.0"))
    commit_all(released, "newer")
    words = ("rollback", "iris", "--env", "dev", "--reason", "broken")
    output = run(*words)
    assert path.read_text() == older
    assert note in output
    assert ("warning" in output) is bool(note)


def test_rollback_says_when_it_could_not_check(released: Path) -> None:
    path = released / "environments/dev/iris/version.yaml"
    path.write_text(VERSION.replace("1.0.0", "2.0.0").replace("registry.example", "127.0.0.1:1"))
    commit_all(released, "newer")
    path.write_text(VERSION)
    commit_all(released, "back")
    words = ("rollback", "iris", "--env", "dev", "--to", "2.0.0", "--reason", "broken")
    assert "could not check" not in run(*words, "--no-registry", "--dry-run")
    output = run(*words)
    note = "could not check whether the image still exists: 127.0.0.1:1 is not reachable: "
    assert note in output
