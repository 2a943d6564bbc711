"""Values land in the bins that packaging counted, under labels that Prometheus can keep apart."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from app.model.contract import Contract, Output, Target
from app.model.feature import Feature
from app.model.validation import Batch
from app.observability.metrics import bins
from app.observability.metrics.tally import FeatureTally
from modelctl.packaging import reference as packaging
from modelctl.packaging.column_types import json_rows
from tests import trained
from tests.app.conftest import make_client
from tests.app.observability.metrics import samples


def counted(entry: dict[str, object], values: list[float]) -> dict[str, int]:
    """Label -> how many values of one feature."""
    own = bins.of_feature(entry)
    tally = FeatureTally([(0, own, 0)])
    slots = tally.slots([Batch(np.array([[value] for value in values]))])
    return dict(zip(own.labels, np.bincount(slots, minlength=len(own.labels)), strict=True))


def test_a_range_has_its_lower_edge_and_the_last_one_both() -> None:
    entry = {"edges": [0.0, 1.0, 2.0], "ratios": [0.4, 0.6], "missing": 0.0}
    values = [0.0, 0.5, 1.0, 2.0, -0.1, np.nextafter(2.0, 3), 1e300, math.nan]
    expected = {"0": 2, "1": 2, "below": 1, "above": 2, "missing": 1}
    assert counted(entry, values) == expected


def test_a_column_of_one_value_has_one_bin() -> None:
    entry = {"edges": [5.0], "ratios": [1.0], "missing": 0.0}
    expected = {"0": 1, "below": 1, "above": 1, "missing": 1}
    assert counted(entry, [5.0, 4.9, 5.1, math.nan]) == expected


def test_a_column_that_was_never_there_tells_values_from_none() -> None:
    assert counted({"missing": 1.0}, [1.0, math.nan, 7.0]) == {"0": 2, "missing": 1}


@pytest.mark.parametrize("rows", [1, 5, 3000])
def test_ranges_of_several_features_are_those_of_numpy(rows: int) -> None:
    draw = np.random.default_rng(rows)
    training = draw.normal(size=(500, 3)).round(2)
    entries = [packaging._by_range(training[:, column]) for column in range(3)]
    tables = [bins.of_feature({"missing": 0.0, **entry}) for entry in entries]
    starts = np.cumsum([0, *(len(table.labels) for table in tables)])
    tally = FeatureTally([(at, table, int(starts[at])) for at, table in enumerate(tables)])
    live = np.clip(draw.normal(size=(rows, 3)), training.min(axis=0), training.max(axis=0))
    counts = np.bincount(tally.slots([Batch(live)]), minlength=starts[-1])
    for at, entry in enumerate(entries):
        histogram, _ = np.histogram(live[:, at], bins=entry["edges"])
        assert counts[starts[at] :][: len(histogram)].tolist() == histogram.tolist()


@pytest.mark.parametrize("model", ["iris", "penguins", "diabetes"])
def test_the_sample_itself_shows_no_drift(model: str) -> None:
    client = make_client(trained.bundle(model))
    contract = Contract.from_manifest(client.get("/model/info").get_json())
    frame = pd.read_csv(trained.training(model) / "sample.csv")
    rows = json_rows(frame[list(contract.names)], contract)
    for start in range(0, len(rows), 50):
        body = {"instances": rows[start : start + 50]}
        assert client.post("/predict/batch", json=body).status_code == 200
    # One at a time, they are looked up together with others.
    for row in rows[:70]:
        assert client.post("/predict", json={"features": row}).status_code == 200
    for row in rows[70:]:
        assert client.post("/predict", json={"instances": [row]}).status_code == 200
    found = samples.read(client.get("/metrics").text)
    assert samples.total(found, "ml_batch_rows_sum") == 2 * len(rows)
    for name in contract.names:
        live = samples.by(found, "ml_feature_bin_total", "bin", feature=name)
        wanted = samples.by(found, "ml_feature_reference_ratio", "bin", feature=name)
        assert live.keys() == wanted.keys()
        assert sum(live.values()) == 2 * len(rows)
        assert sum(wanted.values()) == pytest.approx(1, abs=1e-5)
        shares = {label: count / sum(live.values()) for label, count in live.items()}
        assert shares == pytest.approx(wanted, abs=2e-6), name
    live = samples.by(found, "ml_predictions_total", "prediction")
    wanted = samples.by(found, "ml_prediction_reference_ratio", "prediction")
    assert {label: count / sum(live.values()) for label, count in live.items()} == pytest.approx(
        wanted, abs=2e-6
    )


def test_labels_are_never_empty_nor_twice() -> None:
    texts = ["", "missing", "a" * 200, "a" * 100, "missing~2"]
    assert bins.distinct(texts, ("missing",)) == [
        "(empty)", "missing~2", "a" * 100, "a" * 100 + "~2", "missing~2~2",
    ]  # fmt: skip


def test_rare_categories_share_a_bin() -> None:
    names = [f"c{number}" for number in range(300)]
    ratios = [1.0 if number == 299 else 0.0 for number in range(300)]
    entry = {"categories": names, "ratios": ratios, "missing": 0.25}
    own = bins.of_feature(entry)
    assert len(own.labels) == bins.MAX_CATEGORIES + 3
    found = counted(entry, [0.0, 100.0, 200.0, 299.0, 299.0, math.nan])
    kept = {label: count for label, count in found.items() if count}
    assert kept == {"c0": 1, "other": 2, "c299": 2, "missing": 1}
    assert own.ratios is not None
    shares = dict(zip(own.labels, own.ratios, strict=True))
    assert (shares["c299"], shares["missing"], shares["unseen"]) == (0.75, 0.25, 0.0)


def test_classes_beyond_fifty_share_a_label() -> None:
    output = Output("classifier", "target", tuple(range(60)), probabilities=False)
    (part,) = bins.of_predictions(output, {"ratios": [1 / 60] * 60})
    own = part.bins
    assert part.series == own.labels
    assert own.labels[:2] == ("0", "1")
    assert own.labels[50:] == ("other",)
    assert own.positions[49:52] == (49, 50, 50)
    assert own.ratios is not None
    assert own.ratios[-1] == pytest.approx(10 / 60)


def test_bundles_without_a_reference_of_predictions_are_counted() -> None:
    output = Output("regressor", "target", None, probabilities=False)
    assert bins.of_predictions(output, None)[0].bins.labels == ("0",)
    classes = Output("classifier", "target", ("a", "b"), probabilities=False)
    own = bins.of_predictions(classes, None)[0].bins
    assert (own.labels, own.ratios) == (("a", "b"), None)


def test_several_targets_have_series_of_their_own() -> None:
    targets = (Target("a", ("no", "yes")), Target("a=no", None), Target("b", (0, 1)))
    output = Output("classifier", "several", None, probabilities=False, targets=targets)
    parts = bins.of_predictions(output, None)
    assert [part.key for part in parts] == ["a", "a=no", "b"]
    assert parts[0].series == ("a=no", "a=yes")
    assert parts[2].series == ("b=0", "b=1")
    every = [label for part in parts for label in part.series]
    assert len(every) == len(set(every))


def test_names_that_look_alike_do_not_share_a_series() -> None:
    targets = (Target("a", ("b=c",)), Target("a=b", ("c",)))
    output = Output("classifier", "several", None, probabilities=False, targets=targets)
    first, second = bins.of_predictions(output, None)
    assert (first.series, second.series) == (("a=b=c",), ("a=b=c~2",))


def test_the_first_fifty_numbers_of_a_vector_are_counted() -> None:
    output = Output("transformer", "vector", None, probabilities=False, width=300)
    parts = bins.of_predictions(output, None)
    assert [part.key for part in parts] == list(range(50))


def test_free_text_is_there_or_missing() -> None:
    own = bins.of_feature({"missing": 0.5})
    tally = FeatureTally([(0, own, 0)])
    # As the validator encodes texts: -1 for one that is no category, NaN for none.
    batch = Batch(np.array([[-1.0], [math.nan], [-1.0]]), {"note": ["x", None, ""]})
    assert np.bincount(tally.slots([batch])).tolist() == [2, 1]


def test_a_feature_is_what_the_contract_says() -> None:
    """The reference of booleans has their texts, as the contract has their numbers."""
    feature = Feature("flag", "boolean", None, None, None, "refuse")
    (entry,) = packaging.reference(
        pd.DataFrame({"flag": [True, True, False, True]}),
        Contract((feature,), Output("regressor", "y", None, probabilities=False)),
    )
    assert counted(entry, [1.0, 1.0, 0.0]) == {"false": 1, "true": 2, "missing": 0, "unseen": 0}
