"""Both formats are legal, say the same, and go to those who ask for them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests import rendering, trained
from tests.app.conftest import make_client
from tests.app.live import LiveService
from tests.app.observability.metrics import samples
from tests.app.observability.metrics.test_series import everything
from tests.app.traffic import BODY, Load
from tests.paths import ROOT

Start = Callable[..., LiveService]
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# As these programs send it: Prometheus 3 with its defaults and with the names of old, and before 3.
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,"
    "application/openmetrics-text;version=0.0.1;q=0.6,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.3"
)
PROMETHEUS_3_LEGACY = PROMETHEUS_3.replace("allow-utf-8", "underscores")
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_2_5 = (
    "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
# With protocols of its native histograms, with the newest OpenMetrics, and behind an escaping of
# dots: as Prometheus 3.15 composes the header from its configuration.
PROMETHEUS_3_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
    "q=0.7,application/openmetrics-text;version=1.0.0;escaping=dots;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=dots;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
OPENMETRICS_2_FIRST = (
    "application/openmetrics-text;version=2.0.0;q=0.7,"
    "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,*/*;q=0.5"
)
PLAIN_1 = "text/plain; version=1.0.0; charset=utf-8"
CURL = "*/*"
CREATED = "_created"


def ask(client: FlaskClient, accept: str) -> tuple[str, str]:
    """The text for this header, and its content type."""
    answer = client.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    return answer.text, answer.content_type


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        pytest.param(PROMETHEUS_3, f"{OPENMETRICS}; escaping=allow-utf-8", id="prometheus 3"),
        pytest.param(
            PROMETHEUS_3_LEGACY, f"{OPENMETRICS}; escaping=underscores", id="prometheus 3 legacy"
        ),
        pytest.param(PROMETHEUS_2, f"{OPENMETRICS}; escaping=underscores", id="prometheus 2"),
        pytest.param(PROMETHEUS_2_5, PLAIN, id="prometheus 2.5"),
        pytest.param(
            PROMETHEUS_3_PROTOBUF, f"{OPENMETRICS}; escaping=underscores", id="prometheus 3 dots"
        ),
        pytest.param(
            OPENMETRICS_2_FIRST, f"{OPENMETRICS}; escaping=underscores", id="openmetrics 2 first"
        ),
        pytest.param("application/openmetrics-text;version=2.0.0", PLAIN, id="openmetrics 2 only"),
        pytest.param("application/openmetrics-text;version=1.1.0", PLAIN, id="openmetrics 1.1"),
        pytest.param(
            "application/openmetrics-text", f"{OPENMETRICS}; escaping=underscores", id="no version"
        ),
        pytest.param(
            'Application/OpenMetrics-Text; Version="1.0.0"; Escaping=upside-down',
            f"{OPENMETRICS}; escaping=underscores",
            id="unknown escaping",
        ),
        pytest.param(
            "text/plain;version=1.0.0;escaping=allow-utf-8",
            f"{PLAIN_1}; escaping=allow-utf-8",
            id="text 1.0",
        ),
        pytest.param("text/plain;version=1.0.1", PLAIN, id="text 1.0.1"),
        pytest.param(
            "application/openmetrics-text;version=1.0.0;q=0.1,text/plain;version=0.0.4",
            PLAIN,
            id="text preferred",
        ),
        pytest.param(
            "application/openmetrics-text;version=1.0.0;q=0", PLAIN, id="openmetrics refused"
        ),
        pytest.param("text/plain;version=0.0.4;q=1,*/*;q=0.1", PLAIN, id="text only"),
        pytest.param(CURL, PLAIN, id="curl"),
        pytest.param("", PLAIN, id="no header"),
        pytest.param("application/openmetrics-text;version=one", PLAIN, id="no number"),
        pytest.param("text/plain;version=1.0.x", PLAIN, id="no version of text"),
        pytest.param("application/json", PLAIN, id="something else"),
    ],
)
def test_the_header_chooses_the_format(
    penguins: FlaskClient, accept: str, content_type: str
) -> None:
    text, given = ask(penguins, accept)
    assert given == content_type
    assert text.endswith("# EOF\n") == given.startswith("application/openmetrics-text")
    read = samples.read_openmetrics if text.endswith("# EOF\n") else samples.read
    assert ("ml_workers", ()) in read(text)


def test_the_web_server_hands_the_header_on(start: Start) -> None:
    service = start(trained.bundle("iris"), WORKERS="1")
    answer = service.client.get("/metrics", headers={"Accept": PROMETHEUS_3})
    assert answer.headers["Content-Type"] == f"{OPENMETRICS}; escaping=allow-utf-8"
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize("scheme", ["allow-utf-8", "underscores", "values", "dots"])
def test_no_scheme_of_escaping_changes_names_that_need_none(
    penguins: FlaskClient, scheme: str
) -> None:
    text, _ = ask(penguins, PROMETHEUS_3.replace("allow-utf-8", scheme))
    plain, _ = ask(penguins, CURL)
    names = {name for name, _ in samples.read_openmetrics(text)}
    assert {name for name in names if not name.endswith(CREATED)} == {
        name for name, _ in samples.read(plain)
    }


@pytest.mark.parametrize("accept", [PROMETHEUS_3, PROMETHEUS_3_LEGACY])
@pytest.mark.parametrize("model", ["iris", "penguins", "diabetes"])
def test_both_formats_have_the_same_samples(model: str, accept: str) -> None:
    client = make_busy(model)
    plain = samples.read(ask(client, CURL)[0])
    openmetrics = {
        key: one.value
        for key, one in samples.read_openmetrics(ask(client, accept)[0]).items()
        if not key[0].endswith(CREATED)
    }
    assert openmetrics.keys() == plain.keys()
    # The first scrape counts as a request for the second, and the process goes on.
    of_scrapes = {"code": "200", "route": "/metrics"}.items()
    assert samples.total(plain, "ml_predictions_total") > 0
    for (name, labels), value in plain.items():
        moving = (
            name.startswith("process_") or of_scrapes <= {*labels} or ("route", "other") in labels
        )
        assert moving or openmetrics[name, labels] == value, name


def make_busy(model: str) -> FlaskClient:
    """A client of a service that has answered and refused."""
    client = make_client(trained.bundle(model))
    everything(client)
    sample = client.get("/openapi.json").get_json()["components"]["schemas"]["NamedRow"]
    row = {name: field["examples"][0] for name, field in sample["properties"].items()}
    assert client.post("/predict", json={"features": row}).status_code == 200
    return client


def test_families_have_the_names_types_and_units_of_openmetrics(penguins: FlaskClient) -> None:
    read = {family.name: family for family in samples.families(ask(penguins, PROMETHEUS_3)[0])}
    assert read["ml_requests"].type == "counter"
    assert {one.name for one in read["ml_requests"].samples} == {
        "ml_requests_total", "ml_requests_created",
    }  # fmt: skip
    assert read["ml_model"].type == "info"
    assert [one.name for one in read["ml_model"].samples] == ["ml_model_info"]
    units = {name: family.unit for name, family in read.items() if family.unit}
    assert units["ml_request_duration_seconds"] == "seconds"
    assert units["process_resident_memory_bytes"] == "bytes"
    assert all(name.endswith(f"_{unit}") for name, unit in units.items())


def test_prometheus_own_linter_accepts_the_older_format() -> None:
    text, _ = ask(make_busy("penguins"), CURL)
    checked = rendering.run(rendering.tool("promtool"), "check", "metrics", stdin=text)
    assert (checked.code, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.parametrize("accept", [PROMETHEUS_3, PROMETHEUS_3_LEGACY])
def test_prometheus_own_parser_accepts_openmetrics(tmp_path: Path, accept: str) -> None:
    text, _ = ask(make_busy("penguins"), accept)
    # This command wants to know of each sample when it was, which a scrape leaves out.
    timed = re.sub(r"^([^#\n].*?[^ ]) (\S+)$", r"\1 \2 1700000000", text, flags=re.MULTILINE)
    path, blocks = tmp_path / "scrape.txt", tmp_path / "blocks"
    path.write_text(timed)
    # Without it the command that reads the blocks takes them for no database.
    (blocks / "wal").mkdir(parents=True)
    promtool = rendering.tool("promtool")
    made = rendering.run(promtool, "tsdb", "create-blocks-from", "openmetrics", path, blocks)
    assert (made.code, made.stderr) == (0, "")
    dumped = rendering.run(promtool, "tsdb", "dump", blocks)
    assert len(dumped.stdout.splitlines()) == len(samples.read_openmetrics(text))


def test_counters_say_since_when_and_only_in_openmetrics(penguins: FlaskClient) -> None:
    plain = samples.read(ask(penguins, CURL)[0])
    assert not [name for name, _ in plain if name.endswith(CREATED)]
    began = plain["process_start_time_seconds", ()]
    counted = created = 0
    for family in samples.families(ask(penguins, PROMETHEUS_3)[0]):
        own = [one for one in family.samples if one.name == f"{family.name}{CREATED}"]
        assert {one.value for one in own} <= {began}
        counted += sum(one.name.endswith(("_total", "_count")) for one in family.samples)
        created += len(own)
    # What earlier starts of a pod refused is older than this start.
    assert created == counted - 1
    assert f"ml_model_verification_failures{CREATED}" not in ask(penguins, PROMETHEUS_3)[0]


def created(service: LiveService) -> set[float]:
    """All that counters say of their beginning."""
    text = service.client.get("/metrics", headers={"Accept": PROMETHEUS_3}).text
    listed = samples.read_openmetrics(text).items()
    return {one.value for (name, _), one in listed if name.endswith(CREATED)}


def test_a_worker_that_replaces_another_counts_since_the_same_moment(start: Start) -> None:
    service = start(trained.bundle("iris"), WORKERS="1")
    (before,) = created(service)
    (worker,) = service.workers()
    os.kill(worker, signal.SIGKILL)
    service.wait_until("loaded", lambda: len(service.events("model_loaded")) == 2)
    service.reconnect()
    with Load(service.port, 1) as load:
        service.wait_until("at work", lambda: len(load.answers) > 5)
    assert service.metric("ml_worker_starts_total") == 2
    assert created(service) == {before}
    assert service.metric("process_start_time_seconds") == before


def test_the_library_counts_nothing_of_its_own(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    service = start(trained.bundle("iris"), WORKERS="1", PROMETHEUS_MULTIPROC_DIR=str(folder))
    assert service.client.post("/predict", json=BODY).status_code == 200
    assert "python_info" not in service.client.get("/metrics").text
    assert [path.name for path in folder.iterdir()] == ["0.numbers"]


def test_the_import_opens_no_socket() -> None:
    script = (
        "import sys; sys.addaudithook(lambda name, _: name.startswith('socket.') and sys.exit(9));"
        "import app.observability.metrics"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
