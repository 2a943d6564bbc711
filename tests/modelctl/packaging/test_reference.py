"""What a bundle remembers of its sample: bins in which later drift can be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from app.model.contract import Contract, Output
from app.model.feature import Dtype, Feature
from modelctl.packaging.reference import prediction_reference, reference
from tests import trained

CLASSES = Output("classifier", "kind", ("a", "b", "c"), probabilities=True)
NUMBER = Output("regressor", "size", None, probabilities=False)


def described(values: list[Any], dtype: Dtype = "float") -> dict[str, Any]:
    categories = tuple(sorted(set(values))) if dtype == "string" else None
    feature = Feature("x", dtype, None, None, categories, "allow")
    return reference(pd.DataFrame({"x": values}), Contract((feature,), NUMBER))[0]


@pytest.mark.parametrize(
    ("values", "edges", "ratios"),
    [
        pytest.param([1] * 3 + [2] * 5, [1, 1.5, 2], [0.375, 0.625], id="two values"),
        pytest.param([1, 1, 2, 3, 3, 3], [1, 1.5, 2.5, 3], [1 / 3, 1 / 6, 1 / 2], id="three"),
        pytest.param([7, 7, 7], [7], [1], id="constant"),
        pytest.param([0] * 96 + [1, 2, 3, 4], [0, 0.5, 4], [0.96, 0.04], id="mostly zero"),
        pytest.param([1, 2, 3, 4] + [9] * 96, [1, 6.5, 9], [0.04, 0.96], id="mostly largest"),
    ],
)
def test_a_common_value_has_a_bin_of_its_own(
    values: list[float], edges: list[float], ratios: list[float]
) -> None:
    entry = described(values)
    assert entry["edges"] == edges
    assert entry["ratios"] == pytest.approx(ratios, abs=1e-6)


def test_values_without_repetition_are_in_deciles() -> None:
    entry = described(list(np.linspace(0, 1, 1001)))
    assert entry["edges"] == pytest.approx(np.linspace(0, 1, 11), abs=2e-3)
    assert entry["ratios"] == pytest.approx([0.1] * 10, abs=2e-3)


@pytest.mark.parametrize("seed", range(20))
def test_no_bin_is_empty_and_none_is_lost(seed: int) -> None:
    chance = np.random.default_rng(seed)
    values = chance.integers(0, chance.integers(1, 40), 300) ** chance.integers(1, 4)
    entry = described(list(map(float, values)))
    assert min(entry["ratios"]) > 0
    assert sum(entry["ratios"]) == pytest.approx(1, abs=1e-5)
    assert len(entry["ratios"]) == max(1, len(entry["edges"]) - 1) <= 20
    assert (entry["edges"][0], entry["edges"][-1]) == (values.min(), values.max())


def test_missing_values_are_a_share_beside_the_categories() -> None:
    feature = Feature("x", "string", None, None, ("a", "b", "z"), "allow")
    frame = pd.DataFrame({"x": ["a", None, "b", "a"]})
    entry = reference(frame, Contract((feature,), NUMBER))[0]
    assert entry == {
        "name": "x",
        "missing": 0.25,
        "categories": ["a", "b", "z"],
        "ratios": [0.666667, 0.333333, 0.0],
    }


def test_predictions_are_described_like_features() -> None:
    assert prediction_reference(["c", "a", "a", "a"], CLASSES) == {
        "name": "kind",
        "missing": 0.0,
        "categories": ["a", "b", "c"],
        "ratios": [0.75, 0.0, 0.25],
    }
    assert prediction_reference([1.0, 1.0, 3.0, 3.0], NUMBER)["edges"] == [1, 2, 3]


def test_classes_are_named_as_labels_of_metrics_are() -> None:
    whole = Output("classifier", "kind", (0, 1), probabilities=True)
    assert prediction_reference([1, 0, 1, 1], whole)["categories"] == ["0", "1"]


@pytest.mark.parametrize("name", trained.NAMES)
def test_a_bundle_remembers_what_its_model_predicts_on_the_sample(name: str) -> None:
    manifest = orjson.loads((trained.bundle(name) / "manifest.json").read_bytes())
    entry = manifest["prediction_reference"]
    assert entry["name"] == manifest["output"]["target"]
    assert sum(entry["ratios"]) == pytest.approx(1, abs=1e-5)
    if manifest["output"]["classes"]:
        assert entry["categories"] == manifest["output"]["classes"]
        assert min(entry["ratios"]) > 0.1
