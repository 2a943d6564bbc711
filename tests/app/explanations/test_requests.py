"""POST /explain and V1's `:explain`: the same rows as a prediction's, bounded, and no traffic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.estimates import INLINE_SECONDS
from app.model import explainer
from tests import trained
from tests.app.conftest import make_client, make_service
from tests.app.explanations.explained import assert_adds_up
from tests.app.live import LiveService
from tests.app.protocols.test_native import NAMED, PENGUIN, ROW, post

OTHER = [6.7, 3.0, 5.2, 2.3]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A model that is explained, behind the service's own front."""
    folder = tmp_path_factory.mktemp("explained")
    (folder / "captured").mkdir()
    environ = {"WORKERS": "1", "CAPTURE_RATIO": "1", "CAPTURE_DIR": str(folder / "captured")}
    live = LiveService(trained.bundle("iris"), folder / "log", environ)
    live.wait_ready()
    yield live
    live.stop()


def explained(client: FlaskClient, body: Any, path: str = "/explain") -> dict[str, Any]:
    response = post(client, body, path)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.get_json()
    return found


def test_a_row_has_the_prediction_and_what_adds_up_to_it(iris: FlaskClient) -> None:
    answer = explained(iris, {"features": NAMED})
    predicted = post(iris, {"features": NAMED}).get_json()
    assert {**answer, "explanation": None, "request_id": ""} == {
        **predicted, "explanation": None, "request_id": "",
    }  # fmt: skip
    assert list(answer["explanation"]["contributions"]) == list(NAMED)
    assert len(answer["explanation"]["base"]) == 3
    assert_adds_up(answer)


@pytest.mark.parametrize(
    "body",
    [{"features": ROW}, {"instances": [ROW]}, {"inputs": [NAMED]}, NAMED, {"input": NAMED}],
)
def test_the_same_row_has_the_same_explanation_in_every_form(
    iris: FlaskClient, body: dict[str, Any]
) -> None:
    expected = explained(iris, {"features": NAMED})["explanation"]
    answer = explained(iris, body)
    assert answer.get("explanation", answer.get("predictions", [{}])[0].get("explanation")) == (
        expected
    )


def test_v1_answers_predictions_and_explanations(iris: FlaskClient) -> None:
    rows = {"instances": [ROW, OTHER]}
    answer = explained(iris, rows, "/v1/models/iris:explain")
    native = explained(iris, rows)["predictions"]
    assert (
        answer["predictions"]
        == post(iris, rows, "/v1/models/iris:predict").get_json()["predictions"]
    )
    assert answer["explanations"] == [row["explanation"] for row in native]
    assert post(iris, rows, "/v1/models/other:explain").status_code == 404


def test_a_bundle_without_a_background_says_how_to_get_one(penguins: FlaskClient) -> None:
    for path in ("/explain", "/v1/models/penguins:explain"):
        response = post(penguins, {"instances": [PENGUIN]}, path)
        assert response.status_code == 501
        detail = response.get_json()["detail"]
        assert "`modelctl package --explain`" in detail
        assert "`explain: true` in model.yaml" in detail
    assert penguins.get("/model/info").get_json()["explain"] is None


def test_a_client_learns_beforehand_how_and_how_many(iris: FlaskClient) -> None:
    assert iris.get("/model/info").get_json()["explain"] == {
        "of": "probability",
        "features": list(NAMED),
        "method": "exact",
        "background_rows": 100,
        "permutations": None,
        "evaluations": 1400,
        "max_rows": 100,
    }


def test_more_rows_than_a_request_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explainer, "MAX_EVALUATIONS", 3000)
    client = make_client(trained.bundle("iris"))
    explained(client, {"instances": [ROW] * 2})
    refused = post(client, {"instances": [ROW] * 3}, "/explain")
    assert refused.status_code == 422
    assert refused.get_json()["errors"][0]["msg"] == (
        "expected 1 to 2 rows, found 3: a row costs 1,400 predictions, send fewer at a time"
    )
    assert client.get("/model/info").get_json()["explain"]["max_rows"] == 2
    assert post(client, {"instances": [ROW] * 3}).status_code == 200


