"""Labels of unusual types, models that break their contract, and models that cannot be served."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import DBSCAN, AgglomerativeClustering, FeatureAgglomeration
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.manifold import TSNE
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from modelctl.errors import ModelctlError
from modelctl.packaging.package import Plan, plan
from modelctl.packaging.training_output import Request, read_training_output
from tests.app.conftest import make_client
from tests.outputs import kinds, odd_models, packaged

if TYPE_CHECKING:
    from flask.testing import FlaskClient

Package = Callable[..., Plan]


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """Package a fitted model with a sample into the folder `bundle`."""

    def into_folder(model: Any, sample: pd.DataFrame, target: Any = "") -> Plan:
        return packaged.package(model, sample, tmp_path, target)

    return into_folder


def answers(client: FlaskClient, rows: pd.DataFrame) -> list[Any]:
    response = client.post("/predict", json={"instances": rows.to_numpy().tolist()})
    assert response.status_code == 200, response.get_json()
    return [row["prediction"] for row in response.get_json()["predictions"]]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        pytest.param([False, True], bool, id="booleans"),
        pytest.param([-1, 1], int, id="integers"),
        pytest.param([1.0, 2.0], float, id="whole fractions"),
        pytest.param(["no", "yes"], str, id="strings"),
    ],
)
@pytest.mark.parametrize("model", [LogisticRegression, RidgeClassifier, DecisionTreeClassifier])
def test_labels_keep_their_type(
    package: Package, tmp_path: Path, labels: list[Any], kind: type, model: Any
) -> None:
    features, species = kinds.iris()
    y = np.array(labels)[(species == "setosa").astype(int)]
    fitted = make_pipeline(StandardScaler(), model()).fit(features, y)
    package(fitted, features)
    found = answers(make_client(tmp_path / "bundle"), features.iloc[40:60])
    assert found == fitted.predict(features.iloc[40:60]).tolist()
    assert {type(label) for label in found} == {kind}


def test_labels_that_are_numpy_scalars_become_plain(package: Package, tmp_path: Path) -> None:
    features, species = kinds.iris()
    fitted = odd_models.NumPyLabels().fit(features, species)
    planned = package(fitted, features)
    assert planned.manifest["output"]["classes"] == (3, 7)
    found = answers(make_client(tmp_path / "bundle"), features.iloc[::30])
    assert found == [int(label) for label in fitted.predict(features.iloc[::30])]


def test_a_label_that_is_no_class_is_an_error_and_never_an_answer(
    package: Package, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    features, species = kinds.iris()
    known = features[features["sepal length (cm)"] <= 7.5]
    fitted = odd_models.Stranger().fit(features, species)
    with pytest.raises(ModelctlError, match="something else than its fitted attributes"):
        package(fitted, known)
    # Perturbed rows do not find everything.
    fitted.limit_ = 77
    package(fitted, known)
    client = make_client(tmp_path / "bundle")
    assert client.post("/predict", json={"features": [5, 3, 1, 0.2]}).status_code == 200
    with caplog.at_level(logging.ERROR, logger="app"):
        response = client.post("/predict", json={"features": [79, 3, 1, 0.2]})
    assert response.status_code == 500
    assert "none of the model's classes" in str(caplog.records[-1].exc_info)


@pytest.mark.parametrize("path", ["/predict", "/v1/models/kind:predict", "/v2/models/kind/infer"])
def test_one_answer_for_many_rows_is_an_error_on_every_route(
    package: Package, tmp_path: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    features, target = kinds.diabetes()
    package(odd_models.OnceForAll(limit=40).fit(features, target), features)
    client = make_client(tmp_path / "bundle")

    def ask(count: int) -> Any:
        rows = features.head(count).to_numpy().tolist()
        tensor = {"name": "x", "datatype": "FP64", "shape": [count, 10], "data": rows}
        body = {"inputs": [tensor]} if path.startswith("/v2") else {"instances": rows}
        return client.post(path, json=body)

    assert ask(39).status_code == 200
    with caplog.at_level(logging.ERROR, logger="app"):
        response = ask(40)
    assert response.status_code == 500
    assert response.get_json()["title"]
    assert "predict answered 1 rows for a request of 40" in str(caplog.records[-1].exc_info)
    text = client.get("/metrics").get_data(as_text=True)
    failed = [line for line in text.splitlines() if 'code="500"' in line and "ml_requests" in line]
    assert [float(line.rsplit(" ", 1)[1]) for line in failed if " 0.0" not in line] == [1.0]
    assert "ml_predictions_total" in text


def test_a_vector_too_few_is_an_error(package: Package, tmp_path: Path) -> None:
    features, _ = kinds.unlabelled()
    package(odd_models.Embedding().fit(features), features)
    client = make_client(tmp_path / "bundle")
    rows = features.head(2)
    np.testing.assert_allclose(answers(client, rows), rows.iloc[:, :2] * 2)
    body = {"instances": features.head(3).to_numpy().tolist()}
    assert client.post("/predict", json=body).status_code == 500


def test_an_estimator_without_tags_is_known_by_what_it_answers(
    package: Package, tmp_path: Path
) -> None:
    features, target = kinds.diabetes()
    fitted = odd_models.Untagged().fit(features, target)
    planned = package(fitted, features)
    assert planned.manifest["output"]["kind"] == "regressor"
    found = answers(make_client(tmp_path / "bundle"), features.head(4))
    assert found == pytest.approx(fitted.predict(features.head(4)).tolist())


def test_a_single_column_of_several_targets_keeps_its_name(
    package: Package, tmp_path: Path
) -> None:
    features, species = kinds.iris()
    fitted = MultiOutputClassifier(LogisticRegression(max_iter=500)).fit(features, species[:, None])
    package(fitted, features, target="species")
    client = make_client(tmp_path / "bundle")
    right = [{"species_0": label} for label in fitted.predict(features.head(3)).ravel().tolist()]
    assert answers(client, features.head(3)) == right


def test_labels_as_a_sparse_matrix_are_answered(package: Package, tmp_path: Path) -> None:
    from scipy.sparse import csr_matrix

    features, indicator = kinds.labels()
    trees = OneVsRestClassifier(DecisionTreeClassifier(max_depth=2))
    model = make_pipeline(StandardScaler(), trees)
    fitted = model.fit(features, csr_matrix(indicator))
    package(fitted, features)
    right = fitted.predict(features.head(9)).toarray().tolist()
    found = answers(make_client(tmp_path / "bundle"), features.head(9))
    assert [list(row.values()) for row in found] == right


def test_targets_in_the_sample_are_named_and_no_features(package: Package, tmp_path: Path) -> None:
    features, y = kinds.progression()
    fitted = MultiOutputRegressor(DecisionTreeRegressor(max_depth=3)).fit(features.to_numpy(), y)
    sample = features.assign(progression=y[:, 0], sugar=y[:, 1])
    planned = package(fitted, sample, target=("progression", "sugar"))
    assert [entry["name"] for entry in planned.manifest["inputs"]] == list(features.columns)
    found = answers(make_client(tmp_path / "bundle"), features.head(3))
    right = fitted.predict(features.head(3).to_numpy()).tolist()
    assert [list(row.items()) for row in found] == [
        [("progression", one), ("sugar", other)] for one, other in right
    ]


def test_model_yaml_names_several_targets(tmp_path: Path) -> None:
    features, y = kinds.progression()
    joblib.dump(DecisionTreeRegressor(max_depth=3).fit(features, y), tmp_path / "model.joblib")
    features.assign(a=y[:, 0], b=y[:, 1]).to_csv(tmp_path / "sample.csv", index=False)
    config = tmp_path / "model.yaml"
    config.write_text("name: odd\nversion: 1.0.0\ntarget: [a, b]\n")
    read = read_training_output(Request(tmp_path, config=config))
    assert list(read.features.columns) == list(features.columns)
    output = plan(read, engine="auto", tolerance=1e-6).manifest["output"]
    assert [target["name"] for target in output["targets"]] == ["a", "b"]


def test_names_that_are_not_as_many_as_targets_are_refused(package: Package) -> None:
    features, y = kinds.progression()
    fitted = DecisionTreeRegressor(max_depth=2).fit(features, y)
    with pytest.raises(ModelctlError, match="the named targets are not those of the model"):
        package(fitted, features, target=("a", "b", "c"))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        pytest.param(DBSCAN(), ("DBSCAN", "KMeans", "labels_"), id="dbscan"),
        pytest.param(AgglomerativeClustering(2), ("Birch", "labels_"), id="agglomerative"),
        pytest.param(LocalOutlierFactor(), ("novelty=True",), id="lof"),
        pytest.param(TSNE(2, init="random", random_state=0), ("PCA", "transform"), id="t-sne"),
        pytest.param(KernelDensity(), ("predict",), id="density"),
        pytest.param(
            make_pipeline(StandardScaler(), DBSCAN()), ("DBSCAN", "KMeans"), id="in-a-pipeline"
        ),
    ],
)
def test_what_answers_only_the_rows_of_fit_is_refused_with_a_remedy(
    package: Package, model: Any, words: tuple[str, ...]
) -> None:
    features, _ = kinds.unlabelled()
    with pytest.raises(ModelctlError, match="cannot answer new rows") as refused:
        package(model.fit(features), features)
    text = str(refused.value)
    assert all(word in text for word in words), text


def test_a_clusterer_of_features_is_a_transformer(package: Package, tmp_path: Path) -> None:
    features, _ = kinds.unlabelled()
    fitted = FeatureAgglomeration(4).fit(features)
    planned = package(fitted, features)
    assert (planned.manifest["output"]["kind"], planned.manifest["engine"]) == (
        "transformer",
        "sklearn",
    )
    found = answers(make_client(tmp_path / "bundle"), features.head(2))
    np.testing.assert_allclose(found, fitted.transform(features.head(2)))


def test_classes_without_a_json_equivalent_are_refused(package: Package) -> None:
    features, species = kinds.iris()
    days = np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[D]")
    fitted = DummyClassifier(strategy="prior").fit(features, species)
    fitted.classes_ = days
    with pytest.raises(ModelctlError, match="no JSON equivalent"):
        package(fitted, features)


def test_no_vector_is_logged(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, _ = kinds.unlabelled()
    package(StandardScaler().fit(features), features)
    client = make_client(tmp_path / "bundle")
    lines: list[bytes] = []
    monkeypatch.setattr("os.write", lambda _descriptor, block: lines.append(block))
    logging.getLogger("app").setLevel(logging.INFO)
    answers(client, features.head(2))
    service = next(
        cell.cell_contents
        for function in client.application.view_functions.values()
        for cell in function.__closure__ or ()
        if hasattr(cell.cell_contents, "flush_metrics")
    )
    service.flush()
    line = json.loads(io.BytesIO(b"".join(lines)).readline())
    assert (line["event"], line["rows"], line["prediction"]) == ("prediction_completed", 2, [])
