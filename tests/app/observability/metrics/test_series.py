"""Every series is there from the start at 0, and each event adds to the one it should."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from app.model.contract import Contract
from app.observability.metrics import Metrics, ModelFacts, families
from app.observability.metrics.exposition import Exposition
from app.observability.metrics.layout import SlotLayout
from app.urls import URLS
from tests import trained
from tests.app.conftest import make_client
from tests.app.observability.metrics import samples

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

ROW = [5.1, 3.5, 1.4, 0.2]
PENGUIN = [39.1, 18.7, 181.0, 3750.0, "Torgersen", "male"]
JSON = "application/json"


def scrape(client: FlaskClient) -> dict[samples.Key, float]:
    """All series of an application in this process."""
    answer = client.get("/metrics")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return samples.read(answer.text)


def changed(
    before: dict[samples.Key, float], after: dict[samples.Key, float]
) -> dict[samples.Key, float]:
    """What was added, but for the scrape itself and what every request has."""
    quiet = ("ml_request", "ml_queue", "process_")
    return {
        key: after[key] - before[key]
        for key in after
        if after[key] != before[key] and not key[0].startswith(quiet)
    }


def everything(client: FlaskClient) -> None:
    """One request to every URL, answered and refused."""
    for url in URLS:
        path = url.path.replace("<model>", "iris").replace("<version>", "1.0.0")
        for body in ({"features": ROW}, {"instances": [ROW, ROW]}, {}, [1]):
            for wrong in (path, path.replace("iris", "rose"), f"{path}/x"):
                client.open(wrong, method=url.method, json=body)
                client.open(wrong, method="DELETE", json=body)
    client.get("//health")


def test_no_series_appears_later_than_at_the_start() -> None:
    client = make_client(trained.bundle("iris"))
    before = scrape(client)
    everything(client)
    after = scrape(client)
    assert after.keys() == before.keys()
    assert samples.total(after, "ml_requests_total", code="422") > 0
    unforeseen = [key for key in after if ("code", "4xx") in key[1] or ("code", "5xx") in key[1]]
    assert len(unforeseen) == 2
    assert [after[key] for key in unforeseen] == [0, 0]


def test_nothing_is_counted_before_the_first_request() -> None:
    found = scrape(make_client(trained.bundle("penguins")))
    constant = ("_reference_ratio", "_info", "_timestamp_seconds", "_load_seconds", "_limit")
    moving = {
        key: value
        for key, value in found.items()
        if value and not key[0].endswith(constant) and not key[0].startswith("process_")
    }
    assert moving == {("ml_worker_starts_total", ()): 1, ("ml_workers", ()): 1}


def test_what_an_answer_adds() -> None:
    client = make_client(trained.bundle("penguins"))
    before = scrape(client)
    body = {"instances": [PENGUIN, [None, *PENGUIN[1:4], "Dream", None]]}
    answer = client.post("/predict", json=body).get_json()["predictions"]
    found = changed(before, scrape(client))
    counters = {
        (name, *(value for _, value in labels)): value
        for (name, labels), value in found.items()
        if name.endswith("_total")
    }
    for row in answer:
        counters["ml_predictions_total", row["prediction"]] -= 1
    assert [counters.pop(name) for name in list(counters) if name[0] == "ml_predictions_total"] == [
        0
    ] * len({row["prediction"] for row in answer})
    for label in ("Torgersen", "Dream"):
        assert counters.pop(("ml_feature_bin_total", label, "island")) == 1
    for label in ("male", "missing"):
        assert counters.pop(("ml_feature_bin_total", label, "sex")) == 1
    assert counters.pop(("ml_feature_bin_total", "missing", "bill_length_mm")) == 1
    names = [name for name in counters if name[0] == "ml_feature_bin_total"]
    assert sum(counters[name] for name in names) == 7
    assert len(names) == len(counters)
    sums = {name: value for (name, _), value in found.items() if name.endswith("_sum")}
    assert sums["ml_batch_rows_sum"] == 2
    assert sums["ml_confidence_sum"] == pytest.approx(sum(row["confidence"] for row in answer))
    counts = {name: value for (name, _), value in found.items() if name.endswith("_count")}
    phases = ("ml_preprocess_seconds", "ml_inference_seconds", "ml_postprocess_seconds")
    expected = dict.fromkeys((f"{phase}_count" for phase in phases), 1)
    assert counts == {**expected, "ml_batch_rows_count": 1, "ml_confidence_count": 2}
    assert all(sums[f"{phase}_sum"] > 0 for phase in phases)


def post(client: FlaskClient, body: Any, path: str = "/predict", **more: Any) -> TestResponse:
    """A prediction that is asked for in some wrong way."""
    return client.post(path, **({"json": body} | more))


REFUSALS: dict[str, tuple[int, dict[str, Any]]] = {
    "not_json": (400, {"body": None, "json": None, "data": "{", "content_type": JSON}),
    "wrong_type": (415, {"body": None, "json": None, "data": "{}", "content_type": "text/csv"}),
    "not_csv": (
        400,
        {
            "json": None,
            "body": None,
            "data": b"\xff",
            "path": "/invocations",
            "content_type": "text/csv",
        },
    ),
    "malformed_compression": (
        400,
        {"body": {"features": ROW}, "headers": {"Content-Encoding": "gzip"}},
    ),
    "header": (400, {"body": {"features": ROW}, "headers": {"X-Request-Timeout-Ms": "0"}}),
    "contract": (422, {"body": {"features": [1]}}),
    "too_many_rows": (422, {"body": {"instances": [ROW] * 101}}),
    "unknown_model": (404, {"body": {"instances": [ROW]}, "path": "/v1/models/rose:predict"}),
    "malformed_tensor": (
        400,
        {
            "body": {},
            "path": "/v2/models/iris/infer",
            "headers": {"Inference-Header-Content-Length": "x"},
        },
    ),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_refusal_is_counted_by_its_reason(iris: FlaskClient, reason: str) -> None:
    status, request = REFUSALS[reason]
    before = scrape(iris)
    assert post(iris, **request).status_code == status
    after = scrape(iris)
    assert changed(before, after) == {("ml_input_rejections_total", (("reason", reason),)): 1}


def test_too_many_rows_of_tensors_are_counted_as_such(iris: FlaskClient) -> None:
    before = scrape(iris)
    tensor = {"name": "x", "datatype": "FP64", "shape": [101, 4], "data": ROW * 101}
    assert post(iris, {"inputs": [tensor]}, "/v2/models/iris/infer").status_code == 422
    labels = (("reason", "too_many_rows"),)
    assert changed(before, scrape(iris)) == {("ml_input_rejections_total", labels): 1}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"features": [*PENGUIN[:4], "Mars", "male"]}),
        ("/predict", {"features": {"island": "Mars"}}),
        ("/v1/models/penguins:predict", {"instances": [[*PENGUIN[:4], "Mars", "male"]]}),
        (
            "/v2/models/penguins/infer",
            {
                "inputs": [
                    {"name": "island", "datatype": "BYTES", "shape": [1], "data": ["Mars"]},
                ]
            },
        ),
    ],
    ids=["by position", "by name", "v1", "v2"],
)
def test_a_category_nobody_has_seen_is_drift_although_it_is_refused(
    penguins: FlaskClient, path: str, body: dict[str, Any]
) -> None:
    before = scrape(penguins)
    assert post(penguins, body, path).status_code == 422
    found = changed(before, scrape(penguins))
    labels = (("bin", "unseen"), ("feature", "island"))
    assert found.pop(("ml_feature_bin_total", labels)) == 1
    assert found == {("ml_input_rejections_total", (("reason", "contract"),)): 1}


def test_a_null_that_is_refused_counts_as_missing(iris: FlaskClient) -> None:
    before = scrape(iris)
    assert post(iris, {"features": [*ROW[:3], None]}).status_code == 422
    labels = (("bin", "missing"), ("feature", "petal_width"))
    assert changed(before, scrape(iris))["ml_feature_bin_total", labels] == 1


@pytest.mark.parametrize(("most", "counted"), [("0", 0), ("2", 2), ("100", 4)])
def test_drift_counting_has_a_limit_and_can_be_switched_off(most: str, counted: int) -> None:
    client = make_client(trained.bundle("iris"), DRIFT_MAX_FEATURES=most)
    assert post(client, {"instances": [ROW] * 3}).status_code == 200
    found = scrape(client)
    names = {dict(labels)["feature"] for name, labels in found if name == "ml_feature_bin_total"}
    assert len(names) == counted
    assert samples.total(found, "ml_feature_bin_total") == 3 * counted
    assert samples.total(found, "ml_predictions_total") == 3


def facts(**manifest: Any) -> ModelFacts:
    """Of a model with difficult names."""
    service = make_client(trained.bundle("penguins")).get("/model/info").get_json()
    contract = Contract.from_manifest(service)
    named = {"name": 'a "b"\\\nc', "version": "1", **manifest}
    return ModelFacts(named, "sha256:0", "onnx", contract, max_features=9)


def test_labels_are_escaped_and_old_manifests_do() -> None:
    metrics = Metrics(facts())
    metrics.start(metrics.take(), 1.0)
    found = samples.read(metrics.exposition("")[0].decode())
    assert found["ml_model_info", tuple(sorted({
        "name": 'a "b"\\\nc', "version": "1", "digest": "sha256:0", "engine": "onnx",
    }.items()))] == 1  # fmt: skip
    names = {name for name, _ in found}
    assert not {"ml_model_created_timestamp_seconds", "ml_feature_bin_total"} & names


def test_buckets_hold_their_bound_and_add_up() -> None:
    layout = SlotLayout()
    first = layout.add(families.BATCH_ROWS)
    numbers = np.zeros(layout.size)
    numbers[first : first + len(families.ROWS) + 2] = range(1, len(families.ROWS) + 3)
    text, _ = Exposition(layout, 0.0, None).render("", numbers.tolist())
    found = samples.read(text.decode())
    assert found["ml_batch_rows_bucket", (("le", "1.0"),)] == 1
    assert found["ml_batch_rows_bucket", (("le", "+Inf"),)] == found["ml_batch_rows_count", ()]
    assert found["ml_batch_rows_count", ()] == sum(range(1, len(families.ROWS) + 2))
    assert found["ml_batch_rows_sum", ()] == len(families.ROWS) + 2


def test_names_and_units_are_as_prometheus_wants_them() -> None:
    listed = [value for value in vars(families).values() if isinstance(value, families.Family)]
    for family in listed:
        assert re.fullmatch(r"(ml|process)_[a-z_]+", family.name)
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        if family.unit in ("seconds", "bytes"):
            stem = family.name.removesuffix("_total")
            assert stem.endswith(family.unit), family.name
        assert bool(family.buckets) == (family.kind == "histogram")
        assert list(family.buckets) == sorted(family.buckets)
        assert family.help.endswith(".")
    assert len({family.name for family in listed}) == len(listed)