def test_a_wrong_row_is_refused_as_for_a_prediction(iris: FlaskClient) -> None:
    body = {"features": {**NAMED, "petal_width": "wide"}}
    refused, predicted = post(iris, body, "/explain"), post(iris, body)
    assert refused.status_code == predicted.status_code == 422
    assert refused.get_json()["errors"] == predicted.get_json()["errors"]
    assert iris.post("/explain", data="<x/>", content_type="text/xml").status_code == 415
    assert iris.get("/explain").status_code == 405


# ---- behind the front


def test_the_front_answers_as_flask_does(service: LiveService, iris: FlaskClient) -> None:
    body = {"instances": [ROW, OTHER]}
    answer = service.client.post("/explain", json=body)
    assert answer.status_code == 200
    expected = explained(iris, body)
    assert answer.json()["predictions"] == expected["predictions"]


def test_explained_rows_are_no_traffic_of_the_model(service: LiveService) -> None:
    def counts() -> list[float]:
        names = ("ml_predictions_total", "ml_feature_bin_total", "ml_queue_wait_seconds_count",
                 "ml_batch_rows_count", "ml_input_rejections_total", "ml_capture_rows_total",
                 "ml_preprocess_seconds_count", "ml_confidence_count")  # fmt: skip
        return [service.metric(name) for name in names]

    before, asked = counts(), service.metric('ml_requests_total{[^}]*route="/explain"[^}]*}')
    assert service.client.post("/explain", json={"instances": [ROW] * 20}).status_code == 200
    assert service.client.post("/explain", json={"features": [None] * 4}).status_code == 422
    assert counts() == before
    text = service.client.get("/metrics").text
    assert 'ml_request_duration_seconds_count{route="/explain"}' in text
    assert service.metric('ml_requests_total{[^}]*route="/explain"[^}]*}') == asked + 2
    lines = service.events("explanation_completed")
    assert lines[-1]["route"] == "/explain"
    assert lines[-1]["rows"] == 20


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A model that takes a large part of a second to explain one row."""
    folder = tmp_path_factory.mktemp("slow")
    live = LiveService(trained.slow_bundle(), folder / "log", {"WORKERS": "1"})
    live.wait_ready()
    yield live
    live.stop()


def test_a_deadline_ends_an_explanation_between_two_calls(slow: LiveService) -> None:
    headers = {"X-Request-Timeout-Ms": "300"}
    late = slow.client.post("/explain", json={"instances": [ROW] * 50}, headers=headers)
    assert late.status_code == 504
    assert late.json()["type"] == "urn:ml-model:problem:deadline"
    # All of it would take ten times as long; what is left is at most a call of the engine.
    slow.wait_until("free again", lambda: slow.metric("ml_requests_in_flight") == 0)
    assert slow.metric('ml_requests_total{[^}]*code="504"[^}]*route="/explain"[^}]*}') == 1
    (line,) = [line for line in slow.events("request_rejected") if line["route"] == "/explain"]
    assert line["duration_ms"] < 5000


def test_the_loop_goes_on_while_rows_are_explained(slow: LiveService) -> None:
    """One row of this model may be predicted in the loop; explaining one is known to cost more."""
    headers = {"X-Request-Timeout-Ms": "3000"}
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(
            slow.client.post, "/explain", json={"instances": [ROW] * 50}, headers=headers
        )
        slow.wait_until("in flight", lambda: slow.metric("ml_requests_in_flight") == 1)
        for _ in range(5):
            assert slow.client.get("/health").elapsed.total_seconds() < 1
        assert not asked.done()
        assert asked.result().status_code == 504


def test_the_queue_knows_what_an_explanation_costs() -> None:
    service = make_service(trained.bundle("iris"))
    size = len(json.dumps({"instances": [ROW] * 100}))
    predicted = service.expected_seconds(size)
    one, all_rows = (service.expected_seconds(each, explains=True) for each in (20, size))
    assert predicted < INLINE_SECONDS < all_rows
    assert 50 * (one - predicted) < all_rows
