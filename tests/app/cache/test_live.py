"""`python -m app` with a memory: hits are predictions, and stand in no line."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import trained
from tests.app.live import LiveService, run_to_end
from tests.app.observability.metrics import samples
from tests.app.traffic import BODY, Load

Start = Callable[..., LiveService]
OTHER_BODY = {"features": [6.0, 2.9, 4.5, 1.5]}


def predict(service: LiveService, body: dict[str, Any] = BODY) -> dict[str, Any]:
    response = service.client.post("/predict", json=body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    del found["request_id"]
    return found


def read(service: LiveService) -> dict[samples.Key, float]:
    return samples.read(service.client.get("/metrics").text)


def moved(
    before: dict[samples.Key, float], after: dict[samples.Key, float]
) -> dict[samples.Key, float]:
    """Counts that are no times and no bytes, by how much they grew."""
    names = ("ml_predictions_total", "ml_feature_bin_total", "ml_batch_rows_sum",
             "ml_confidence_sum", "ml_inference_seconds_count")  # fmt: skip
    return {
        key: after[key] - before[key]
        for key in after
        if key[0] in names and after[key] != before[key]
    }


def test_a_hit_is_a_prediction_in_metrics_log_and_capture(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "captured"
    folder.mkdir()
    service = start(
        trained.bundle("iris"),
        WORKERS="1",
        CACHE_BYTES="100000",
        CAPTURE_RATIO="1",
        CAPTURE_DIR=str(folder),
    )
    nothing = read(service)
    first = predict(service)
    once = read(service)
    assert predict(service) == first
    twice = read(service)
    assert moved(once, twice) == pytest.approx(moved(nothing, once))
    assert moved(nothing, once)
    assert samples.total(twice, "ml_cache_hits_total", level="memory") == 1
    assert samples.total(twice, "ml_cache_misses_total") == 1
    assert 0 < samples.total(twice, "ml_cache_bytes") < 1000
    assert samples.total(twice, "ml_cache_limit_bytes") == 100_000
    lines = service.events("prediction_completed")
    assert [line["prediction"] for line in lines] == [["setosa"], ["setosa"]]
    service.wait_until(
        "captured",
        lambda: sum(len(path.read_text().splitlines()) for path in folder.rglob("*.jsonl")) == 2,
    )


def test_without_a_cache_there_is_none_of_its_series(start: Start) -> None:
    service = start(trained.bundle("iris"), WORKERS="1")
    predict(service)
    assert not [key for key in read(service) if key[0].startswith("ml_cache")]


def test_an_explanation_is_computed_each_time(start: Start) -> None:
    service = start(trained.explained_bundle("iris"), WORKERS="1", CACHE_BYTES="100000")
    first = service.client.post("/explain", json=BODY).json()
    predict(service)
    again = service.client.post("/explain", json=BODY).json()
    assert {**first, "request_id": ""} == {**again, "request_id": ""}
    assert "explanation" in json.dumps(again)
    assert "explanation" not in json.dumps(predict(service))
    found = read(service)
    assert samples.total(found, "ml_cache_misses_total") == 1
    assert samples.total(found, "ml_cache_hits_total") == 1


def unasked() -> Callable[[], bytes]:
    """Rows that nobody has asked for."""
    numbers = itertools.count()
    return lambda: json.dumps({"features": [5.0 + next(numbers) / 1000, 3.5, 1.4, 0.2]}).encode()


def test_a_hit_waits_for_no_slow_prediction(start: Start) -> None:
    """The thread that predicts is busy, and the line before it full: the loop answers a hit."""
    service = start(trained.slow_bundle(), WORKERS="1", CACHE_BYTES="100000", MAX_IN_FLIGHT="1")
    known = predict(service, OTHER_BODY)
    with Load(service.port, 4, body=unasked()) as flood:
        for _ in range(50):
            shed = flood.statuses().count(503)
            service.wait_until("shedding", lambda: flood.statuses().count(503) > shed)  # noqa: B023
            assert predict(service, OTHER_BODY) == known
    assert set(flood.statuses()) == {200, 503}
    found = read(service)
    assert samples.total(found, "ml_cache_hits_total", level="memory") == 50
    assert samples.total(found, "ml_cache_misses_total") == flood.statuses().count(200) + 1


@pytest.mark.parametrize(
    ("name", "environ", "expected"),
    [
        ("CACHE_URL", {"CACHE_URL": "http://redis:6379"}, "redis://host:6379/0"),
        ("CACHE_URL", {"CACHE_URL": "redis://redis/0?socket_timeout=60"}, "redis://host:6379/0"),
        ("CACHE_URL", {"CACHE_URL": "redis://redis:0/zero"}, "redis://host:6379/0"),
        ("CACHE_URL", {"CACHE_URL": "redis://"}, "redis://host:6379/0"),
        ("CACHE_CA", {"CACHE_URL": "rediss://redis", "CACHE_CA": "/nowhere"}, "a file in PEM"),
        ("CACHE_KEY", {"CACHE_URL": "rediss://redis", "CACHE_CERT": "/x"}, "CACHE_KEY together"),
        ("CACHE_SECRET", {"CACHE_URL": "redis://redis", "CACHE_SECRET": "short"}, "16 to 64 bytes"),
        ("CACHE_BYTES", {"CACHE_BYTES": "-1"}, "an integer >= 0"),
        ("CACHE_TTL_SECONDS", {"CACHE_TTL_SECONDS": "0"}, "a number >= 1"),
        ("CACHE_BUDGET_MS", {"CACHE_BUDGET_MS": "0"}, "a number >= 0.1"),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else None,
)
def test_a_setting_that_means_nothing_is_refused(
    name: str, environ: dict[str, str], expected: str
) -> None:
    ended = run_to_end({"MODEL_DIR": str(trained.bundle("iris")), **environ})
    assert ended.returncode == 3
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["event"] == "setting_refused"
    assert f"{name} is invalid" in found["what"]
    assert expected in found["expected"]


def test_a_refusal_says_no_password() -> None:
    url = "redis://anna:mypassword@redis:6379/zero"
    ended = run_to_end({"MODEL_DIR": str(trained.bundle("iris")), "CACHE_URL": url})
    assert ended.returncode == 3
    assert "mypassword" not in ended.stdout


def test_an_image_without_redis_py_refuses_to_share_and_has_a_memory(
    tmp_path: Path, start: Start
) -> None:
    blocked = tmp_path / "redis"
    blocked.mkdir()
    (blocked / "__init__.py").write_text("raise ImportError('not in this image')\n")
    environ = {"PYTHONPATH": str(tmp_path), "CACHE_BYTES": "100000"}
    bundle = trained.bundle("iris")
    ended = run_to_end({"MODEL_DIR": str(bundle), **environ, "CACHE_URL": "redis://redis:6379"})
    assert ended.returncode == 3
    assert "build the image with REQUIREMENTS=serve-cache" in ended.stdout
    service = start(bundle, **environ)
    assert predict(service) == predict(service)
