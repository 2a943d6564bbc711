"""Every event is provoked in a real process, and every line it wrote fits the one schema."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.observability.trace_context import TraceContext, parse
from modelctl.docs import log_schema
from tests import trained
from tests.app.live import LiveService, run_to_end
from tests.observability import loglines
from tests.observability.faulty import FATAL_ROW, Faulty
from tests.paths import ROOT

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
ROW = [5.1, 3.5, 1.4, 0.2]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A service that has seen everything that can happen to it."""
    environ = {"WORKERS": "1", "MAX_BODY_BYTES": "1000", "MAX_BATCH_ROWS": "3"}
    log = tmp_path_factory.mktemp("logs") / "log"
    service = Faulty(trained.bundle("iris"), log, environ)
    try:
        service.wait_ready()
        provoke(service)
        yield service
    finally:
        service.stop()


def provoke(service: LiveService) -> None:
    """One request of each kind, with an id that says which; then a worker dies."""
    post = service.client.post
    one = {"features": ROW}
    assert post("/predict", json=one, headers=named("plain")).status_code == 200
    for name, value in (("traced", TRACEPARENT), ("mistraced", "00-0-0-0")):
        assert post("/predict", json=one, headers=named(name, traceparent=value)).is_success
    assert post("/predict/batch", json={"instances": [ROW] * 3}).is_success
    assert post("/v2/models/iris/infer", json={}, headers=named("contract")).status_code == 422
    assert post("/predict", content="{", headers=json_body("not-json")).status_code == 400
    assert post("/predict", content="x", headers=named("media-type")).status_code == 415
    assert post("/predict", content=b" " * 1001, headers=json_body("too-large")).status_code == 413
    headers = named("error", traceparent=TRACEPARENT)
    broken = post("/predict", json={"features": FATAL_ROW}, headers=headers)
    assert broken.status_code == 500
    assert "fault of ours" not in broken.text
    (worker,) = service.workers()
    os.kill(worker, signal.SIGKILL)
    service.wait_until("a new worker", lambda: len(service.events("model_loaded")) == 2)


def named(name: str, **headers: str) -> dict[str, str]:
    """Headers with this request id."""
    return {"X-Request-ID": name, **headers}


def json_body(name: str) -> dict[str, str]:
    """Headers of a JSON body with this request id."""
    return named(name, **{"Content-Type": "application/json"})


def test_every_line_of_a_service_fits_the_schema(service: LiveService) -> None:
    lines = loglines.of(service.log())
    assert loglines.check(lines) == {
        *("model_loaded", "prediction_completed", "request_rejected", "error"),
    }
    # gunicorn's about the worker that was killed, among others.
    assert {line["logger"] for line in lines} > {"app"}


def test_a_line_names_the_request_and_its_reason(service: LiveService) -> None:
    kinds = {line["request_id"]: line["kind"] for line in service.events("request_rejected")}
    assert kinds == {name: name for name in ("contract", "not-json", "media-type", "too-large")}
    (error,) = service.events("error")
    assert (error["request_id"], error["kind"], error["status"]) == ("error", "internal", 500)
    assert error["exc_info"].endswith("RuntimeError: a fault of ours")


def test_a_line_names_the_trace_only_if_the_request_did(service: LiveService) -> None:
    traced = {
        line["request_id"]: (line["trace_id"], line["span_id"])
        for line in loglines.of(service.log())
        if "trace_id" in line
    }
    assert traced == {"traced": (TRACE, SPAN), "error": (TRACE, SPAN)}


def test_a_service_that_refuses_to_start_says_so_in_one_line_of_the_schema(tmp_path: Path) -> None:
    bundle = str(trained.bundle("iris"))
    common = {"MODEL_DIR": bundle, "TMPDIR": str(tmp_path)}
    wrong = {"MODEL_DIGEST": "sha256:" + "0" * 64}, {"WORKERS": "many"}
    lines = []
    for environ in wrong:
        (line,) = loglines.of(run_to_end({**common, **environ}).stdout)
        lines.append(line)
    assert loglines.check(lines) == {"bundle_refused", "setting_refused"}


def test_what_a_library_warns_of_is_a_line_as_well() -> None:
    program = (
        "import logging.config, warnings; from app.observability import logs;"
        "logging.config.dictConfig(logs.config('info'));"
        "warnings.warn('one\\ntwo', RuntimeWarning)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    (line,) = loglines.of(done.stdout)
    loglines.check([line])
    assert (line["logger"], line["level"]) == ("py.warnings", "WARNING")
    assert "RuntimeWarning: one\ntwo" in line["event"]


def test_only_a_share_of_predictions_is_logged_but_every_rejection(tmp_path: Path) -> None:
    environ = {"WORKERS": "1", "LOG_SAMPLE_RATIO": "0.5"}
    service = LiveService(trained.bundle("iris"), tmp_path / "log", environ)
    try:
        service.wait_ready()
        for body in [{"features": ROW}, {}] * 200:
            service.client.post("/predict", json=body)
        # By chance alone fewer than 40 or more than 160 happen once in 10^17 runs.
        assert 40 <= len(service.events("prediction_completed")) <= 160
        assert len(service.events("request_rejected")) == 200
        loglines.check(loglines.of(service.log()))
    finally:
        service.stop()


def test_every_event_of_the_download_is_in_the_schema_and_no_other() -> None:
    """Its lines are held to the schema in tests/fetch, wherever it runs."""
    sources = [path.read_text() for path in (ROOT / "app/fetch").glob("*.py")]
    said = {name for text in sources for name in re.findall(r'log_event\(\s*"(\w+)"', text)}
    refusals = {"bundle_refused", "setting_refused", "fetch_refused", "signature_refused"}
    declared = {event.name for event in log_schema.EVENTS if "fetch" in event.loggers}
    assert said | refusals == declared


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"rows": "3"}, "'3' is not of type 'integer'"),
        ({"timestamp": "2026-11-21 16:00"}, "does not match"),
        ({"body": "secret"}, "Additional properties are not allowed"),
        ({"event": "prediction_lost"}, "not valid under any of the given schemas"),
        ({"level": "WARNING"}, "'INFO' was expected"),
    ],
)
def test_the_schema_refuses(service: LiveService, line: dict[str, object], message: str) -> None:
    good = service.events("prediction_completed")[0]
    with pytest.raises(AssertionError, match=re.escape(message)):
        loglines.check([{**good, **line}])


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (TRACEPARENT, TraceContext(TRACE, SPAN, is_sampled=True)),
        (f"00-{TRACE}-{SPAN}-00", TraceContext(TRACE, SPAN, is_sampled=False)),
        (f"cc-{TRACE}-{SPAN}-01-what-comes", TraceContext(TRACE, SPAN, is_sampled=True)),
        (f"00-{TRACE}-{SPAN}-01-what-comes", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"{TRACEPARENT}\n", None),
    ],
)
def test_a_trace_is_taken_from_a_valid_header_only(header: str, found: TraceContext | None) -> None:
    assert parse(header) == found


def test_the_reference_has_every_event_and_key() -> None:
    page = (ROOT / log_schema.PAGE).read_text()
    assert page == log_schema.page(), "run `make generate`"
