"""Every kind of output, from a joblib file to the answers of each protocol.

The right answer is scikit-learn's, for the user's own object.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from app.model.bundle import verify
from tests.app.conftest import make_client
from tests.outputs.answers import expected, flat, is_close
from tests.outputs.kinds import KINDS, Kind
from tests.outputs.packaged import BUNDLE, package_kind

if TYPE_CHECKING:
    from flask.testing import FlaskClient

ROWS = 7


class Served:
    """A packaged and started model, and the rows it is asked about."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind = kind
        self.model, features, self.plan = package_kind(kind, folder)
        self.manifest = verify(folder / BUNDLE).manifest
        self.client: FlaskClient = make_client(folder / BUNDLE)
        # Real rows, and one between two of them that nobody was fitted on.
        self.rows = features.iloc[[0, 3, len(features) // 2, -1, 5, 8]].copy()
        self.rows.loc[len(features)] = features.iloc[[1, -2]].mean()
        self.rows = self.rows.astype(features.dtypes.to_dict())

    @property
    def targets(self) -> list[str]:
        """The names of several targets."""
        return [target["name"] for target in self.manifest["output"].get("targets", [])]

    def expected(self, method: str) -> list[Any]:
        return expected(self.model, self.rows, method, self.targets)

    def post(self, path: str, document: Any) -> dict[str, Any]:
        response = self.client.post(path, json=document)
        found: dict[str, Any] = response.get_json()
        assert response.status_code == 200, found
        return found

    def validator(self, name: str) -> Draft202012Validator:
        document = self.client.get("/openapi.json").get_json()
        return Draft202012Validator({"$ref": f"#/components/schemas/{name}", **document})


@pytest.fixture(scope="module", params=KINDS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Each of the kinds, one after the other."""
    return Served(KINDS[request.param], tmp_path_factory.mktemp("kind"))


def test_the_engine_is_the_one_promised(served: Served) -> None:
    reasons = [f"{attempt.name}: {attempt.reason}" for attempt in served.plan.attempts]
    assert served.manifest["engine"] == served.kind.engine, reasons
    if served.kind.engine == "sklearn":
        assert "no exact translation" in reasons[0]


def test_predict_answers_like_scikit_learn(served: Served) -> None:
    named = json.loads(served.rows.to_json(orient="records", double_precision=15))
    found = served.post("/predict", {"instances": named})
    served.validator("Predictions").validate(found)
    assert len(found["predictions"]) == len(served.rows) == ROWS
    answer, *others = served.kind.methods
    for row, right in zip(found["predictions"], served.expected(answer), strict=True):
        assert is_close(right, row["prediction"])
    keys = {"prediction"}
    if "predict_proba" in others:
        keys |= {"probability", "confidence"}
        for row, right in zip(found["predictions"], served.expected("predict_proba"), strict=True):
            assert is_close(right, row["probability"])
            highest = (
                {name: max(shares) for name, shares in right.items()}
                if served.targets
                else max(right)
            )
            assert is_close(highest, row["confidence"])
    if "decision_function" in others:
        kind = served.manifest["output"]["kind"]
        key = "score" if kind == "anomaly" else "decision"
        keys.add(key)
        rights = served.expected("decision_function")
        for row, right in zip(found["predictions"], rights, strict=True):
            assert is_close(right, row[key])
    assert all(set(row) == keys for row in found["predictions"])


def test_one_row_is_answered_like_the_same_row_among_others(served: Served) -> None:
    listed = served.rows.to_numpy().tolist()
    together = served.post("/predict", {"instances": listed})["predictions"]
    for row, among in zip(listed, together, strict=True):
        alone = served.post("/predict", {"features": row})
        served.validator("Prediction").validate(alone)
        trace = {key: alone[key] for key in ("model_version", "request_id")}
        assert is_close(among | trace, alone)


def test_v1_selects_by_the_method(served: Served) -> None:
    rows = served.rows.to_numpy().tolist()
    schema = served.validator("V1Response")
    first = served.kind.methods[0]
    for signature in (None, "serving_default", *served.kind.methods):
        body = {"instances": rows, **({"signature_name": signature} if signature else {})}
        served.validator("V1Request").validate(body)
        found = served.post("/v1/models/kind:predict", body)
        schema.validate(found)
        method = signature if signature in served.kind.methods else first
        assert is_close(served.expected(str(method)), found["predictions"])
    other = "predict_log_proba"
    response = served.client.post(
        "/v1/models/kind:predict", json={"instances": rows, "signature_name": other}
    )
    assert response.status_code == 422


def test_v2_has_a_tensor_for_each_part(served: Served) -> None:
    metadata = served.client.get("/v2/models/kind").get_json()
    served.validator("V2Metadata").validate(metadata)
    shapes = {entry["name"]: entry for entry in metadata["outputs"]}
    rows = served.rows.to_numpy(dtype=float)
    tensor = {"name": "rows", "datatype": "FP64", "shape": list(rows.shape), "data": rows.tolist()}
    body: dict[str, Any] = {"inputs": [tensor]}
    found = served.post("/v2/models/kind/infer", body)
    served.validator("V2Response").validate(found)
    tensors = {entry["name"]: entry for entry in found["outputs"]}
    assert list(tensors) == list(shapes)
    rights: dict[str, list[Any]] = {}
    for method in served.kind.methods:
        answer = served.expected(method)
        if method == "predict_proba" and served.targets:
            for name in served.targets:
                rights[f"predict_proba_{name}"] = [row[name] for row in answer]
        else:
            rights[method] = answer
    assert list(tensors) == list(rights)
    for name, right in rights.items():
        entry = tensors[name]
        assert entry["shape"] == [ROWS, *shapes[name]["shape"][1:]]
        assert entry["datatype"] == shapes[name]["datatype"]
        assert int(np.prod(entry["shape"])) == len(entry["data"])
        assert is_close(flat(right), entry["data"])
        one = served.post("/v2/models/kind/infer", {**body, "outputs": [{"name": name}]})
        assert one["outputs"] == [entry]
        raw = {"name": name, "parameters": {"binary_data": True}}
        response = served.client.post("/v2/models/kind/infer", json={**body, "outputs": [raw]})
        length = int(response.headers["Inference-Header-Content-Length"])
        head = json.loads(response.data[:length])["outputs"][0]
        size = head["parameters"]["binary_data_size"]
        assert size == len(response.data) - length
        if entry["datatype"] == "FP64":
            numbers = np.frombuffer(response.data[length:], "<f8").tolist()
            assert numbers == entry["data"]


def test_metrics_count_every_part(served: Served) -> None:
    client = served.client

    def counts(family: str) -> dict[str, float]:
        text = client.get("/metrics").get_data(as_text=True)
        lines = [line for line in text.splitlines() if line.startswith(f"{family}{{")]
        return {line.split('"')[1]: float(line.rsplit(" ", 1)[1]) for line in lines}

    before = counts("ml_predictions_total")
    served.post("/predict", {"instances": served.rows.to_numpy().tolist()})
    after = counts("ml_predictions_total")
    added = {key: after[key] - before[key] for key in after if after[key] != before[key]}
    answers = served.expected(served.kind.methods[0])
    parts = len(flat(answers[0])) if served.kind.methods[0] == "transform" or served.targets else 1
    assert sum(added.values()) == ROWS * min(parts, 50)
    shares = counts("ml_prediction_reference_ratio")
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
    if isinstance(answers[0], str | bool | int):
        own = [str(answer) for answer in answers]
        assert added == {label: own.count(label) for label in set(own)}
    if served.targets and not isinstance(next(iter(answers[0].values())), float):
        own = [f"{name}={value}" for row in answers for name, value in row.items()]
        assert added == {label: own.count(label) for label in set(own)}
