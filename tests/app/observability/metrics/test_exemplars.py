"""A bucket leads to the trace of its latest request, whoever is asked, and never to a torn one."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.samples import Exemplar

from app.observability.metrics.shared_exemplars import (
    RECORD_BYTES,
    SharedExemplars,
    TracedValue,
    write,
)
from tests import trained
from tests.app.live import LiveService
from tests.app.observability.metrics import samples
from tests.app.receiver import Receiver
from tests.app.traffic import BODY

Start = Callable[..., LiveService]
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
DURATION = "ml_request_duration_seconds"
PHASES = tuple(f"ml_{name}_seconds" for name in
               ("queue_wait", "preprocess", "inference", "postprocess"))  # fmt: skip


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A collector."""
    with Receiver() as started:
        yield started


def traced(receiver: Receiver, **more: str) -> dict[str, str]:
    """The environment of a service that sends spans, of those requests only whose caller asks."""
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    return {**endpoint, "TRACE_SAMPLE_RATIO": "0", "WORKERS": "1", **more}


def exemplars(client: httpx.Client) -> dict[samples.Key, Exemplar]:
    """Every exemplar of a scrape, each within the bounds of its bucket."""
    text = client.get("/metrics", headers={"Accept": samples.OPENMETRICS}).text
    shown: dict[samples.Key, Exemplar] = {}
    for family in samples.families(text):
        below = 0.0
        for one in family.samples:
            if "le" in one.labels:
                bound = float(one.labels["le"])
                below = 0.0 if below >= bound else below
                if one.exemplar is not None:
                    assert below < one.exemplar.value <= bound
                    shown[one.name, tuple(sorted(one.labels.items()))] = one.exemplar
                below = bound
    return shown


def of(shown: dict[samples.Key, Exemplar], histogram: str, **labels: str) -> list[Exemplar]:
    """The exemplars of one histogram's series."""
    return [
        exemplar
        for (name, has), exemplar in shown.items()
        if name == f"{histogram}_bucket" and labels.items() <= {*has}
    ]


def test_a_bucket_names_the_trace_of_its_very_request(start: Start, receiver: Receiver) -> None:
    service = start(trained.bundle("iris"), **traced(receiver))
    for headers in ({}, {"traceparent": f"00-{TRACE}-{CALLER}-00"}):
        answer = service.client.post("/predict", json=BODY, headers=headers)
        assert answer.status_code == 200
    assert exemplars(service.client) == {}
    before = time.time()
    assert service.client.post("/predict", json=BODY, headers=SAMPLED).status_code == 200
    after = time.time()
    service.wait_until("sent", lambda: len(receiver.trace(TRACE)) == 4)
    shown = exemplars(service.client)
    (duration,) = of(shown, DURATION, route="/predict")
    assert len(shown) == 1 + len(PHASES)
    for exemplar in shown.values():
        assert exemplar.labels == {"trace_id": TRACE}
        assert before <= float(exemplar.timestamp or 0) <= after
    # They are the very times that the spans have.
    spans = receiver.trace(TRACE)
    root = spans["POST /predict"]
    assert duration.value == pytest.approx((root.end - root.start) / 1e9, abs=2e-6)
    (inference,) = of(shown, "ml_inference_seconds")
    span = spans["inference"]
    assert inference.value == pytest.approx((span.end - span.start) / 1e9, abs=2e-6)


def test_the_newest_request_takes_the_place_of_an_older_one(
    start: Start, receiver: Receiver
) -> None:
    service = start(trained.bundle("iris"), **traced(receiver))
    for number in range(1, 41):
        trace = f"{number:032x}"
        headers = {"traceparent": f"00-{trace}-{CALLER}-01"}
        assert service.client.post("/predict", json=BODY, headers=headers).status_code == 200
    shown = of(exemplars(service.client), DURATION, route="/predict")
    newest = max(shown, key=lambda exemplar: float(exemplar.timestamp or 0))
    assert newest.labels == {"trace_id": f"{40:032x}"}


def test_a_refused_request_is_an_example_too(start: Start, receiver: Receiver) -> None:
    service = start(trained.bundle("iris"), **traced(receiver))
    answer = service.client.post("/predict", json={"features": [1]}, headers=SAMPLED)
    assert answer.status_code == 422
    shown = exemplars(service.client)
    assert (
        len(of(shown, DURATION, route="/predict")) == len(of(shown, "ml_queue_wait_seconds")) == 1
    )
    assert len(shown) == 2


@contextlib.contextmanager
def connections(service: LiveService) -> Iterator[dict[int, httpx.Client]]:
    """A connection to each of two workers, by their process ids; asking for it traces nothing."""
    with contextlib.ExitStack() as stack:
        clients: dict[int, httpx.Client] = {}
        while len(clients) < 2:
            client = stack.enter_context(httpx.Client(base_url=service.client.base_url))
            name = os.urandom(8).hex()
            answer = client.post("/predict", json=BODY, headers={"X-Request-ID": name})
            assert answer.status_code == 200
            lines = service.events("prediction_completed")
            (pid,) = [line["pid"] for line in lines if line["request_id"] == name]
            clients.setdefault(pid, client)
            assert len(lines) < 300, "one worker gets every connection"
        yield clients


