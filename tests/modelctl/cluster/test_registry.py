"""Is the image still there? A real HTTP server plays the registry; wrong alarms are the enemy."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelctl.cluster import registry
from modelctl.cluster.registry import Presence
from tests import standin
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, VERSION, commit_all, run


class Handler(standin.Quiet):
    """Has one manifest, by digest; `denied` wants a login and `broken` fails."""

    def do_HEAD(self) -> None:
        codes = {
            f"/v2/iris/manifests/{DIGEST_A}": 200,
            f"/v2/denied/manifests/{DIGEST_A}": 401,
            f"/v2/broken/manifests/{DIGEST_A}": 500,
        }
        wanted = "application/vnd.oci.image.manifest.v1+json" in self.headers["Accept"]
        self.send_response(codes.get(self.path, 404) if wanted else 406)
        self.send_header("WWW-Authenticate", 'Basic realm="registry"')
        self.end_headers()


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with standin.serving(Handler) as host:
        yield host


def look(host: str, name: str = "iris", digest: str = DIGEST_A) -> tuple[Presence, str]:
    return registry.check(f"{host}/{name}", digest)


@pytest.mark.parametrize(
    ("name", "digest", "presence", "why"),
    [
        ("iris", DIGEST_A, Presence.THERE, ""),
        ("iris", DIGEST_B, Presence.GONE, ""),
        ("denied", DIGEST_A, Presence.UNKNOWN, "requires credentials"),
        ("broken", DIGEST_A, Presence.UNKNOWN, "HTTP 500"),
    ],
)
def test_only_a_clear_response_of_the_registry_counts(
    host: str, name: str, digest: str, presence: Presence, why: str
) -> None:
    found, reason = look(host, name, digest)
    assert found is presence
    assert why in reason


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
    words = ("rollback", "iris", "--env", "dev", "--reason", "broken")
    assert "could not check" not in run(*words, "--no-registry", "--dry-run")
    output = run(*words)
    note = "could not check whether the image still exists: 127.0.0.1:1 is not reachable: "
    assert note in output
