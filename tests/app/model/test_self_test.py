"""At start a model has to predict its own sample as packaging recorded it.

How far a number may be off is written here by value: two units in the sixth digit are too much.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import RidgeClassifier
from sklearn.svm import LinearSVC

from app.errors import BundleRefusedError
from app.model import engine
from app.model.bundle import Bundle, canonical, digest_of, verify
from app.model.contract import Contract
from tests import trained
from tests.outputs.packaged import BUNDLE, package


def recorded(
    tmp_path: Path,
    model: str | Path,
    change: Callable[[Any], object],
    key: str = "predictions",
) -> Bundle:
    """A bundle whose recorded predictions are others, and verify all the same."""
    source = trained.bundle(model) if isinstance(model, str) else model
    folder = Path(shutil.copytree(source, tmp_path / "bundle"))
    sample = json.loads((folder / "sample.json").read_bytes())
    change(sample[key] if key else sample)
    data = canonical(sample)
    (folder / "sample.json").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    entry = {"sha256": digest_of(data).removeprefix("sha256:"), "bytes": len(data)}
    manifest["files"]["sample.json"] = entry
    (folder / "manifest.json").write_bytes(canonical(manifest))
    return verify(folder)


def self_test(bundle: Bundle) -> None:
    contract = Contract.from_manifest(bundle.manifest)
    engine.self_test(bundle, contract, engine.load(bundle, contract))


def regressor() -> str:
    """The sample model that predicts a number."""
    kinds = {
        name: verify(trained.bundle(name)).manifest["output"]["kind"] for name in trained.NAMES
    }
    return next(name for name, kind in kinds.items() if kind == "regressor")


def at(row: int, share: float) -> Callable[[list[Any]], None]:
    """One recorded number a share of itself off."""

    def change(predictions: list[Any]) -> None:
        assert abs(predictions[row]) > 1
        predictions[row] *= 1 + share

    return change


@pytest.mark.parametrize("row", [0, 5, -1])
@pytest.mark.parametrize("share", [1e-4, 2e-6, -2e-6])
def test_a_number_that_is_off_is_refused(tmp_path: Path, row: int, share: float) -> None:
    with pytest.raises(BundleRefusedError):
        self_test(recorded(tmp_path, regressor(), at(row, share)))


@pytest.mark.parametrize("share", [0.0, 5e-7, -5e-7])
def test_a_number_that_another_processor_rounds_is_accepted(tmp_path: Path, share: float) -> None:
    self_test(recorded(tmp_path, regressor(), at(5, share)))


@pytest.mark.parametrize("wrong", [math.inf, None, "9.5", True])
def test_what_is_no_such_number_is_refused(tmp_path: Path, wrong: Any) -> None:
    def change(predictions: list[Any]) -> None:
        predictions[0] = wrong

    with pytest.raises(BundleRefusedError):
        self_test(recorded(tmp_path, regressor(), change))


@pytest.mark.parametrize("row", [0, 7, -1])
def test_another_label_is_refused(tmp_path: Path, row: int) -> None:
    def change(predictions: list[Any]) -> None:
        predictions[row] = next(label for label in predictions if label != predictions[row])

    with pytest.raises(BundleRefusedError):
        self_test(recorded(tmp_path, "iris", change))


def classifiers() -> list[str]:
    """The sample models with probabilities."""
    manifests = {name: verify(trained.bundle(name)).manifest for name in trained.NAMES}
    return [name for name, one in manifests.items() if one["output"]["probabilities"]]


@pytest.mark.parametrize("off", [1e-3, 3e-6, -3e-6])
@pytest.mark.parametrize("row", [0, 7, -1])
@pytest.mark.parametrize("model", classifiers())
def test_a_probability_that_is_off_is_refused(
    tmp_path: Path, model: str, row: int, off: float
) -> None:
    def change(probabilities: list[list[float]]) -> None:
        probabilities[row][-1] += off

    with pytest.raises(BundleRefusedError, match="the probabilities for sample row"):
        self_test(recorded(tmp_path, model, change, "probabilities"))


@pytest.mark.parametrize("off", [0.0, 5e-7, -5e-7])
def test_a_probability_that_another_processor_rounds_is_accepted(
    tmp_path: Path, off: float
) -> None:
    def change(probabilities: list[list[float]]) -> None:
        probabilities[3][0] += off

    self_test(recorded(tmp_path, classifiers()[0], change, "probabilities"))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda recorded: recorded.pop(), id="fewer-rows"),
        pytest.param(lambda recorded: [row.pop() for row in recorded], id="fewer-classes"),
        pytest.param(lambda recorded: recorded.__setitem__(0, [math.nan] * 3), id="no-number"),
    ],
)
def test_probabilities_of_another_shape_are_refused(
    tmp_path: Path, change: Callable[[Any], object]
) -> None:
    with pytest.raises(BundleRefusedError, match="the probabilities"):
        self_test(recorded(tmp_path, "iris", change, "probabilities"))


@pytest.mark.parametrize(
    ("model", "key"),
    [
        pytest.param(LinearSVC(), "scores", id="decision-function"),
        pytest.param(RidgeClassifier(), "scores", id="ridge"),
        pytest.param(IsolationForest(n_estimators=5, random_state=0), "scores", id="anomaly"),
        pytest.param(PCA(2), "predictions", id="vector"),
    ],
)
def test_scores_and_vectors_that_are_off_are_refused(tmp_path: Path, model: Any, key: str) -> None:
    features, labels = load_iris(return_X_y=True, as_frame=True)
    package(model.fit(features, labels), features, tmp_path)
    made = tmp_path / BUNDLE

    def change(values: list[Any]) -> None:
        if isinstance(values[4], list):
            values[4][1] += 1e-4
        else:
            values[4] += 1e-4

    self_test(verify(made))
    with pytest.raises(BundleRefusedError, match="sample row 4"):
        self_test(recorded(tmp_path / "other", made, change, key))


def test_a_bundle_that_recorded_no_numbers_is_served(tmp_path: Path) -> None:
    bundle = recorded(tmp_path, "iris", lambda sample: sample.pop("probabilities"), "")
    self_test(bundle)


@pytest.mark.parametrize("change", [list.pop, lambda found: found.append(found[0])])
def test_fewer_or_more_predictions_than_rows_never_serve(
    tmp_path: Path, change: Callable[[list[Any]], None]
) -> None:
    bundle = recorded(tmp_path, "iris", change)
    contract = Contract.from_manifest(bundle.manifest)
    with pytest.raises(BundleRefusedError):
        engine.self_test_in_child(bundle, contract, engine.load(bundle, contract))


@pytest.mark.parametrize("share", [2e-6, 0.0])
def test_the_child_says_the_same(tmp_path: Path, share: float) -> None:
    bundle = recorded(tmp_path, regressor(), at(3, share))
    contract = Contract.from_manifest(bundle.manifest)
    loaded = engine.load(bundle, contract)
    if not share:
        engine.self_test_in_child(bundle, contract, loaded)
        return
    with pytest.raises(BundleRefusedError) as refused:
        engine.self_test_in_child(bundle, contract, loaded)
    assert "row 3" in refused.value.what
