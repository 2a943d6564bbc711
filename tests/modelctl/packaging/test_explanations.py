"""`modelctl package --explain`: which rows a bundle keeps, what it must not, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from palmerpenguins import load_penguins
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor, VotingClassifier
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    StandardScaler,
)

from app.errors import BundleRefusedError
from app.model.bundle import canonical, digest_of, verify
from modelctl.cli import cli
from modelctl.packaging.additivity import is_additive
from tests.app.conftest import make_client
from tests.app.explanations.explained import (
    assert_adds_up,
    contributions,
    package,
    serve,
    shapley,
)

NUMBERS = ["bill_length_mm", "flipper_length_mm", "body_mass_g"]


def regression(columns: int = 4) -> tuple[Any, pd.DataFrame]:
    frame = load_diabetes(as_frame=True, scaled=False).frame
    frame = frame[[*frame.columns[:columns], "target"]]
    return Ridge().fit(frame.drop(columns="target"), frame["target"]), frame


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "bundle" / "manifest.json").read_bytes())
    return found


def test_off_by_default_and_on_by_option(tmp_path: Path) -> None:
    model, sample = regression()
    joblib.dump(model, tmp_path / "model.joblib")
    sample.to_csv(tmp_path / "sample.csv", index=False)
    common = ["package", str(tmp_path), "--name", "a", "--version", "1.0.0", "--target", "target"]
    for options, is_on in ((["--explain"], True), ([], False)):
        result = CliRunner().invoke(cli, [*common, *options, "--out", str(tmp_path / "bundle")])
        assert result.exit_code == 0, result.output
        assert ("/explain is on" in result.output) == is_on
        assert ("explain" in manifest(tmp_path)) == is_on
        assert (tmp_path / "bundle" / "background.json").exists() == is_on


def test_the_rows_are_drawn_from_the_sample_always_the_same_and_in_the_digest(
    tmp_path: Path,
) -> None:
    model, sample = regression()
    digests = []
    for _ in range(2):
        assert package(tmp_path, model, sample, "target", explain={"rows": 25})[0] == 0
        digests.append(verify(tmp_path / "bundle").digest)
    assert digests[0] == digests[1]
    columns = json.loads((tmp_path / "bundle" / "background.json").read_bytes())["columns"]
    background = pd.DataFrame(columns)[list(sample.columns[:-1])]
    assert len(background) == 25
    assert not background.index.duplicated().any()
    whole = set(map(tuple, sample.drop(columns="target").astype(float).to_numpy().tolist()))
    assert set(map(tuple, background.astype(float).to_numpy().tolist())) <= whole
    # Not the first ones.
    first = sample.drop(columns="target").head(25).reset_index(drop=True)
    assert not background.astype(float).equals(first.astype(float))
    (tmp_path / "bundle" / "background.json").write_bytes(b'{"columns":{}}')
    with pytest.raises(BundleRefusedError):
        verify(tmp_path / "bundle", digests[0])


def test_a_small_sample_is_used_whole_a_tiny_one_is_refused(tmp_path: Path) -> None:
    model, sample = regression()
    assert package(tmp_path, model, sample.head(12), "target")[0] == 0
    assert manifest(tmp_path)["explain"]["rows"] == 12
    code, output = package(tmp_path, model, sample.head(9), "target")
    assert code == 1
    assert "the sample is too small for explanations" in output


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ({"rows": 9}, ">= 10 - at `$.rows`"),
        ({"rows": 5000}, "<= 1000 - at `$.rows`"),
        ({"permutations": 7}, "multiple of 2 - at `$.permutations`"),
        ({"seed": 1}, "unknown field `seed`"),
        ("yes please", "Expected `object`, got `str`"),
    ],
)
def test_a_wrong_rule_is_refused(tmp_path: Path, rule: Any, fault: str) -> None:
    model, sample = regression()
    code, output = package(tmp_path, model, sample, "target", explain=rule)
    assert code == 1
    assert fault in " ".join(output.split())


def test_more_orders_cost_more(tmp_path: Path) -> None:
    frame = load_diabetes(as_frame=True, scaled=False).frame
    model = RandomForestRegressor(5, random_state=0)
    model.fit(frame.drop(columns="target"), frame["target"])
    costs = {}
    for rule in (True, {"permutations": 40}, {"rows": 50}):
        assert package(tmp_path, model, frame, "target", explain=rule)[0] == 0
        entry = manifest(tmp_path)["explain"]
        info = make_client(tmp_path / "bundle").get("/model/info").get_json()["explain"]
        costs[entry["rows"], entry["permutations"]] = info["evaluations"]
    assert costs == {(100, 16): 14_400, (100, 40): 36_000, (50, 16): 7_200}


def test_many_features_get_fewer_orders_and_have_a_limit(tmp_path: Path) -> None:
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 120)))
    wide.columns = wide.columns.map("x{}".format)
    forest = RandomForestRegressor(2, random_state=0).fit(wide, wide["x0"])
    sample = wide.assign(y=wide["x0"])
    assert package(tmp_path, forest, sample, "y")[0] == 0
    assert manifest(tmp_path)["explain"]["permutations"] == 14
    code, output = package(tmp_path, forest, sample, "y", explain={"permutations": 1000})
    assert code == 1
    assert "at most 1,000,000 predictions for a row" in output
    assert "60 rows x 1000 permutations x 120 features" in output


def iris() -> pd.DataFrame:
    data = load_iris(as_frame=True)
    frame: pd.DataFrame = data.data
    return frame.assign(species=data.target.map(lambda index: str(data.target_names[index])))


def test_answers_that_features_cannot_add_up_to_are_refused(tmp_path: Path) -> None:
    frame = iris()
    features, labels = frame.drop(columns="species"), frame["species"]
    voting = VotingClassifier([("one", LogisticRegression(max_iter=1000))], voting="hard")
    for model, found in (
        (KMeans(2, random_state=0, n_init=1).fit(features), "a cluster that answers numbers of"),
        (make_pipeline(StandardScaler(), PCA(2)).fit(features), "a transformer that answers vec"),
        (voting.fit(features, labels), "a classifier that answers labels only"),
    ):
        sample = frame if model is voting else features
        code, output = package(tmp_path, model, sample, "species" if model is voting else "")
        assert code == 1, output
        assert "the answers of this model cannot be explained" in output
        assert found in " ".join(output.split())


# ---- what is sensitive


def private() -> tuple[Any, pd.DataFrame, list[str]]:
    """A model of numbers and of texts, two of which nobody may see."""
    names = [*NUMBERS[:2], "sex", "island"]
    frame = load_penguins().dropna()[[*names, "species"]].reset_index(drop=True)
    prepare = make_column_transformer(
        (StandardScaler(), NUMBERS[:2]), (OneHotEncoder(handle_unknown="ignore"), names[2:])
    )
    model = make_pipeline(prepare, LogisticRegression()).fit(frame[names], frame["species"])
    return model, frame, ["flipper_length_mm", "island"]


def test_sensitive_values_are_in_no_background_and_have_no_contribution(tmp_path: Path) -> None:
    model, frame, hidden = private()
    inputs = {name: {"sensitive": True, "example": frame[name].iloc[0]} for name in hidden}
    inputs["flipper_length_mm"]["example"] = 200
    explained = serve(tmp_path, model, frame, "species", inputs=inputs)
    names = ["bill_length_mm", "sex"]
    columns = json.loads((tmp_path / "bundle" / "background.json").read_bytes())["columns"]
    assert sorted(columns) == names
    for at in (0, 150, 300):
        row = explained.features.iloc[[at]]
        answer = explained.answer(row.iloc[0])
        assert list(answer["explanation"]["contributions"]) == names
        assert_adds_up(answer)
        # The row's own values stand in every mix.
        own = {name: row[name].iloc[0] for name in hidden}

        def ask(mixed: pd.DataFrame, own: dict[str, Any] = own) -> Any:
            return model.predict_proba(mixed.assign(**own)[list(frame.columns[:-1])])

        expected = shapley(ask, row[names], explained.background[names])
        np.testing.assert_allclose(contributions(answer), expected, rtol=1e-6, atol=1e-6)


def test_a_linear_model_has_sensitive_features_as_well(tmp_path: Path) -> None:
    model, frame = regression()
    explained = serve(tmp_path, model, frame, "target", inputs={"bmi": {"sensitive": True}})
    row = explained.features.iloc[[5]]
    answer = explained.answer(row.iloc[0])
    assert answer["explanation"]["method"] == "closed-form"
    assert_adds_up(answer)
    others = [name for name in explained.features.columns if name != "bmi"]
    expected = {
        name: weight * (row[name].iloc[0] - explained.background[name].mean())
        for name, weight in zip(explained.features.columns, model.coef_, strict=True)
        if name in others
    }
    assert answer["explanation"]["contributions"] == pytest.approx(expected)


def test_a_model_of_sensitive_features_alone_is_not_explained(tmp_path: Path) -> None:
    model, frame = regression(2)
    inputs = {name: {"sensitive": True} for name in frame.columns[:-1]}
    code, output = package(tmp_path, model, frame, "target", inputs=inputs)
    assert code == 1
    assert "there is no feature to explain predictions by" in output


def test_no_answer_shows_a_text_of_the_background(tmp_path: Path) -> None:
    names = ["name", "size"]
    secrets = [f"secret-{at:03d}" for at in range(60)]
    frame = pd.DataFrame({"name": secrets, "size": np.arange(60.0)})
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["name"]), remainder="passthrough"
    )
    model = make_pipeline(encoder, LogisticRegression()).fit(frame, frame["size"] > 29)
    sample = frame.assign(large=frame["size"] > 29)
    explained = serve(tmp_path, model, sample, "large")
    client = explained.client
    body = {"features": {"name": "another", "size": 31.5}}
    texts = [client.post("/explain", json=body).text]
    texts += [client.post("/explain", json={"features": {"name": 3}}).text]
    texts += [client.get(path).text for path in ("/model/info", "/openapi.json", "/metrics")]
    assert not [text for text in texts if "secret-" in text]
    assert sorted(names) == sorted(explained.background.columns)


# ---- what may be computed in closed form


PREPARE = make_column_transformer((StandardScaler(), [0, 1]), (MinMaxScaler(), [2, 3]))
SUMS = [
    LinearRegression(),
    make_pipeline(StandardScaler(), QuantileTransformer(n_quantiles=20), Ridge()),
    make_pipeline(PREPARE, Ridge()),
    make_pipeline(StandardScaler(), PCA(2), Ridge()),
    make_pipeline(make_union(StandardScaler(), MinMaxScaler()), PCA(2), Ridge()),
    GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [1, 2]}),
    make_pipeline(StandardScaler(), make_pipeline(PCA(3), Ridge())),
    make_pipeline(PolynomialFeatures(1), LinearRegression()),
    make_pipeline(FeatureUnion([("scaled", StandardScaler()), ("nothing", "drop")]), Ridge()),
]
NO_SUMS = [
    PoissonRegressor(),
    make_pipeline(PolynomialFeatures(2), LinearRegression()),
    make_pipeline(Normalizer(), Ridge()),
    make_pipeline(PCA(2), QuantileTransformer(n_quantiles=20), Ridge()),
    make_pipeline(make_union(PCA(2), MinMaxScaler()), QuantileTransformer(n_quantiles=20), Ridge()),
    make_pipeline(FunctionTransformer(np.abs), Ridge()),
    RandomForestRegressor(3, random_state=0),
]


def is_sum(model: Any, features: pd.DataFrame) -> bool:
    """Whether single changes of a row add up to all of them at once, by the model's own answers."""
    first, last = features.iloc[[0]], features.iloc[[-1]]
    changed = [first.assign(**{name: last[name].iloc[0]}) for name in features.columns]
    base = model.predict(first)[0]
    total = base + sum(model.predict(each)[0] - base for each in changed)
    return bool(np.isclose(total, model.predict(last)[0], rtol=1e-9, atol=1e-9))


