"""The stability index that Prometheus records, beside one computed in Python.

Fed with the same increases it is the same number; fed with the rows that were really counted it
differs by less than one percent. The history has all that a day brings: two pods, one of which is
gone, a container that started anew, the model before with other shares, another release.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import pytest

from tests.observability import rules
from tests.observability.fed import Prometheus, running, write_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STEP, HOUR = 30, 3600
WINDOWS = {"1h": HOUR, "6h": 6 * HOUR, "1d": 24 * HOUR}
DIGEST, BEFORE = "sha256:" + "b" * 64, "sha256:" + "a" * 64
SPECIAL = {"missing": 0.0, "unseen": 0.0, "below": 0.0, "above": 0.0}
# What the reference says, what arrives, and rows in each step and pod.
FEATURES: dict[str, tuple[dict[str, float], dict[str, float], float]] = {
    "petal": (
        {"0": 0.25, "1": 0.25, "2": 0.25, "3": 0.25, **SPECIAL},
        {**SPECIAL, "0": 0.4, "1": 0.2, "2": 0.15, "3": 0.15, "above": 0.08, "missing": 0.02},
        20,
    ),
    "colour": (
        {"red": 0.7, "blue": 0.3, "green": 0.0, **SPECIAL},
        {**SPECIAL, "red": 0.55, "blue": 0.0, "green": 0.45},
        20,
    ),
    # Asked for so rarely that an hour proves nothing, but a day does.
    "rare": ({"0": 0.5, "1": 0.5, **SPECIAL}, {**SPECIAL, "0": 0.8, "1": 0.2}, 0.5),
}
CLASSES = ({"setosa": 0.5, "virginica": 0.5}, {"setosa": 0.65, "virginica": 0.35}, 20.0)
WILD = 1000.0


class Pod:
    """A pod that served from `first` to `last` seconds before the end."""

    def __init__(
        self, name: str, digest: str, first: int, last: int, job: str = "iris", again: int = 0
    ) -> None:
        self.labels = f'namespace="ml-dev",job="{job}",pod="{name}"'
        self.digest, self.first, self.last, self.again = digest, first, last, again

    def counts(self, end: int, share: float, rate: float) -> list[tuple[int, int]]:
        """A counter of whole rows, which starts anew `again` seconds before the end."""
        found, since = [], end - self.first
        for at in range(end - self.first, end - self.last + 1, STEP):
            if self.again and since < end - self.again <= at:
                since = at
            found.append((at, round((at - since) / STEP * rate * share)))
        return found


PODS = [
    Pod("iris-7c9d8f6b5-aaaaa", DIGEST, 26 * HOUR, 0, again=5 * HOUR + 10 * STEP),
    Pod("iris-7c9d8f6b5-bbbbb", DIGEST, 20 * HOUR, 3 * HOUR),
]
STRANGERS = [
    Pod("iris-66b5d4c8f-ccccc", BEFORE, 26 * HOUR, 4 * HOUR),
    Pod("iris-big-5f6d7c8b9-ddddd", DIGEST, 26 * HOUR, 0, job="iris-big"),
]


def psi(rows: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """The population stability index, from its definition."""
    total = sum(rows.values())
    return sum(
        (rows[name] / total - expected) * math.log((rows[name] / total + 1e-4) / (expected + 1e-4))
        for name, expected in reference.items()
    )


def history(end: int) -> Iterator[str]:
    """All that was scraped, in the order that OpenMetrics asks for: one metric after the other."""
    yield "# TYPE ml_feature_bin counter"
    for name, (_, live, rate) in FEATURES.items():
        yield from counters("ml_feature_bin", f'feature="{name}",bin=', live, rate, end)
    yield "# TYPE ml_predictions counter"
    yield from counters("ml_predictions", "prediction=", *CLASSES[1:], end)
    yield "# TYPE ml_feature_reference_ratio gauge"
    for feature, (reference, _, _) in FEATURES.items():
        for name, share in reference.items():
            label = f'feature="{feature}",bin="{name}"'
            yield from gauge("ml_feature_reference_ratio", label, share, end)
    yield "# TYPE ml_prediction_reference_ratio gauge"
    for name, share in CLASSES[0].items():
        yield from gauge("ml_prediction_reference_ratio", f'prediction="{name}"', share, end)
    yield "# TYPE ml_model_info gauge"
    yield from gauge("ml_model_info", 'name="iris",digest="$"', 1, end)


def counters(
    metric: str, label: str, live: dict[str, float], rate: float, end: int
) -> Iterator[str]:
    """Counters of rows of every pod; strangers have one bin only, and much of it."""
    for pod in (*PODS, *STRANGERS):
        for index, (name, share) in enumerate(live.items()):
            part = (share, rate) if pod in PODS else (float(index == 0), WILD)
            for at, value in pod.counts(end, *part):
                yield f'{metric}_total{{{pod.labels},{label}"{name}"}} {value} {at}'


def gauge(metric: str, label: str, value: float, end: int) -> Iterator[str]:
    """A gauge of every pod; `$` stands for its digest."""
    for pod in (*PODS, *STRANGERS):
        labels = f"{pod.labels},{label.replace('$', pod.digest)}"
        for at in range(end - pod.first, end - pod.last + 1, STEP):
            yield f"{metric}{{{labels}}} {value} {at}"


@pytest.fixture(scope="module")
def end() -> int:
    """When the history ends: just now."""
    return int(time.time()) - 1


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, end: int) -> Iterator[Prometheus]:
    """Prometheus with that history and the drift rules, once it has recorded every index."""
    database = write_blocks(history(end), tmp_path_factory.mktemp("psi"))
    groups = [group for group in rules.groups() if group["name"].startswith("drift")]
    with running(database, groups) as found:
        # petal and colour in three windows, rare in two; predictions in three.
        found.wait_for("ml:feature_psi", 8)
        found.wait_for("ml:prediction_psi", 3)
        yield found


def samples(prometheus: Prometheus, query: str, label: str) -> dict[float, dict[str, float]]:
    """What was recorded lately: time -> value of the label -> value."""
    found: dict[float, dict[str, float]] = {}
    for series in prometheus.query(f"{query}[20s]"):
        for at, value in series["values"]:
            found.setdefault(at, {})[series["metric"].get(label, "")] = float(value)
    return found


def counted(at: float, window: int, end: int, share: float, rate: float) -> int:
    """The rows that the release's pods really counted in a window that ends at a time."""
    rows = 0
    for pod in PODS:
        before = 0
        for when, value in pod.counts(end, share, rate):
            if at - window < when <= at:
                rows += value - before if value >= before else value
            before = value
    return rows


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("feature", FEATURES)
def test_index_is_that_of_the_same_increases(
    prometheus: Prometheus, end: int, feature: str, window: str
) -> None:
    reference, live, rate = FEATURES[feature]
    which = f'{{feature="{feature}",window="{window}"}}'
    recorded = samples(prometheus, f"ml:feature_psi{which}", "feature")
    rows = samples(prometheus, f"ml:feature_bin_rows:increase{which}", "bin")
    if feature == "rare" and window == "1h":
        assert recorded == {}
        assert 0 < sum(rows[max(rows)].values()) < 500
        return
    at = max(recorded)
    found = recorded[at][feature]
    assert found == pytest.approx(psi(rows[at], reference), rel=1e-9)
    raw = {name: counted(at, WINDOWS[window], end, share, rate) for name, share in live.items()}
    assert sum(raw.values()) > 500
    assert found == pytest.approx(psi(raw, reference), rel=0.01)
    assert found > 0.1


