"""A real Prometheus takes the exemplars of a real service and gives them out by their trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import trained
from tests.app.receiver import Receiver
from tests.app.traffic import BODY
from tests.observability.stack import Stack

TRACE = "0af7651916cd43dd8448eb211c80319c"
DURATION = "ml_request_duration_seconds_bucket"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A Prometheus that watches one release."""
    with Receiver() as receiver, Stack(tmp_path) as stack:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "TRACE_SAMPLE_RATIO": "0"}
        stack.serve("iris", trained.bundle("iris"), "iris-0", **environ)
        stack.watch("iris")
        yield stack


def test_a_slow_request_leads_to_its_trace(stack: Stack) -> None:
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    answer = stack.pods["iris-0"].client.post("/predict", json=BODY, headers=headers)
    assert answer.status_code == 200
    stack.wait_for("the exemplar", lambda: exemplars(stack))
    (series,) = exemplars(stack)
    assert series["seriesLabels"]["route"] == "/predict"
    (exemplar,) = series["exemplars"]
    assert exemplar["labels"] == {"trace_id": TRACE}
    assert 0 < float(exemplar["value"]) <= float(series["seriesLabels"]["le"])
    # What it scraped was OpenMetrics, and it knows the types by its names.
    metadata = httpx.get(f"{stack.url}/api/v1/metadata").json()["data"]
    assert metadata["ml_request_duration_seconds"][0]["unit"] == "seconds"
    assert metadata["ml_requests"][0]["type"] == "counter"


def exemplars(stack: Stack) -> list[dict[str, Any]]:
    """What Prometheus has of this histogram."""
    asked = {"query": DURATION, "start": "0", "end": "9999999999"}
    answer = httpx.get(f"{stack.url}/api/v1/query_exemplars", params=asked, timeout=60)
    answer.raise_for_status()
    data: list[dict[str, Any]] = answer.json()["data"]
    return data
