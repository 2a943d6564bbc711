"""`modelctl load` against real services, whose own counters judge what was sent."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from modelctl.cli import cli
from modelctl.errors import ModelctlError, UsageError
from modelctl.load import run as runs
from tests import trained
from tests.app import live
from tests.app.conftest import start as start  # the fixture, under its own name
from tests.app.live import LiveService
from tests.app.observability.metrics import samples
from tests.ports import free_port

Start = Callable[..., LiveService]
GRPC_ROUTE = "/inference.GRPCInferenceService/ModelInfer"


def load(url: str, *options: str) -> Result:
    """The command's result."""
    result = CliRunner().invoke(cli, ["load", url, *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def counted(service: LiveService, route: str, code: str = "200") -> int:
    """How many requests of a route the service has answered so."""
    found = samples.read(service.client.get("/metrics").text)
    return int(samples.total(found, "ml_requests_total", code=code, route=route))


def iris() -> tuple[LiveService, str]:
    service = live.shared("iris")
    return service, str(service.client.base_url)


@pytest.mark.parametrize(
    ("protocol", "route", "batch_rows"),
    [
        ("http", "/predict", "1"),
        ("http", "/predict/batch", "7"),
        ("grpc", GRPC_ROUTE, "1"),
        ("grpc", GRPC_ROUTE, "7"),
    ],
)
def test_the_service_counts_what_the_report_says(
    protocol: str, route: str, batch_rows: str
) -> None:
    service, url = iris()
    before = counted(service, route)
    options = ("--rate", "20,40", "--seconds", "1", "--protocol", protocol)
    sample = ("--file", str(trained.training("iris") / "sample.csv"))
    more = ("--batch-rows", batch_rows, "--output", "json", "--slo", "p50<10s")
    result = load(url, *options, *sample, *more)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [(step["sent"], step["ok"]) for step in document["steps"]] == [(20, 20), (40, 40)]
    # The second of warm-up at the first rate counts there and not here; so does the first try.
    tried = 1 if route == "/predict/batch" else 0
    assert counted(service, route) - before == 20 + 60 + tried
    for step in document["steps"]:
        latencies = list(step["latency_ms"].values())
        assert latencies == sorted(latencies)
        assert step["slo"] == {"p50<10s": True}


def test_a_dry_run_sends_nothing() -> None:
    service, url = iris()
    before = counted(service, "/predict"), counted(service, "/predict/batch")
    result = load(url, "--rate", "30", "--seconds", "2", "--dry-run")
    assert result.exit_code == 0
    assert "60 requests to" in result.output
    assert '{"features": {"sepal_length"' in result.output
    assert (counted(service, "/predict"), counted(service, "/predict/batch")) == before


def test_an_objective_that_is_missed_is_exit_code_1() -> None:
    _, url = iris()
    options = ("--rate", "20", "--seconds", "1", "--slo", "p99<1us", "--slo", "errors < 5%")
    result = load(url, *options)
    assert result.exit_code == 1
    assert "20/s misses p99<1us: p99 was" in result.output
    assert "misses errors" not in result.output
    assert "p99<1us, errors<5%: met at no rate" in result.output


@pytest.mark.parametrize("text", ["p99", "p99<50", "p99>50ms", "p100<1s", "errors<1", "p99<0ms"])
def test_an_objective_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(text)):
        load("http://127.0.0.1:1", "--slo", text)


@pytest.mark.parametrize("rates", ["0", "-1", "nan", "10,,20", "1e9", "ten"])
def test_a_rate_that_cannot_be_sent_is_refused(rates: str) -> None:
    _, url = iris()
    assert load(url, "--rate", rates).exit_code == 2


def test_rows_that_the_service_refuses_are_said_before_the_load(tmp_path: Path) -> None:
    service, url = iris()
    before = counted(service, "/predict")
    frame = pd.read_csv(trained.training("iris") / "sample.csv").head(3)
    frame.iloc[0, 0] = None
    frame.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(ModelctlError, match=r"instances.*sepal_length"):
        load(url, "--file", str(tmp_path / "rows.csv"), "--rate", "20")
    assert counted(service, "/predict") == before


def test_what_was_captured_is_sent_again(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "captured"
    folder.mkdir()
    environ = {"CAPTURE_RATIO": "1", "CAPTURE_DIR": str(folder)}
    service = start(trained.bundle("penguins"), WORKERS="1", **environ)
    sample = pd.read_csv(trained.training("penguins") / "sample.csv").drop(columns="species")
    # JSON has no NaN; a missing value of penguins is null.
    rows = json.loads(sample.head(5).to_json(orient="records"))
    assert service.client.post("/predict/batch", json={"instances": rows}).status_code == 200
    url = str(service.client.base_url)
    deadline = time.monotonic() + 60
    while not list(folder.rglob("*.jsonl")):
        assert time.monotonic() < deadline, "nothing was captured"
        time.sleep(0.05)
    result = load(url, "--capture", str(folder), "--rate", "20", "--seconds", "1", "--dry-run")
    assert result.exit_code == 0, result.output
    assert json.dumps({"features": rows[0]}) in result.output


def test_a_service_that_sheds_is_told_from_one_that_fails(start: Start) -> None:
    service = start(trained.slow_bundle(), MAX_IN_FLIGHT="1", WORKERS="1")
    options = ("--rate", "200", "--seconds", "2", "--slo", "errors<1%", "--output", "json")
    result = load(str(service.client.base_url), *options)
    assert result.exit_code == 1
    (step,) = json.loads(result.stdout)["steps"]
    assert step["statuses"]["503"] > 50
    assert step["statuses"]["200"] == step["ok"] > 0
    assert step["sent"] == 400 == sum(step["statuses"].values()) + sum(step["failures"].values())


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_service_that_dies_is_named_and_every_request_counted(
    start: Start, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start(trained.bundle("iris"), WORKERS="1")
    monkeypatch.setattr(runs, "WARM_UP_SECONDS", 0.1)

    def kill() -> None:
        deadline = time.monotonic() + 60
        while counted(service, GRPC_ROUTE if protocol == "grpc" else "/predict") < 20:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        service.stop()

    killer = threading.Thread(target=kill)
    killer.start()
    # Long enough to outlast the end of the service on a busy machine.
    options = ("--rate", "50", "--seconds", "6", "--protocol", protocol, "--slo", "errors<1%")
    result = load(str(service.client.base_url), *options, "--output", "json")
    killer.join()
    assert result.exit_code == 1
    (step,) = json.loads(result.stdout)["steps"]
    assert step["ok"] > 0
    assert step["failures"], step
    assert step["sent"] == 300 == sum(step["statuses"].values()) + sum(step["failures"].values())


def test_missing_texts_have_no_tensor(tmp_path: Path) -> None:
    service = live.shared("penguins")
    frame = pd.read_csv(trained.training("penguins") / "sample.csv").head(2)
    frame["sex"] = [None, "male"]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    options = ("--file", str(tmp_path / "rows.csv"), "--protocol", "grpc", "--rate", "5")
    with pytest.raises(ModelctlError, match="a tensor of BYTES cannot have missing values: sex"):
        load(str(service.client.base_url), *options)


@pytest.mark.parametrize("name", ["load.png", "load.svg"])
def test_a_plot_is_drawn(name: str, tmp_path: Path) -> None:
    _, url = iris()
    plot = tmp_path / name
    assert load(url, "--rate", "20", "--seconds", "1", "--plot", str(plot)).exit_code == 0
    assert plot.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml")


def test_a_plot_of_another_format_is_refused_before_the_load() -> None:
    port = free_port()
    with pytest.raises(ModelctlError, match="unknown format of a plot"):
        load(f"http://127.0.0.1:{port}", "--plot", "load.txt")