@pytest.mark.parametrize("window", WINDOWS)
def test_index_of_the_predictions_is_that_of_the_same_increases(
    prometheus: Prometheus, end: int, window: str
) -> None:
    reference, live, rate = CLASSES
    recorded = samples(prometheus, f'ml:prediction_psi{{window="{window}"}}', "digest")
    rows = samples(
        prometheus, f'ml:prediction_bin_rows:increase{{window="{window}"}}', "prediction"
    )
    at = max(recorded)
    assert list(recorded[at]) == [DIGEST]
    found = recorded[at][DIGEST]
    assert found == pytest.approx(psi(rows[at], reference), rel=1e-9)
    raw = {name: counted(at, WINDOWS[window], end, share, rate) for name, share in live.items()}
    assert found == pytest.approx(psi(raw, reference), rel=0.01)


def test_rows_of_a_pod_that_is_gone_count_and_those_of_the_model_before_do_not(
    prometheus: Prometheus, end: int
) -> None:
    rows = samples(prometheus, 'ml:feature_rows:increase{feature="petal",window="1d"}', "digest")
    at = max(rows)
    assert list(rows[at]) == [DIGEST]
    live, rate = FEATURES["petal"][1:]
    raw = sum(counted(at, 24 * HOUR, end, share, rate) for share in live.values())
    assert rows[at][DIGEST] == pytest.approx(raw, rel=0.01)
