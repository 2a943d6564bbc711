"""What keeps a process from listening: one line, exit code 3, and no port that was ever open."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app.errors import SettingRefusedError
from app.listening import require_room
from tests import trained
from tests.app.live import LiveService, run_to_end
from tests.ports import free_port

Start = Callable[..., LiveService]
# Variable -> a value with which nobody can serve.
USELESS = {
    "HOST": "nowhere.invalid",
    "METRICS_PORT": "{port}",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:99999999",
    "MAX_BATCH_ROWS": "9" * 30,
    "MAX_BODY_BYTES": "9" * 30,
    "REQUEST_TIMEOUT_MS": "9" * 30,
    # Nobody makes a folder there.
    "PROMETHEUS_MULTIPROC_DIR": "/proc/metrics",
}


def refused(**environ: str) -> dict[str, str]:
    """The only line of a process that refuses."""
    bundle = str(trained.bundle("iris"))
    done = run_to_end({"MODEL_DIR": bundle, "HOST": "127.0.0.1", **environ})
    (line,) = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (3, "")
    found: dict[str, str] = json.loads(line)
    assert found["event"] == "setting_refused"
    return found


@pytest.mark.parametrize("name", USELESS)
def test_a_useless_setting_is_refused_by_its_name(name: str) -> None:
    port = str(free_port())
    assert name in refused(**{"PORT": port, name: USELESS[name].format(port=port)})["what"]


def test_an_address_of_another_host_is_refused() -> None:
    # RFC 5737: documentation only.
    found = refused(PORT=str(free_port()), HOST="192.0.2.1")
    assert "HOST" in found["what"]
    assert "192.0.2.1" in found["found"]


@pytest.mark.parametrize("name", ["PORT", "METRICS_PORT"])
def test_a_port_that_is_taken_is_refused(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        found = refused(**{"PORT": str(free_port()), name: taken})
    assert name in found["what"]
    assert taken in found["found"]


def test_without_a_place_for_temporary_files_it_says_where_one_belongs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from app import environment

    def none(**_: str) -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    monkeypatch.setattr(tempfile, "mkdtemp", none)
    with pytest.raises(SettingRefusedError, match="/tmp"):
        environment.prepare()


def test_a_folder_without_room_for_the_metrics_is_refused(tmp_path: Path) -> None:
    require_room(tmp_path / "new", 100_000)
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(SettingRefusedError, match="PROMETHEUS_MULTIPROC_DIR"):
        require_room(tmp_path, 2**60)


def test_both_versions_of_ip_are_served_at_one_address(start: Start) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.fail("this machine has no IPv6: the promise cannot be tested")
    service = start(trained.bundle("iris"), HOST="::")
    for host in ("127.0.0.1", "::1"):
        connection = HTTPConnection(host, service.port, timeout=60)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        connection.close()
