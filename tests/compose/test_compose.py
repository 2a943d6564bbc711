"""The compose file and its nginx: valid offline, as strict as the chart, true to the settings.

Docker runs none of it here; nginx does, when Debian's is installed, in front of the same service.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.model.bundle import verify
from app.settings import Settings
from modelctl.supply.builds import REQUIREMENTS
from sandbox.wait import Answer, wait_until
from tests import trained
from tests.app import live
from tests.compose import front as nginx
from tests.paths import ROOT
from tests.ports import free_port

FOLDER = ROOT / "deploy/compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MODELS = {name: service for name, service in SERVICES.items() if "build" in service}
NGINX = (FOLDER / "nginx.conf").read_text()
SETTINGS_PAGE = (ROOT / "docs/reference/settings.md").read_text()


def test_compose_takes_the_file() -> None:
    command = [str(ROOT / ".venv/bin/check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(FOLDER / "compose.yaml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_a_container_has_no_rights_and_no_endless_appetite(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].partition(":")[0]) > 0
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["logging"]["options"]["max-size"]
    assert "privileged" not in service


@pytest.mark.parametrize("service", MODELS.values(), ids=MODELS)
def test_every_variable_is_a_setting_that_the_service_takes(service: dict[str, Any]) -> None:
    environ = service["environment"]
    assert [name for name in environ if f"| `{name}` |" not in SETTINGS_PAGE] == []
    # As compose passes them on when nobody set a digest.
    settings = Settings.from_environ({**environ, "MODEL_DIGEST": ""})
    assert settings.max_body_bytes == 1024 * 1024
    assert settings.graceful_timeout_seconds + 3 < int(service["stop_grace_period"].strip("s"))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_built_with_what_its_engine_needs(name: str) -> None:
    arguments = MODELS[name]["build"]["args"]
    assert arguments["BUNDLE"] == f"build/bundles/{name}"
    engine = verify(trained.bundle(name)).manifest["engine"]
    assert arguments["REQUIREMENTS"] == REQUIREMENTS[engine]


def test_only_this_machine_reaches_nginx_and_grafana_and_only_nginx_the_models() -> None:
    opened = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert opened == {
        "nginx": ["127.0.0.1:${PORT:-8080}:8080"],
        "grafana": ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"],
    }
    assert COMPOSE["networks"]["models"] == {"internal": True}
    in_models = {name for name, service in SERVICES.items() if "models" in service["networks"]}
    assert in_models == {*MODELS, "nginx", "prometheus"}
    assert all(service["networks"] == ["models"] for service in MODELS.values())


def test_nginx_knows_every_model_and_waits_longer_than_they_do() -> None:
    (names,) = re.findall(r"\(\?<model>([^)]*)\)", NGINX)
    assert set(names.split("|")) == set(MODELS) == set(SERVICES["nginx"]["depends_on"])
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", NGINX)
    for service in MODELS.values():
        assert int(service["environment"]["REQUEST_TIMEOUT_MS"]) < int(seconds) * 1000


@dataclass(frozen=True)
class Front:
    """A running nginx: where it answers, and what it wrote about it."""

    address: str
    access_log: Path


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A real nginx with that file; only addresses are others, as there are no containers here."""
    program = nginx.program()
    if program is None:
        pytest.skip("*** LEFT OUT: nginx of deploy/compose: apt-get install nginx-light ***")
    folder = tmp_path_factory.mktemp("nginx")
    port = free_port()
    services = {name: live.shared(name).port for name in MODELS}
    command = nginx.command(program, folder, port, services)
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    server = subprocess.Popen([*command, "-g", "daemon off;"], stderr=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    try:
        wait_until("nginx", lambda: look(base), 60, log=folder / "log")
        yield Front(base, folder / "access")
    finally:
        server.terminate()
        server.wait(timeout=30)


def look(base: str) -> Answer:
    """Whether nginx answers there."""
    try:
        status = httpx.get(f"{base}/healthz").status_code
    except httpx.HTTPError as error:
        return Answer(ready=False, state=type(error).__name__)
    return Answer(status == 200, f"status {status}")


@pytest.mark.parametrize("name", MODELS)
def test_a_prediction_goes_through_nginx(front: Front, name: str) -> None:
    sample = json.loads((trained.bundle(name) / "sample.json").read_text())
    body = {"instances": sample["rows"]}
    answer = httpx.post(f"{front.address}/{name}/predict/batch", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    found = [entry["prediction"] for entry in answer.json()["predictions"]]
    assert found == sample["predictions"]
    assert httpx.get(f"{front.address}/{name}/model/info").json()["name"] == name


@pytest.mark.parametrize("sent", ["", "order-4711"], ids=["ours", "the caller's"])
def test_a_request_has_one_id_in_the_answer_and_in_both_logs(front: Front, sent: str) -> None:
    headers = {"X-Request-ID": sent} if sent else {}
    body = {"features": [5.1, 3.5, 1.4, 0.2]}
    answer = httpx.post(f"{front.address}/iris/predict", json=body, headers=headers)
    found = answer.headers["x-request-id"]
    assert found == sent or (not sent and re.fullmatch(r"[0-9a-f]{32}", found))
    wait_for(f" {found}\n", front.access_log)
    wait_for(found, live.shared("iris").log_path)


def wait_for(text: str, log: Path) -> None:
    """Return when a log has the text: a line is written when the answer is on its way already."""

    def found() -> Answer:
        return Answer(text in (written := log.read_text()), written[-300:])

    wait_until(f"{text.strip()} is in {log.name}", found, 10)


def test_nginx_refuses_what_is_too_large_and_what_it_does_not_know(front: Front) -> None:
    large = httpx.post(f"{front.address}/iris/predict", content=b" " * (1024 * 1024 + 1))
    assert large.status_code == 413
    assert httpx.get(f"{front.address}/flower/predict").status_code == 404
    assert httpx.get(front.address).status_code == 404


def test_the_page_to_try_a_model_finds_its_own_service(front: Front) -> None:
    """It asks for paths relative to its own, so a part in front of them does no harm."""
    assert httpx.get(f"{front.address}/iris/docs").status_code == 200
    assert httpx.get(f"{front.address}/iris/openapi.json").json()["openapi"].startswith("3.1")