@pytest.mark.parametrize("model", SUMS + NO_SUMS, ids=lambda model: str(model)[:60])
def test_what_is_called_a_sum_is_one(model: Any) -> None:
    _, frame = regression()
    features = frame.drop(columns="target").astype(float)
    model.fit(features, frame["target"])
    found = is_additive(model, "prediction")
    assert not found or is_sum(model, features)
    # Of what the list does not know, sums are computed the long way.
    assert found == (model in SUMS and "PolynomialFeatures" not in str(model))


def test_of_a_classifier_only_the_decision_is_a_sum() -> None:
    frame = iris()
    features, labels = frame.drop(columns="species"), frame["species"]
    assert is_additive(RidgeClassifier().fit(features, labels), "decision")
    assert not is_additive(LogisticRegression(max_iter=1000).fit(features, labels), "probability")


# ---- a bundle whose digest fits and whose meaning does not


@pytest.mark.parametrize(
    ("entry", "columns"),
    [
        ({"permutations": 3, "rows": 20, "additive": True}, None),
        ({"permutations": 4, "rows": 20, "additive": "no"}, None),
        ({"rows": 20}, None),
        ([], None),
        (None, {}),
        (None, {"age": [1.0]}),
        (None, {"age": ["x"], "sex": [1.0], "bmi": [1.0], "bp": [1.0]}),
        (None, [1]),
    ],
)
def test_a_background_without_a_meaning_is_refused(
    tmp_path: Path, entry: Any, columns: Any
) -> None:
    model, sample = regression()
    assert package(tmp_path, model, sample, "target")[0] == 0
    bundle, found = tmp_path / "bundle", manifest(tmp_path)
    data = (bundle / "background.json").read_bytes()
    if columns is not None:
        data = canonical({"columns": columns})
    (bundle / "background.json").write_bytes(data)
    found["files"]["background.json"] = {
        "sha256": digest_of(data).removeprefix("sha256:"), "bytes": len(data),
    }  # fmt: skip
    if entry is not None:
        found["explain"] = entry
    (bundle / "manifest.json").write_bytes(canonical(found))
    place = r"the background of explanations|manifest.json at \$\.explain\S*"
    with pytest.raises(BundleRefusedError, match=rf"^({place}) is invalid"):
        make_client(bundle)
