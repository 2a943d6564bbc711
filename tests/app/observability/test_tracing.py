"""Spans as a collector gets them: below the caller's, timed, sampled, and none when off."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import trained
from tests.app.live import LiveService, run_to_end
from tests.app.receiver import Receiver
from tests.app.traffic import BODY

Start = Callable[..., LiveService]
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PHASES = ("preprocess", "inference", "postprocess")
ROOT = "POST /predict"
# The library gathers for five seconds by default.
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A collector."""
    with Receiver() as started:
        yield started


def traced(receiver: Receiver, **more: str) -> dict[str, str]:
    """The environment of a service that sends to it."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "WORKERS": "1", **SOON, **more}


def test_spans_are_below_the_callers_and_within_each_other(
    start: Start, receiver: Receiver
) -> None:
    service = start(trained.bundle("iris"), **traced(receiver, TRACE_SAMPLE_RATIO="0"))
    before = time.time_ns()
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-ID": "r-7"}
    answer = service.client.post("/predict", json=BODY, headers=headers)
    after = time.time_ns()
    assert answer.status_code == 200
    service.wait_until("sent", lambda: len(receiver.trace(TRACE)) == 4)
    spans = receiver.trace(TRACE)
    root = spans.pop(ROOT)
    assert root.parent == CALLER
    assert answer.headers["traceresponse"] == f"00-{TRACE}-{root.span_id}-01"
    assert root.kind == 2
    assert before - 1e7 < root.start < root.end < after + 1e7
    assert root.resource["service.name"] == "iris"
    assert root.resource["service.version"] == "1.0.0"
    digest = service.client.get("/model/info").json()["digest"]
    assert root.attributes == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "ml.rows": 1,
        "ml.model.digest": digest,
        "ml.request_id": "r-7",
    }
    assert tuple(spans) == PHASES
    ends = root.start
    for span in spans.values():
        assert span.parent == root.span_id
        assert ends - 1000 <= span.start < span.end <= root.end + 1000
        ends = span.end
    (line,) = service.events("prediction_completed")
    assert (line["trace_id"], line["span_id"]) == (TRACE, root.span_id)


def test_who_decides_what_is_sampled(start: Start, receiver: Receiver) -> None:
    service = start(trained.bundle("iris"), **traced(receiver, TRACE_SAMPLE_RATIO="1"))
    other = "1" * 32
    headers = {"traceparent": f"00-{other}-{CALLER}-00"}
    left_out = service.client.post("/predict", json=BODY, headers=headers)
    assert "traceresponse" not in left_out.headers
    answer = service.client.post("/predict", json=BODY)
    found = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01", answer.headers["traceresponse"])
    assert found is not None
    assert service.client.get("/ready").headers.get("traceresponse") is None
    service.wait_until("sent", lambda: len(receiver.trace(found[1])) == 4)
    root = receiver.trace(found[1])[ROOT]
    assert (root.span_id, root.parent) == (found[2], "")
    assert {span.trace_id for span in receiver.spans} == {found[1]}


def test_a_share_of_the_requests_is_traced(start: Start, receiver: Receiver) -> None:
    service = start(trained.bundle("iris"), **traced(receiver, TRACE_SAMPLE_RATIO="0.25"))
    answers = [service.client.post("/predict", json=BODY) for _ in range(400)]
    sampled = {answer.headers["traceresponse"][3:35] for answer in answers
               if "traceresponse" in answer.headers}  # fmt: skip
    # Six standard deviations around a hundred.
    assert 48 < len(sampled) < 152
    service.wait_until("sent", lambda: {span.trace_id for span in receiver.spans} == sampled)


def test_refusals_and_other_ways_in_have_spans_too(start: Start, receiver: Receiver) -> None:
    more = {"TRACE_SAMPLE_RATIO": "1", "OTEL_SERVICE_NAME": "shop-iris"}
    service = start(trained.bundle("iris"), **traced(receiver, **more))
    refused = service.client.post("/predict", json={"features": [1]})
    assert refused.status_code == 422
    tensor = {"name": "x", "datatype": "FP64", "shape": [1, 4], "data": BODY["features"]}
    path = "/v2/models/iris/infer"
    assert service.client.post(path, json={"inputs": [tensor]}).status_code == 200
    service.wait_until("sent", lambda: len(receiver.spans) == 5)
    (first,) = [span for span in receiver.spans if span.name == ROOT]
    assert first.attributes["error.type"] == "contract"
    assert first.attributes["http.response.status_code"] == 422
    # A client's mistake is no error of the server.
    assert first.status == 0
    assert first.resource["service.name"] == "shop-iris"
    assert "POST /v2/models/<model>/infer" in {span.name for span in receiver.spans}


def test_the_thread_of_a_slow_model_is_traced_as_well(start: Start, receiver: Receiver) -> None:
    service = start(trained.slow_bundle(), **traced(receiver, TRACE_SAMPLE_RATIO="1"))
    assert service.client.post("/predict", json=BODY).status_code == 200
    service.wait_until("sent", lambda: len(receiver.spans) == 4)
    spans = {span.name: span for span in receiver.spans}
    assert spans["inference"].end - spans["inference"].start > 2_000_000


def test_the_last_spans_are_sent_when_the_service_ends(start: Start, receiver: Receiver) -> None:
    late = {"OTEL_BSP_SCHEDULE_DELAY": "60000", "TRACE_SAMPLE_RATIO": "1"}
    service = start(trained.bundle("iris"), **traced(receiver, **late))
    for _ in range(3):
        service.client.post("/predict", json=BODY)
    assert receiver.spans == []
    service.client.close()
    service.signal(signal.SIGTERM)
    assert service.wait_ended() == 0
    assert len([span for span in receiver.spans if span.name == ROOT]) == 3


def test_a_collector_that_is_gone_harms_nobody(start: Start) -> None:
    with Receiver() as receiver:
        environ = traced(receiver, TRACE_SAMPLE_RATIO="1")
    service = start(trained.bundle("iris"), **environ)
    for _ in range(50):
        assert service.client.post("/predict", json=BODY).status_code == 200


def test_nothing_of_it_is_loaded_when_it_is_off(start: Start) -> None:
    service = start(trained.bundle("iris"), WORKERS="1")
    answer = service.client.post(
        "/predict", json=BODY, headers={"traceparent": f"00-{TRACE}-{CALLER}-01"}
    )
    assert "traceresponse" not in answer.headers
    (line,) = service.events("prediction_completed")
    assert (line["trace_id"], line["span_id"]) == (TRACE, CALLER)
    for pid in (service.process.pid, *service.workers()):
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert "protobuf" not in maps
        assert "opentelemetry" not in maps


def test_an_image_without_the_library_refuses_to_start(tmp_path: Path) -> None:
    blocked = tmp_path / "opentelemetry"
    blocked.mkdir()
    (blocked / "__init__.py").write_text("raise ImportError('not in this image')\n")
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "PYTHONPATH": str(tmp_path)}
    ended = run_to_end({"MODEL_DIR": str(trained.bundle("iris")), **environ})
    assert ended.returncode == 3
    assert "build the image with REQUIREMENTS=serve-otel" in ended.stdout