def test_every_worker_shows_the_examples_of_all(start: Start, receiver: Receiver) -> None:
    service = start(trained.bundle("iris"), **traced(receiver, WORKERS="2"))
    service.wait_until("two workers", lambda: len(service.events("model_loaded")) == 2)
    with connections(service) as clients:
        (first, one), (_, other) = clients.items()
        assert one.post("/predict", json=BODY, headers=SAMPLED).status_code == 200
        (duration,) = of(exemplars(other), DURATION, route="/predict")
        assert duration.labels == {"trace_id": TRACE}
        # What a worker has shown stays when it is killed, and its successor shows it as well.
        os.kill(first, signal.SIGKILL)
        service.wait_until("replaced", lambda: len(service.events("model_loaded")) == 3)
    with connections(service) as clients:
        assert first not in clients
        for client in clients.values():
            assert of(exemplars(client), DURATION, route="/predict") == [duration]


def test_the_older_format_has_none(start: Start, receiver: Receiver) -> None:
    service = start(trained.bundle("iris"), **traced(receiver))
    assert service.client.post("/predict", json=BODY, headers=SAMPLED).status_code == 200
    text = service.client.get("/metrics").text
    assert TRACE not in text
    assert samples.read(text)


def test_there_are_none_and_no_memory_for_them_when_nothing_is_traced(
    start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "metrics"
    service = start(trained.bundle("iris"), WORKERS="1", PROMETHEUS_MULTIPROC_DIR=str(folder))
    assert service.client.post("/predict", json=BODY, headers=SAMPLED).status_code == 200
    assert exemplars(service.client) == {}
    assert not list(folder.glob("*.exemplars"))


def test_a_new_master_begins_without_those_of_an_earlier_one(
    start: Start, receiver: Receiver, tmp_path: Path
) -> None:
    folder = tmp_path / "metrics"
    environ = traced(receiver, PROMETHEUS_MULTIPROC_DIR=str(folder))
    service = start(trained.bundle("iris"), **environ)
    assert service.client.post("/predict", json=BODY, headers=SAMPLED).status_code == 200
    assert exemplars(service.client)
    service.stop()
    assert exemplars(start(trained.bundle("iris"), **environ).client) == {}


def put(records: memoryview, slot: int, traced: TracedValue) -> None:
    """Write what `latest` shall give back."""
    write(records, slot, bytes.fromhex(traced.trace_id), traced.value, traced.timestamp)


def test_a_bucket_has_the_newest_of_all_workers(tmp_path: Path) -> None:
    shared = SharedExemplars(tmp_path, 2)
    older, newer = (TracedValue(f"{n}" * 32, 0.5, 1.7e9 + n) for n in (1, 2))
    for workers in ((0, 1), (1, 0)):
        for worker, value in zip(workers, (older, newer), strict=True):
            put(shared.records(worker), 1, value)
        assert shared.latest([0, 1]) == {1: newer}


def test_a_torn_record_is_dropped(tmp_path: Path) -> None:
    shared = SharedExemplars(tmp_path, 3)
    assert shared.latest([0, 1, 2]) == {}
    records = shared.records(0)
    one, two = (TracedValue(f"{n}" * 32, n / 7, 1.7e9 + n) for n in (1, 2))
    put(records, 1, one)
    assert SharedExemplars(tmp_path, 3).latest([0, 1, 2]) == {1: one}
    whole = bytes(records[RECORD_BYTES : 2 * RECORD_BYTES])
    put(records, 1, two)
    newer = bytes(records[RECORD_BYTES : 2 * RECORD_BYTES])
    for size in range(RECORD_BYTES + 1):
        torn = newer[:size] + whole[size:]
        records[RECORD_BYTES : 2 * RECORD_BYTES] = torn
        expected = {whole: {1: one}, newer: {1: two}}.get(torn, {})
        assert shared.latest([1]) == expected, size


def test_a_reader_beside_a_writer_sees_whole_records_only(tmp_path: Path) -> None:
    """Another mapping of the same memory, as another worker has it."""
    records, reader = SharedExemplars(tmp_path, 1).records(0), SharedExemplars(tmp_path, 1)
    ended = threading.Event()

    def keep_writing() -> None:
        number = 0
        while not ended.is_set():
            number = (number + 1) % 10
            put(records, 0, TracedValue(f"{number}" * 32, float(number), float(number)))

    writer = threading.Thread(target=keep_writing)
    writer.start()
    seen = set()
    for _ in range(20_000):
        for value in reader.latest([0]).values():
            assert re.fullmatch(rf"({int(value.value)}){{32}}", value.trace_id)
            assert value.value == value.timestamp
            seen.add(value)
    ended.set()
    writer.join()
    assert len(seen) > 1
